"""`innkeeper panel` and `innkeeper node`: processes of their own, meeting over NATS."""

from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path

import msgspec

from innkeeper.bus.nats import NatsBus
from innkeeper.cli.running import CannotRun, PidFile, Signals, say, settle_memory, write_ready
from innkeeper.core.errors import CoreError
from innkeeper.kit.tasks import TaskSet
from innkeeper.node.identity import EnrolmentRefused, IdentityUnreadable
from innkeeper.node.layout import DataFolderInUse
from innkeeper.node.main import NodeOptions, NotEnrolled, open_node
from innkeeper.panel.main import Panel, PanelOptions
from innkeeper.panel.product import Settings
from innkeeper.wire.bus import BusError


class SeparatePanel(msgspec.Struct, frozen=True, kw_only=True):
    """A panel by itself."""

    data: Path
    database: str
    bus: str
    host: str
    port: int
    ready_file: Path | None = None
    domain: str = "innkeeper.local"
    deletion_grace: timedelta = timedelta(0)
    most_servers: int | None = None
    proxies: tuple[str, ...] = ()
    packages: Path | None = None
    log_share_url: str = ""
    profile_service: str | None = None
    vendors: bool = True
    webhook_networks: tuple[str, ...] = ()
    mirror: str = ""
    upgrade: bool = False

    async def run(self, signals: Signals) -> None:
        """Serve until told to end."""
        self.data.mkdir(parents=True, exist_ok=True)
        async with AsyncExitStack() as exits:
            exits.enter_context(PidFile(self.data / "panel.pid"))
            bus = await open_bus(self.bus)
            exits.push_async_callback(bus.aclose)
            options = PanelOptions(
                database_url=self.database,
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
            try:
                panel = await Panel.open(options, bus, upgrade_first=self.upgrade)
            except (OSError, CoreError) as error:
                raise CannotRun(f"the panel cannot be opened: {error}") from error
            exits.push_async_callback(panel.aclose)
            key = await panel.first_key(self.data / "first-key")
            background = TaskSet("panel process").start_set()
            exits.push_async_callback(background.aclose)
            signals.reload = lambda: background.start(panel.reload(), name="reading the database again", fatal=False)
            settle_memory()
            admin = {"username": key.username, "password": key.password}
            write_ready(self.ready_file, {"url": panel.http.url, "admin": admin, "api_key": key.api_key})
            say(
                "",
                f"  Innkeeper panel  {panel.http.url}",
                f"  account          {key.username}",
                f"  password         {key.password or '(as you set it)'}",
                f"  API key          {key.api_key}",
                "",
            )
            await signals.ending.wait()
            say("The panel ends; nodes and game servers go on.")


class SeparateNode(msgspec.Struct, frozen=True, kw_only=True):
    """A node by itself."""

    data: Path
    bus: str
    name: str
    token: str | None = None
    ready_file: Path | None = None
    stop_servers: bool = False
    game_address: str = "127.0.0.1"
    public_host: str = ""
    imports: tuple[Path, ...] = ()
    mirror: str = ""
    javas: tuple[Path, ...] = ()
    backups: str = ""

    async def run(self, signals: Signals) -> None:
        """Keep servers until told to end."""
        async with AsyncExitStack() as exits:
            bus = await open_bus(self.bus)
            exits.push_async_callback(bus.aclose)
            try:
                options = NodeOptions(
                    data=self.data,
                    name=self.name,
                    token=self.token,
                    address=self.game_address,
                    public_host=self.public_host,
                    imports=list(self.imports),
                    mirror=self.mirror,
                    javas=list(self.javas),
                    backups=self.backups,
                )
                node = await open_node(options, bus)
            except (DataFolderInUse, NotEnrolled, EnrolmentRefused, IdentityUnreadable, BusError) as error:
                raise CannotRun(str(error)) from error
            exits.push_async_callback(node.close)
            settle_memory()
            write_ready(self.ready_file, {"node": str(node.identity.node)})
            say("", f"  Innkeeper node  {self.name}  {node.identity.node}", "")
            await signals.ending.wait()
            alive = [seen for seen in node.observed() if seen.pid is not None]
            if self.stop_servers:
                say(f"The node ends. Stopping {len(alive)} game server(s).")
                await node.stop_servers()
            else:
                say(f"The node ends. {len(alive)} game server(s) go on running.")


async def open_bus(url: str) -> NatsBus:
    """Return a bus connected to NATS at `url`; raise CannotRun where there is none."""
    try:
        return await NatsBus.connect(url)
    except BusError as error:
        raise CannotRun(str(error)) from error
