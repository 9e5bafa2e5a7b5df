"""Player lists are changed through a real jail: two changes at once are both kept, and a damaged file stays."""

import asyncio
import json
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from innkeeper.contracts.playerlist import EntryRefused, ListUnreadable
from innkeeper.drivers.configfiles.properties import Properties
from innkeeper.drivers.playerlists.lines import Lines
from innkeeper.drivers.playerlists.minecraft_json import MinecraftJson
from innkeeper.kit.tasks import in_thread
from innkeeper.node.configs import ConfigWriter
from innkeeper.node.edits import EditLocks
from innkeeper.node.files.errors import EscapesJail, NotFound, TooLarge
from innkeeper.node.files.jail import Jail
from innkeeper.node.player_lists import MAX_LIST_BYTES, PlayerLists
from innkeeper.node.refusals import Refused, refusal_of
from innkeeper.wire import messages as wire
from tests.unit.node.fakes import FakeClock

LOCKS = EditLocks()
LISTS = PlayerLists([MinecraftJson(), Lines()], FakeClock(), LOCKS)
CONFIGS = ConfigWriter([Properties()], LOCKS)
SERVER = UUID(int=1)


def ask(*add: str, remove: tuple[str, ...] = (), **more: Any) -> wire.EditPlayerList:
    given: dict[str, Any] = {"path": "ops.json", "format": "minecraft-json", **more}
    entries = [wire.ListedPlayer(name=name, uuid=uuid4()) for name in add]
    return wire.EditPlayerList(server=SERVER, add=entries, remove=list(remove), **given)


def names(listed: wire.PlayerListed) -> list[str]:
    return [entry.name for entry in listed.entries]


def test_a_list_that_is_missing_is_empty_and_made_when_somebody_comes_on_it(tmp_path: Path) -> None:
    jail = Jail(tmp_path)
    assert names(LISTS(jail, ask())) == []
    assert names(LISTS(jail, ask(remove=("Anna",)))) == []
    assert list(tmp_path.iterdir()) == []
    assert names(LISTS(jail, ask("Anna", path="deep/ops.json", fields={"created": "{now}"}))) == ["Anna"]
    [entry] = json.loads((tmp_path / "deep" / "ops.json").read_text())
    assert entry["created"] == "2026-01-01 00:01:40 +0000"


async def test_changes_at_the_same_time_are_all_kept(tmp_path: Path) -> None:
    (tmp_path / "ops.json").write_text('[{"name": "Old"}]')
    people = [f"player{number}" for number in range(40)]
    # Every jail is another, as it is between a start and what is asked.
    await asyncio.gather(
        in_thread(LISTS, Jail(tmp_path), ask(remove=("old",))),
        *(in_thread(LISTS, Jail(tmp_path), ask(name)) for name in people),
    )
    assert sorted(names(LISTS(Jail(tmp_path), ask()))) == sorted(people)


async def test_config_values_set_at_the_same_time_are_all_kept(tmp_path: Path) -> None:
    writes = [wire.ConfigWrite(path="a.properties", format="properties", values={f"k{n}": str(n)}) for n in range(40)]
    await asyncio.gather(*(in_thread(CONFIGS, Jail(tmp_path), write) for write in writes))
    found = CONFIGS.read(Jail(tmp_path), "a.properties", "properties").values
    assert found == {f"k{n}": str(n) for n in range(40)}


def test_a_file_that_needs_no_change_is_not_written(tmp_path: Path) -> None:
    file = tmp_path / "ops.json"
    file.write_text('[{"name":"Anna"}]')
    inode = file.stat().st_ino
    assert names(LISTS(Jail(tmp_path), ask("ANNA", remove=("nobody",)))) == ["Anna"]
    assert file.stat().st_ino == inode


@pytest.mark.parametrize("content", ["{", '{"name": "Anna"}', "\0"])
def test_a_damaged_list_is_refused_and_stays(tmp_path: Path, content: str) -> None:
    file = tmp_path / "ops.json"
    file.write_text(content)
    for change in (ask(), ask("Anna"), ask(remove=("Anna",))):
        with pytest.raises(ListUnreadable) as refused:
            LISTS(Jail(tmp_path), change)
        refusal = refusal_of(refused.value)
        assert refusal is not None and refusal.code == "config_is_unreadable"
    assert file.read_text() == content


def test_what_is_too_large_or_of_no_known_format_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="does not know the format"):
        LISTS(Jail(tmp_path), ask(format="cuneiform"))
    (tmp_path / "ops.json").write_bytes(b" " * (MAX_LIST_BYTES + 1))
    with pytest.raises(TooLarge):
        LISTS(Jail(tmp_path), ask("Anna"))
    (tmp_path / "ops.txt").write_bytes(b"a\n" * 100_000)
    with pytest.raises(TooLarge, match="answer"):
        LISTS(Jail(tmp_path), ask(format="lines", path="ops.txt"))


def test_a_list_cannot_lead_out_of_the_folder_nor_an_entry_be_two(tmp_path: Path) -> None:
    files = tmp_path / "files"
    files.mkdir()
    (tmp_path / "secret").write_text("[]")
    (files / "ops.json").symlink_to("../secret")
    for path in ("ops.json", "../secret"):
        with pytest.raises(EscapesJail):
            LISTS(Jail(files), ask("Anna", path=path))
    with pytest.raises(EntryRefused) as refused:
        LISTS(Jail(files), ask("a\nb", format="lines", path="ops.txt"))
    refusal = refusal_of(refused.value)
    assert refusal is not None and refusal.code == "player_name_is_invalid"
    assert (tmp_path / "secret").read_text() == "[]"


def test_the_values_of_a_config_file_are_read_in_its_order(tmp_path: Path) -> None:
    (tmp_path / "a.properties").write_text("z=1\na=2\n")
    assert list(CONFIGS.read(Jail(tmp_path), "a.properties", "properties").values.items()) == [("z", "1"), ("a", "2")]
    with pytest.raises(NotFound):
        CONFIGS.read(Jail(tmp_path), "b.properties", "properties")
    (tmp_path / "a.properties").write_text("".join(f"{n}={'x' * 100}\n" for n in range(10_000)))
    with pytest.raises(TooLarge, match="answer"):
        CONFIGS.read(Jail(tmp_path), "a.properties", "properties")
