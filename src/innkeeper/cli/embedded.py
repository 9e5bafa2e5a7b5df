"""`innkeeper serve`: a panel and a node in one process, everything in one folder.

DATA/            0711
├── innkeeper.db 0600   accounts, servers, history (SQLite)
├── first-key    0600   the API key that is printed
├── panel.pid    0600   held while the panel lives
├── url          0600   where it serves, or served last, for the commands on this host
└── node/               what the node keeps: see `node.layout`
"""

from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec

from innkeeper.bus.inprocess import InProcessBus
from innkeeper.cli.options import embedded_database
from innkeeper.cli.running import CannotRun, PidFile, Signals, say, settle_memory, write_ready
from innkeeper.core.errors import CoreError
from innkeeper.core.operations.model import OperationState
from innkeeper.core.servers.lifecycle import ALIVE, State
from innkeeper.core.servers.model import Server, ServerDraft
from innkeeper.kit.ids import new_secret, uuid7
from innkeeper.kit.tasks import TaskSet
from innkeeper.node.identity import Identity, load_identity
from innkeeper.node.layout import DataFolderInUse
from innkeeper.node.main import NodeOptions, open_node
from innkeeper.node.service import NodeService
from innkeeper.panel.main import FirstKey, Panel, PanelOptions, write_private
from innkeeper.panel.product import Settings

SAMPLE = "welcome"


def own_address(url: str) -> str:
    """Return the address by which this host itself reaches what serves at `url`."""
    return url.replace("://0.0.0.0:", "://127.0.0.1:").replace("://[::]:", "://[::1]:")


class Embedded(msgspec.Struct, frozen=True, kw_only=True):
    """One embedded installation and how it is to be run."""

    data: Path
    host: str
    port: int
    ready_file: Path | None = None
    sample: bool = True
    stop_servers: bool = False
    game_address: str = "127.0.0.1"
    public_host: str = ""
    domain: str = "innkeeper.local"
    deletion_grace: timedelta = timedelta(0)
    most_servers: int | None = None
    proxies: tuple[str, ...] = ()
    packages: Path | None = None
    log_share_url: str = ""
    profile_service: str | None = None
    imports: tuple[Path, ...] = ()
    mirror: str = ""
    vendors: bool = True
    webhook_networks: tuple[str, ...] = ()
    javas: tuple[Path, ...] = ()
    backups: str = ""

    async def run(self, signals: Signals) -> None:
        """Serve until told to end."""
        self.data.mkdir(parents=True, exist_ok=True)
        self.data.chmod(0o711)
        identity = load_identity(self.data / "node" / "identity.json") or Identity(uuid7(), new_secret("inn"))
        async with AsyncExitStack() as exits:
            exits.enter_context(PidFile(self.data / "panel.pid"))
            bus = InProcessBus()
            exits.push_async_callback(bus.aclose)
            panel = await self._open_panel(bus, identity)
            exits.push_async_callback(panel.aclose)
            node = await self._open_node(bus, identity)
            exits.push_async_callback(node.close)
            await node.settled()
            key = await panel.first_key(self.data / "first-key")
            background = TaskSet("serve").start_set()
            exits.push_async_callback(background.aclose)
            signals.reload = lambda: background.start(panel.reload(), name="reading the database again", fatal=False)
            settle_memory()
            await self._welcome(panel, key, background)
            background.start(panel.wait(), name="the panel", fatal=True)
            await signals.ending.wait()
            await self._part(panel, node)

    async def _open_panel(self, bus: InProcessBus, identity: Identity) -> Panel:
        options = PanelOptions(
            database_url=embedded_database(self.data),
            host=self.host,
            port=self.port,
            proxies=self.proxies,
            packages=self.packages,
            log_share_url=self.log_share_url,
            profile_service=self.profile_service,
            vendors=self.vendors,
            webhook_networks=self.webhook_networks,
            mirror=self.mirror,
            settings=Settings(
                server_domain=self.domain, deletion_grace=self.deletion_grace, most_servers=self.most_servers
            ),
        )

        async def own_node(nodes: Any) -> None:
            await nodes.ensure_own(
                "local", identity.node, identity.secret, address=self.game_address, public_host=self.public_host
            )

        try:
            return await Panel.open(options, bus, upgrade_first=True, own_node=own_node)
        except (OSError, CoreError) as error:
            raise CannotRun(f"the panel cannot be opened on {self.host}:{self.port}: {error}") from error

    async def _open_node(self, bus: InProcessBus, identity: Identity) -> NodeService:
        try:
            options = NodeOptions(
                data=self.data / "node",
                name="local",
                imports=list(self.imports),
                mirror=self.mirror,
                javas=list(self.javas),
                backups=self.backups,
            )
            return await open_node(options, bus, identity=identity)
        except DataFolderInUse as error:
            raise CannotRun(str(error)) from error

    async def _welcome(self, panel: Panel, key: FirstKey, background: TaskSet) -> None:
        """Say how to get in; on an empty install make the sample server."""
        url = panel.http.url
        sample: Server | None = None
        if self.sample and key.password is not None:
            sample = await self._make_sample(panel)
        admin: dict[str, Any] = {"username": key.username, "password": key.password}
        write_private(self.data / "url", own_address(url) + "\n")
        write_ready(self.ready_file, {"url": url, "admin": admin, "api_key": key.api_key})
        say(
            "",
            f"  Innkeeper    {url}",
            f"  account      {key.username}",
            f"  password     {key.password or '(as you set it; reset with: innkeeper admin reset-password)'}",
            f"  API key      {key.api_key}",
        )
        for record in panel.product.directory.present():
            if record.server.name == SAMPLE and record.server.port:
                host = panel.product.nodes.host_of(record.server)
                say(f'  Minecraft    {host}:{record.server.port}   (server "{SAMPLE}")')
        say("")
        if sample is not None:
            background.start(_tell_progress(panel, sample), name="progress of the sample", fatal=False)

    async def _make_sample(self, panel: Panel) -> Server:
        account = next(iter(panel.product.authority.accounts.values()))
        actor = panel.product.authority.actor_of(account.id, "system")
        draft = ServerDraft(
            name=SAMPLE,
            package="minecraft",
            runtime="flying-squid",
            start=True,
            description="The sample server: join it, or delete it.",
            properties={"motd": "Welcome to the inn"},
        )
        server, _ = await panel.product.servers.create(actor, draft)
        return server

    async def _part(self, panel: Panel, node: NodeService) -> None:
        """Say what becomes of the game servers, and stop them where that was asked."""
        alive = [record.server.name for record in panel.product.directory.present() if record.live.state in ALIVE]
        if self.stop_servers:
            say(f"Innkeeper ends. Stopping {len(alive)} game server(s){': ' if alive else '.'}{', '.join(alive)}")
            await node.stop_servers()
            say("All game servers have stopped.")
        elif not alive:
            say("Innkeeper ends. No game server is running.")
        else:
            say(
                f"Innkeeper ends. {len(alive)} game server(s) go on running: {', '.join(alive)}",
                f"Stop them with: innkeeper admin stop-servers --data {self.data}",
            )


async def _tell_progress(panel: Panel, server: Server) -> None:
    """Say how the sample comes along, until it runs or does not."""
    told = ""
    with panel.product.directory.changes.listen() as news:
        while True:
            record = panel.product.directory.get(server.id)
            state = record.live.state
            if str(state) != told:
                told = str(state)
                say(f"  {server.name}: {state}" + (f" ({record.live.reason})" if record.live.reason else ""))
            if state in (State.RUNNING, State.CRASHED, State.CREATED) or state in (State.DELETING, State.DELETED):
                if state is State.CREATED:
                    page = await panel.product.operations.of_server(server.id, None, 1)
                    if page.items and page.items[0].state is OperationState.FAILED:
                        say(f"  {server.name}: {page.items[0].reason}")
                return
            while (await news.get()).server.id != server.id:
                pass
