"""What may be imported is shown to those who may make servers, from the first node that has it."""

import pytest

from innkeeper.core.access.errors import PermissionIsMissing
from innkeeper.core.files.errors import FileNotFound
from innkeeper.core.files.model import Importable
from innkeeper.core.nodes.errors import NoNodeIsOnline
from innkeeper.testing.products import House


async def test_who_may_make_servers_sees_what_they_may_be_made_from(house: House) -> None:
    house.gateway.imports["/srv/old.zip"] = {"world": True, "server.jar": False}
    imports = house.product.imports
    listed = await imports.list(house.actor(house.root), "/srv/old.zip")
    assert listed == [Importable("world", True), Importable("server.jar", False)]
    with pytest.raises(FileNotFound):
        await imports.list(house.actor(house.root), "/srv/none.zip")
    with pytest.raises(PermissionIsMissing):
        await imports.list(house.actor(await house.account("guest")), "/srv/old.zip")


async def test_while_no_node_is_online_there_is_nothing_to_be_seen(house: House) -> None:
    house.product.nodes.lost(house.node.id)
    with pytest.raises(NoNodeIsOnline):
        await house.product.imports.list(house.actor(house.root), "/srv/old.zip")
