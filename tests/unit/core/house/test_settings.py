"""What the house is set to: kept, bounded, heard of by every panel, and obeyed by whom it concerns."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from innkeeper.core.access.errors import KeyHasExpired, PermissionIsMissing
from innkeeper.core.accounts.errors import LastSuperuser, NoSuchAccount
from innkeeper.core.files.errors import FileIsTooLarge
from innkeeper.core.files.service import GIB
from innkeeper.core.house.directory import PREFIX
from innkeeper.core.house.errors import HouseSettingIsInvalid
from innkeeper.core.house.model import HouseChanges, HouseSettings
from innkeeper.panel.gateway import desired_server
from innkeeper.testing.products import PASSWORD, House
from tests.unit.core.conftest import FakeClock, restarted


async def put(house: House, **settings: Any) -> HouseSettings:
    return await house.product.house.change(house.actor(house.root), HouseChanges(**settings))


# -- keeping and telling --------------------------------------------------------------------------------------------


async def test_what_is_set_holds_at_once_and_after_a_restart(house: House) -> None:
    assert house.product.house.get() == HouseSettings()
    changed = await put(house, session_days=30, keywords=("help", "chunk"), activity_entries=300)
    assert changed == house.product.house.get()
    assert changed == HouseSettings(session_days=30, keywords=("help", "chunk"), activity_entries=300)
    again = await restarted(house)
    await again.settings.load()
    assert again.product.house.get() == changed
    assert (await put(house, activity_entries=None)).activity_entries is None


async def test_two_who_set_different_things_at_once_do_not_undo_each_other(house: House) -> None:
    await asyncio.gather(put(house, session_days=3), put(house, log_lines=50), put(house, mounts=("/srv",)))
    assert house.product.house.get() == HouseSettings(session_days=3, log_lines=50, mounts=("/srv",))


async def test_who_may_not_neither_sees_nor_sets(house: House) -> None:
    guest = house.actor(await house.account("guest"))
    with pytest.raises(PermissionIsMissing):
        house.product.house.see(guest)
    with pytest.raises(PermissionIsMissing):
        await house.product.house.change(guest, HouseChanges(session_days=1))
    assert house.product.house.get() == HouseSettings()


async def test_it_is_noted_who_set_what(house: House) -> None:
    await put(house, log_lines=700)
    (entry, *_) = (await house.product.activity.recent(house.actor(house.root), None, 1)).items
    assert (entry.action, entry.data) == ("house.changed", {"log_lines": 700})


WRONG = [
    ("session_days", 0),
    ("session_days", 366),
    ("session_days", "7"),
    ("session_days", True),
    ("session_days", None),
    ("language", "english please"),
    ("language", ""),
    ("language", "en_EN\n"),
    ("raw_days", 0),
    ("minute_days", 91),
    ("hour_days", 0),
    ("sample_seconds", 4),
    ("activity_days", -1),
    ("activity_entries", 9),
    ("journal_mib", 0),
    ("terminal_lines", 0),
    ("log_lines", 5001),
    ("keywords", "help"),
    ("keywords", ("",)),
    ("keywords", ("a\nb",)),
    ("keywords", ("a\n",)),
    ("keywords", ("x",) * 51),
    ("self_deletion", 1),
    ("upload_gib", 65),
    ("mounts", ("srv",)),
    ("mounts", ("/srv\n",)),
    ("mounts", ("/",) * 65),
    ("disk_minutes", 0),
]


@pytest.mark.parametrize(("name", "value"), WRONG)
async def test_what_is_out_of_bounds_is_refused_whole(house: House, name: str, value: Any) -> None:
    other: dict[str, Any] = {"log_lines": 600} if name != "log_lines" else {"raw_days": 3}
    with pytest.raises(HouseSettingIsInvalid) as refused:
        await put(house, **{name: value}, **other)
    assert refused.value.data["setting"] == name
    assert house.product.house.get() == HouseSettings()


def test_every_setting_is_tried_out_of_bounds_and_can_be_changed() -> None:
    names = {field.name for field in msgspec.structs.fields(HouseSettings)}
    assert {name for name, _ in WRONG} == names
    assert {field.name for field in msgspec.structs.fields(HouseChanges)} == names


async def test_what_cannot_be_read_is_left_and_the_default_holds(house: House) -> None:
    async with house.database.works() as work:
        await work.settings.put(f"{PREFIX}of_a_newer_release", "1")
        await work.settings.put(f"{PREFIX}session_days", '"many"')
        await work.settings.put(f"{PREFIX}log_lines", "20")
    await house.settings.load()
    assert house.product.house.get() == HouseSettings(log_lines=20)
    async with house.database.works() as work:
        assert await work.settings.get(f"{PREFIX}of_a_newer_release") == "1"


# -- obeying --------------------------------------------------------------------------------------------------------


async def test_a_session_lasts_as_long_as_is_set(house: House, clock: FakeClock) -> None:
    await put(house, session_days=2)
    _, secret = await house.product.accounts.sign_in("root", PASSWORD, None)
    clock.passed = timedelta(days=2) - timedelta(seconds=1)
    house.product.authority.authenticate(secret, "api")
    clock.passed = timedelta(days=2)
    with pytest.raises(KeyHasExpired):
        house.product.authority.authenticate(secret, "api")


async def test_new_accounts_have_the_language_that_is_set(house: House) -> None:
    await put(house, language="de_DE")
    assert (await house.account("guest")).language == "de_DE"


async def test_accounts_delete_themselves_only_where_that_is_allowed(house: House) -> None:
    accounts, guest = house.product.accounts, await house.account("guest")
    with pytest.raises(PermissionIsMissing):
        await accounts.delete(house.actor(guest), guest.uuid)
    await put(house, self_deletion=True)
    other = await house.account("other")
    with pytest.raises(NoSuchAccount):
        await accounts.delete(house.actor(guest), other.uuid)
    narrow = house.product.authority.authenticate(await house.key(guest, "server.view"), "api")
    with pytest.raises(PermissionIsMissing):
        await accounts.delete(narrow, guest.uuid)
    await accounts.delete(house.actor(guest), guest.uuid)
    assert guest.id not in house.product.authority.accounts
    with pytest.raises(LastSuperuser):
        await accounts.delete(house.actor(house.root), house.root.uuid)


async def test_activity_is_kept_for_the_days_and_in_the_number_that_are_set(house: House, clock: FakeClock) -> None:
    async def kept() -> int:
        await house.product.activity.prune()
        return len((await house.product.activity.recent(house.actor(house.root), None, 500)).items)

    for number in range(40):
        await house.account(f"guest-{number}")
    before = await kept()
    assert before > 40
    await put(house, activity_entries=20)
    assert await kept() == 20
    newest = (await house.product.activity.recent(house.actor(house.root), None, 1)).items[0]
    assert newest.action == "house.changed"
    await put(house, activity_days=10)
    clock.passed = timedelta(days=10)
    assert await kept() == 20
    clock.passed = timedelta(days=10, seconds=1)
    assert await kept() == 0


async def test_a_file_may_be_as_large_as_is_set(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    record = await house.server()
    await put(house, upload_gib=1)
    assert house.product.files.most_bytes == GIB
    part = bytes(8 << 20)

    async def content() -> AsyncIterator[bytes]:
        for _ in range(GIB // len(part)):
            yield part
        yield b"x"

    written = 0

    async def swallow(server: Any, upload: str, offset: int, data: bytes) -> None:
        nonlocal written
        written = offset + len(data)

    monkeypatch.setattr(house.gateway, "upload_part", swallow)  # a gigabyte is not to be held
    with pytest.raises(FileIsTooLarge) as refused:
        await house.product.files.write(house.actor(house.root), record, "big", content())
    assert (written, refused.value.data["limit_bytes"]) == (GIB, GIB)


async def test_a_node_is_told_how_the_house_is_set(house: House) -> None:
    record = await house.server()
    changes = HouseChanges(journal_mib=16, disk_minutes=30)
    await house.product.house.change(house.actor(house.root), changes)
    await house.reconciler.tick()
    told = desired_server(house.gateway.desired[record.server.uuid])
    assert (told.journal_retain_mib, told.measure_disk_s) == (16, 1800)
