"""Who holds a key, from memory: what opens, what no longer does, and who is told."""

from datetime import timedelta

import pytest

from innkeeper.core.access.directory import AccessDirectory
from innkeeper.core.access.errors import AccountIsDisabled, AddressIsNotAllowed, KeyHasExpired, KeyIsUnknown
from innkeeper.core.accounts.errors import NoSuchAccount
from innkeeper.testing.products import House
from tests.unit.core.conftest import FakeClock


@pytest.fixture
def directory(house: House) -> AccessDirectory:
    return house.product.authority


async def test_a_key_is_its_account_narrowed(house: House, directory: AccessDirectory) -> None:
    secret = await house.key(house.root, "server.view", "nodes.read")
    actor = directory.authenticate(secret, "exaroton", "10.0.0.1")
    assert (actor.account, actor.via, actor.address) == (house.root, "exaroton", "10.0.0.1")
    assert (actor.product, actor.everywhere) == ({"nodes.read"}, {"server.view"})
    assert directory.authenticate(secret, "exaroton", "10.0.0.1") is actor, "answered from memory"
    assert directory.authenticate(secret, "api", "10.0.0.1").via == "api"


async def test_a_secret_that_is_almost_right_is_unknown(house: House, directory: AccessDirectory) -> None:
    secret = await house.key(house.root)
    directory.authenticate(secret, "api")
    for wrong in ("", secret[:-1], secret + "=", secret.swapcase(), " " + secret, "ink_"):
        with pytest.raises(KeyIsUnknown):
            directory.authenticate(wrong, "api")


async def test_a_key_ends_at_its_moment_whether_it_was_used_before_or_not(
    house: House, directory: AccessDirectory, clock: FakeClock
) -> None:
    ends = clock.now() + timedelta(hours=1)
    keys = [
        (await house.product.access.create_key(house.actor(house.root), name="k", expires_at=ends))[1] for _ in range(2)
    ]
    clock.advance(minutes=59, seconds=59.999999)
    actor = directory.authenticate(keys[0], "api")
    clock.advance(microseconds=1)
    for secret in keys:
        with pytest.raises(KeyHasExpired):
            directory.authenticate(secret, "api")
    with pytest.raises(KeyHasExpired):
        directory.renew(actor)


async def test_a_disabled_account_is_out_at_once_and_back_when_enabled(
    house: House, directory: AccessDirectory
) -> None:
    guest = await house.account("guest")
    secret = await house.key(guest)
    actor = directory.authenticate(secret, "api")
    change = house.product.accounts.change
    await change(house.actor(house.root), guest.uuid, disabled=True)
    with pytest.raises(AccountIsDisabled):
        directory.authenticate(secret, "api")
    with pytest.raises(AccountIsDisabled):
        directory.renew(actor)
    await change(house.actor(house.root), guest.uuid, disabled=False)
    directory.authenticate(secret, "api")


async def test_a_revoked_key_is_out_at_once(house: House, directory: AccessDirectory) -> None:
    secret = await house.key(house.root)
    actor = directory.authenticate(secret, "api")
    [key] = house.product.access.keys(actor)
    await house.product.access.revoke_key(actor, key.uuid)
    with pytest.raises(KeyIsUnknown):
        directory.authenticate(secret, "api")
    with pytest.raises(KeyIsUnknown):
        directory.renew(actor)


async def test_a_deleted_account_takes_its_keys_and_rights_with_it(house: House, directory: AccessDirectory) -> None:
    guest, server = await house.account("guest"), await house.server()
    await house.share(server, guest, "server.view")
    secret = await house.key(guest)
    whole = house.actor(guest)
    await house.product.accounts.delete(house.actor(house.root), guest.uuid)
    with pytest.raises(KeyIsUnknown):
        directory.authenticate(secret, "api")
    with pytest.raises(NoSuchAccount):
        directory.renew(whole)
    assert house.product.access.grants(server) == []


@pytest.mark.parametrize(
    ("networks", "inside", "outside"),
    [
        (("10.1.2.3",), ["10.1.2.3", "::ffff:10.1.2.3"], ["10.1.2.4", "::10.1.2.3", "::ffff:10.1.2.4"]),
        (
            ("10.0.0.0/8", "192.168.1.0/24"),
            ["10.255.0.1", "192.168.1.255", "::ffff:10.0.0.1"],
            ["192.168.2.1", "11.0.0.1"],
        ),
        (("10.1.2.3/8",), ["10.9.9.9"], ["11.1.2.3"]),
        (("2001:db8::/32",), ["2001:db8:1::5"], ["2001:db9::1", "32.1.13.184"]),
        (("::1",), ["::1"], ["127.0.0.1"]),
    ],
)
async def test_a_key_bound_to_networks_opens_from_there_only(
    house: House, directory: AccessDirectory, networks: tuple[str, ...], inside: list[str], outside: list[str]
) -> None:
    _, secret = await house.product.access.create_key(house.actor(house.root), name="k", networks=networks)
    for address in inside:
        directory.authenticate(secret, "api", address)
    for somewhere in (*outside, None, "", "localhost", "10.1.2.3:80"):
        with pytest.raises(AddressIsNotAllowed):
            directory.authenticate(secret, "api", somewhere)


async def test_an_actor_is_renewed_with_the_rights_of_now(house: House, directory: AccessDirectory) -> None:
    guest, server = await house.account("guest"), await house.server()
    secret = await house.key(guest, "server.view")
    actor = directory.authenticate(secret, "api", "10.0.0.1")
    assert actor.on(server.server.id, house.root.id) == set()
    await house.share(server, guest, "server.view", "console.read")
    renewed = directory.renew(actor)
    assert renewed.on(server.server.id, house.root.id) == {"server.view"}
    assert (renewed.via, renewed.address, renewed.key_id) == (actor.via, actor.address, actor.key_id)
    assert directory.renew(house.actor(guest)).on(server.server.id, house.root.id) == {"server.view", "console.read"}
    await house.product.access.unshare(house.actor(house.root), server, guest.id)
    assert directory.renew(actor).on(server.server.id, house.root.id) == set()


async def test_whoever_holds_a_stream_open_hears_of_every_change_of_rights(
    house: House, directory: AccessDirectory
) -> None:
    guest, server, root = await house.account("guest"), await house.server(), house.actor(house.root)
    access, heard = house.product.access, []
    with directory.changes.listen() as listener:

        async def told() -> int:
            return await listener.get()

        before = directory.generation
        key, _ = await access.create_key(root, name="k")
        heard.append(await told())
        await access.revoke_key(root, key.uuid)
        heard.append(await told())
        await access.share(root, server, guest.id, frozenset({"server.view"}))
        heard.append(await told())
        await access.unshare(root, server, guest.id)
        heard.append(await told())
        role = await access.create_role(
            root, name="r", permissions=frozenset({"nodes.read"}), members=frozenset({guest.id})
        )
        heard.append(await told())
        await access.delete_role(root, role.uuid)
        heard.append(await told())
        await house.product.accounts.change(root, guest.uuid, disabled=True)
        heard.append(await told())
        await house.product.servers.start(root, server)
        await house.settle()
        assert not listener._pending, "a server's changes are no change of rights"
    assert heard == list(range(before + 1, before + 8))


async def test_what_is_loaded_anew_is_what_was_there(house: House, directory: AccessDirectory) -> None:
    guest, server, root = await house.account("guest"), await house.server(), house.actor(house.root)
    await house.share(server, guest, "server.view")
    secret = await house.key(guest)
    await house.product.access.create_role(
        root, name="r", permissions=frozenset({"nodes.read"}), members=frozenset({guest.id})
    )
    again = AccessDirectory(house.database.works, house.clock)
    await again.load()
    assert (again.accounts, again.keys, again.roles, again.grants) == (
        directory.accounts,
        directory.keys,
        directory.roles,
        directory.grants,
    )
    assert again.authenticate(secret, "api") == directory.authenticate(secret, "api")


async def test_a_keys_last_use_is_written_down_now_and_then(
    house: House, directory: AccessDirectory, clock: FakeClock
) -> None:
    secret = await house.key(house.root)
    seen = []
    for seconds in (0, 20, 30, 60, 300):
        clock.advance(seconds=seconds)
        directory.authenticate(secret, "api")
        await directory.save_uses()
        [key] = house.product.access.keys(house.actor(house.root))
        assert key.last_used_at is not None
        seen.append((clock.passed - (key.last_used_at - (clock.now() - clock.passed))).total_seconds())
    assert seen == [0, 20, 50, 0, 0], "within a minute of the truth"


async def test_names_are_found_in_any_case(house: House, directory: AccessDirectory) -> None:
    assert directory.by_username("ROOT") == house.root
    assert directory.by_username("roo") is None
