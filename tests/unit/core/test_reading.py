"""What is read often is read from memory: with the database gone, lists, keys and rights still answer."""

from pathlib import Path

from innkeeper.core.access.permissions import ServerPermission
from innkeeper.testing.products import House


async def test_lists_and_keys_are_answered_without_the_database(tmp_path: Path) -> None:
    async with House.open(tmp_path) as house:
        guest = await house.account("guest")
        await house.server(name="hidden")
        shared = await house.server(name="shared")
        await house.share(shared, guest, ServerPermission.VIEW, ServerPermission.CONSOLE_READ)
        key = await house.key(guest)
        await house.database.aclose()

        actor = house.product.authority.authenticate(key, "api", "127.0.0.1")
        assert [record.server.name for record in house.product.servers.list(actor)] == ["shared"]
        found = house.product.servers.find(actor, shared.server.uuid, ServerPermission.CONSOLE_READ)
        assert found.server.id == shared.server.id
        assert house.product.nodes.is_online(house.node.id)


async def test_a_list_follows_what_is_changed_shared_and_taken_back(tmp_path: Path) -> None:
    async with House.open(tmp_path) as house:
        guest = await house.account("guest")
        server = await house.server()

        def seen() -> list[str]:
            return [record.server.name for record in house.product.servers.list(house.actor(guest))]

        assert seen() == []
        await house.share(server, guest, ServerPermission.VIEW)
        assert seen() == ["camp"]
        await house.product.access.unshare(house.actor(house.root), server, guest.id)
        assert seen() == []
