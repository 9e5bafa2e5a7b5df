"""Core's asks about a server's files reach a real node over a real bus, and its refusals come back as core's own."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import msgspec
import pytest

from innkeeper.bus.inprocess import InProcessBus
from innkeeper.core.catalog.loader import SHIPPED, load_package
from innkeeper.core.catalog.model import ConfigFile, PlayerList
from innkeeper.core.files.errors import ConfigIsUnreadable, FileNotFound
from innkeeper.core.files.tree import read_tree
from innkeeper.core.players.errors import PlayerNameIsInvalid
from innkeeper.core.players.model import ListedPlayer
from innkeeper.core.players.profiles import offline_uuid
from innkeeper.core.servers.model import Server
from innkeeper.node.identity import Identity
from innkeeper.node.main import NodeOptions, open_node
from innkeeper.panel.gateway import ASK_TIMEOUT, BusGateway
from innkeeper.testing.store_samples import a_server
from innkeeper.wire import messages as wire
from innkeeper.wire.codec import encode
from tests.unit.node.fakes import NODE, FakePanel

OPS = next(one for one in load_package(SHIPPED / "minecraft").player_lists if one.name == "ops")


class Desk:
    """A gateway, and the folder of the one server that its node keeps."""

    def __init__(self, gateway: BusGateway, server: Server, folder: Path) -> None:
        self.gateway = gateway
        self.server = server
        self.folder = folder


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    async with InProcessBus() as bus:
        panel = FakePanel(bus)
        await panel.open()
        node = await open_node(NodeOptions(data=tmp_path / "data"), bus, identity=Identity(NODE, "s3cret"))
        try:
            server = a_server(1, 1)
            order = wire.Order(id=uuid4(), verb="install")
            desired = wire.DesiredServer(
                uuid=server.uuid, number=1, generation=1, name="x", running=False, argv=["true"], order=order
            )
            nodes: Any = SimpleNamespace(get=lambda _: SimpleNamespace(id=1, uuid=NODE), lost=lambda _: None)
            await bus.request(wire.node_ask(NODE), encode(wire.Apply(servers=[desired])), ASK_TIMEOUT)
            await panel.until(lambda: server.uuid in panel.servers and panel.servers[server.uuid].phase == "stopped")
            [folder] = (tmp_path / "data" / "servers").glob("*/files")
            yield Desk(BusGateway(bus, nodes), server, folder)
        finally:
            await node.close()


async def test_a_config_file_of_each_format_is_set_and_read(desk: Desk) -> None:
    for form in ("properties", "yaml", "json", "toml", "ini"):
        key = "net.port" if form != "properties" else "port"
        file = ConfigFile(
            path=f"deep/file.{form}", format=form, values={key: 7, "net.name" if "." in key else "name": "a b"}
        )
        await desk.gateway.write_config(desk.server, file)
        found = await desk.gateway.read_config(desk.server, file.path, form)
        assert found[key] in (7, "7")
        (desk.folder / file.path).write_bytes(b"{[\0:")
    for form in ("yaml", "json", "toml"):
        with pytest.raises(ConfigIsUnreadable):
            await desk.gateway.read_config(desk.server, f"deep/file.{form}", form)
    with pytest.raises(FileNotFound):
        await desk.gateway.read_config(desk.server, "missing.yml", "yaml")
    with pytest.raises(ConfigIsUnreadable, match="cuneiform"):
        await desk.gateway.read_config(desk.server, "missing.yml", "cuneiform")


async def test_a_player_list_is_changed_by_many_at_once(desk: Desk) -> None:
    people = [ListedPlayer(name=f"p{number}", uuid=offline_uuid(f"p{number}")) for number in range(30)]
    await asyncio.gather(*(desk.gateway.edit_player_list(desk.server, OPS, add=[one]) for one in people))
    listed = await desk.gateway.edit_player_list(desk.server, OPS, remove=["P0"])
    assert {player.uuid for player in listed} == {player.uuid for player in people[1:]}
    (desk.folder / "ops.json").write_text("{")
    with pytest.raises(ConfigIsUnreadable):
        await desk.gateway.edit_player_list(desk.server, OPS, add=people)
    assert (desk.folder / "ops.json").read_text() == "{"
    lines = PlayerList(name="x", path="x.txt", format="lines")
    with pytest.raises(PlayerNameIsInvalid):
        await desk.gateway.edit_player_list(desk.server, lines, add=[ListedPlayer(name="a\nb")])


async def test_a_tree_of_many_folders_comes_whole(desk: Desk) -> None:
    for number in range(300):
        (desk.folder / "world" / f"r{number}").mkdir(parents=True)
        (desk.folder / "world" / f"r{number}" / "a.mca").touch()
    (desk.folder / "world" / "loop").symlink_to("..")
    (desk.folder / "log").write_text("text")
    tree = await read_tree(desk.gateway, desk.server, "")
    assert tree.children is not None
    log, world = tree.children
    assert (log.entry.text, world.entry.text, len(world.children or ())) == (True, False, 301)
    assert msgspec.json.encode(tree).count(b'"a.mca"') == 300
