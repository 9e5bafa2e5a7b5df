"""The commands `serve`, `panel` and `node`."""

import socket
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer

from innkeeper.cli.options import (
    DELETION_GRACE,
    LOG_SHARE_URL,
    Backups,
    BusUrl,
    Data,
    DatabaseUrl,
    DeletionGrace,
    Domain,
    GameAddress,
    Imports,
    Javas,
    JsonLogs,
    Listen,
    LogShareUrl,
    Mirror,
    MostServers,
    NoVendors,
    Packages,
    ProfileService,
    Proxies,
    PublicHost,
    ReadyFile,
    WebhookNetworks,
    split_listen,
    split_networks,
)

NoSample = Annotated[bool, typer.Option("--no-sample", help="Do not make the sample server on an empty install.")]
StopOnExit = Annotated[bool, typer.Option("--stop-servers-on-exit", help="Stop every game server before ending.")]


def serve(
    data: Data = Path("var/innkeeper"),
    listen: Listen = "127.0.0.1:8080",
    ready_file: ReadyFile = None,
    no_sample: NoSample = False,
    stop_servers_on_exit: StopOnExit = False,
    game_address: GameAddress = "127.0.0.1",
    public_host: PublicHost = "",
    domain: Domain = "innkeeper.local",
    deletion_grace: DeletionGrace = DELETION_GRACE,
    most_servers: MostServers = None,
    proxies: Proxies = None,
    packages: Packages = None,
    log_share_url: LogShareUrl = LOG_SHARE_URL,
    profile_service: ProfileService = None,
    imports: Imports = None,
    mirror: Mirror = "",
    no_vendors: NoVendors = False,
    webhook_networks: WebhookNetworks = "",
    java: Javas = None,
    backups: Backups = "",
    json_logs: JsonLogs = False,
) -> None:
    """Run a panel and a node in this process, with everything kept in one folder."""
    from innkeeper.cli.embedded import Embedded
    from innkeeper.cli.running import run

    host, port = split_listen(listen)
    embedded = Embedded(
        data=data.absolute(),
        host=host,
        port=port,
        ready_file=ready_file,
        sample=not no_sample,
        stop_servers=stop_servers_on_exit,
        game_address=game_address,
        public_host=public_host,
        domain=domain,
        deletion_grace=timedelta(hours=deletion_grace),
        most_servers=most_servers,
        proxies=tuple(proxies or ()),
        packages=packages,
        log_share_url=log_share_url,
        profile_service=profile_service,
        imports=tuple(imports or ()),
        mirror=mirror,
        vendors=not no_vendors,
        webhook_networks=split_networks(webhook_networks),
        javas=tuple(java or ()),
        backups=backups,
    )
    run(embedded.run, json_logs=json_logs)


def panel(
    database: DatabaseUrl,
    bus: BusUrl,
    data: Data = Path("var/innkeeper-panel"),
    listen: Listen = "127.0.0.1:8080",
    ready_file: ReadyFile = None,
    domain: Domain = "innkeeper.local",
    deletion_grace: DeletionGrace = DELETION_GRACE,
    most_servers: MostServers = None,
    proxies: Proxies = None,
    packages: Packages = None,
    log_share_url: LogShareUrl = LOG_SHARE_URL,
    profile_service: ProfileService = None,
    mirror: Mirror = "",
    no_vendors: NoVendors = False,
    webhook_networks: WebhookNetworks = "",
    upgrade: Annotated[bool, typer.Option("--upgrade", help="Bring the database's tables up to date first.")] = False,
    json_logs: JsonLogs = False,
) -> None:
    """Run a panel by itself; it reaches its nodes over NATS."""
    from innkeeper.cli.running import run
    from innkeeper.cli.separate import SeparatePanel

    host, port = split_listen(listen)
    separate = SeparatePanel(
        data=data.absolute(),
        database=database,
        bus=bus,
        host=host,
        port=port,
        ready_file=ready_file,
        domain=domain,
        deletion_grace=timedelta(hours=deletion_grace),
        most_servers=most_servers,
        proxies=tuple(proxies or ()),
        packages=packages,
        log_share_url=log_share_url,
        profile_service=profile_service,
        mirror=mirror,
        vendors=not no_vendors,
        webhook_networks=split_networks(webhook_networks),
        upgrade=upgrade,
    )
    run(separate.run, json_logs=json_logs)


def node(
    bus: BusUrl,
    data: Data = Path("var/innkeeper-node"),
    name: Annotated[str, typer.Option(help="What the node is called; the host's name if not given.")] = "",
    token: Annotated[
        str | None,
        typer.Option(
            help="Enrolment token, needed once: innkeeper admin enrol-node.", envvar="INNKEEPER_ENROLMENT_TOKEN"
        ),
    ] = None,
    ready_file: ReadyFile = None,
    stop_servers_on_exit: StopOnExit = False,
    game_address: GameAddress = "127.0.0.1",
    public_host: PublicHost = "",
    imports: Imports = None,
    mirror: Mirror = "",
    java: Javas = None,
    backups: Backups = "",
    json_logs: JsonLogs = False,
) -> None:
    """Run a node by itself; panels reach it over NATS."""
    from innkeeper.cli.running import run
    from innkeeper.cli.separate import SeparateNode

    separate = SeparateNode(
        data=data.absolute(),
        bus=bus,
        name=name or socket.gethostname().partition(".")[0],
        token=token,
        ready_file=ready_file,
        stop_servers=stop_servers_on_exit,
        game_address=game_address,
        public_host=public_host,
        imports=tuple(imports or ()),
        mirror=mirror,
        javas=tuple(java or ()),
        backups=backups,
    )
    run(separate.run, json_logs=json_logs)
