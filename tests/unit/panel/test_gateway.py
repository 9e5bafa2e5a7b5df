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
from innkeeper.core.catalog.service import Catalog
from innkeeper.core.files.errors import ConfigIsUnreadable, FileNotFound
from innkeeper.core.files.tree import read_tree
from innkeeper.core.nodes.errors import NodeFailed
from innkeeper.core.nodes.gateway import Desired
from innkeeper.core.players.errors import PlayerNameIsInvalid
from innkeeper.core.players.model import ListedPlayer
from innkeeper.core.players.profiles import offline_uuid
from innkeeper.core.servers.model import Server
from innkeeper.node.identity import Identity
from innkeeper.node.main import NodeOptions, open_node
from innkeeper.panel.gateway import ASK_TIMEOUT, BusGateway
from innkeeper.testing.store_samples import a_server
from innkeeper.wire import messages as wire
from innkeeper.wire.bus import MAX_PAYLOAD_BYTES
from innkeeper.wire.codec import decode, encode
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


async def test_servers_that_fit_into_no_one_message_are_told_in_parts_and_a_refused_part_keeps_none_from_the_rest() -> (
    None
):
    package = load_package(SHIPPED / "minecraft")
    squid = next(runtime for runtime in package.runtimes if runtime.name == "flying-squid")
    version = squid.versions[0]
    catalog, heard, refusing = Catalog([package]), list[wire.Apply](), False

    async def answer(payload: bytes) -> bytes:
        assert len(payload) <= MAX_PAYLOAD_BYTES
        heard.append(decode(payload, wire.Apply))
        refused = wire.Refusal(code="server_is_unkeepable", message="Not this one.")
        return encode(refused if refusing and len(heard) == 1 else wire.Done())

    def desired(number: int, **blueprint: Any) -> Desired:
        server = a_server(1, 1, id=number, package="minecraft", runtime="flying-squid", version=version, addons={})
        plan = msgspec.structs.replace(catalog.blueprint(server), **blueprint)
        return Desired(server=server, blueprint=plan, order=None)

    nodes: Any = SimpleNamespace(get=lambda _: None, lost=lambda _: None)
    node: Any = SimpleNamespace(id=1, uuid=NODE)
    async with InProcessBus() as bus:
        await bus.serve(wire.node_ask(NODE), answer, name="a node")
        gateway = BusGateway(bus, nodes)
        await gateway.apply(node, [desired(1)], complete=True)
        await gateway.apply(node, [], complete=True)
        assert [(len(said.servers), said.complete) for said in heard] == [(1, True), (0, True)]

        many = [desired(number) for number in range(1, 60)]
        heard.clear()
        refusing = True
        with pytest.raises(NodeFailed, match="Not this one"):
            await gateway.apply(node, many, complete=True)
        assert [server.number for said in heard for server in said.servers] == list(range(1, 60))
        assert len(heard) > 1 and not any(said.complete for said in heard)

        with pytest.raises(NodeFailed):
            await gateway.apply(node, [desired(1, environment={"A": "a" * MAX_PAYLOAD_BYTES})], complete=True)
