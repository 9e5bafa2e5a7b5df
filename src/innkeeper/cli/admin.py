"""`db` and `admin`: what an administrator does with the installation itself, at its host.

These work on the database, whether a panel runs or not; a panel that serves the same folder is told to read it again.
"""

import asyncio
import json
import os
import secrets
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from innkeeper.cli.options import Data, MaybeDatabaseUrl, embedded_database

if TYPE_CHECKING:
    from innkeeper.core.access.directory import AccessDirectory
    from innkeeper.core.access.service import AccessService
    from innkeeper.core.accounts.service import AccountService
    from innkeeper.core.nodes.service import NodeService

database = typer.Typer(help="The database and its tables.", no_args_is_help=True)
admin = typer.Typer(help="Administer an installation at its host.", no_args_is_help=True)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
DEFAULT_DATA = Path("var/innkeeper")


@database.command("upgrade")
def upgrade_database(data: Data = DEFAULT_DATA, url: MaybeDatabaseUrl = None) -> None:
    """Bring the tables up to date. Safe to repeat; safe beside running panels of the release before."""
    from innkeeper.storage.upgrades import upgrade

    data.mkdir(parents=True, exist_ok=True)
    asyncio.run(upgrade(url or embedded_database(data)))
    _say("The database is up to date.")


@admin.command("reset-password")
def reset_password(
    username: Annotated[str, typer.Argument(help="Whose password.")] = "admin",
    data: Data = DEFAULT_DATA,
    url: MaybeDatabaseUrl = None,
    password: Annotated[
        str | None,
        typer.Option(help="The new one; else a random one is made and printed.", envvar="INNKEEPER_NEW_PASSWORD"),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Give an account a new password and end its sessions."""
    chosen = password or secrets.token_urlsafe(15)

    async def work(tools: "Tools") -> dict[str, Any]:
        account = await tools.accounts.set_password(username, chosen)
        return {"username": account.username, "password": None if password else chosen}

    result = _with_tools(data, url, work)
    shown = "as given" if password else chosen
    _print(result, as_json, f"Password of {result['username']}: {shown}")


@admin.command("reset-second-factor")
def reset_second_factor(
    username: Annotated[str, typer.Argument(help="Whose second factor.")] = "admin",
    data: Data = DEFAULT_DATA,
    url: MaybeDatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Turn off an account's second factor: it signs in by password alone."""

    async def work(tools: "Tools") -> dict[str, Any]:
        from innkeeper.core.accounts.errors import NoSuchAccount

        account = tools.authority.by_username(username)
        if account is None:
            raise NoSuchAccount
        await tools.accounts.second_factors.turn_off(None, account.id)
        return {"username": account.username}

    result = _with_tools(data, url, work)
    _print(result, as_json, f"{result['username']} signs in by password alone.")


@admin.command("make-key")
def make_key(
    username: Annotated[str, typer.Argument(help="Whose key.")] = "admin",
    name: Annotated[str, typer.Option(help="What it is for.")] = "made by the administrator",
    days: Annotated[int | None, typer.Option(help="How long it holds; for ever if not given.", min=1)] = None,
    data: Data = DEFAULT_DATA,
    url: MaybeDatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Make an API key for an account; it is printed this once."""

    async def work(tools: "Tools") -> dict[str, Any]:
        from innkeeper.core.accounts.errors import NoSuchAccount
        from innkeeper.kit.clock import SystemClock

        account = tools.authority.by_username(username)
        if account is None:
            raise NoSuchAccount
        actor = tools.authority.actor_of(account.id, "cli")
        expires = SystemClock().now() + timedelta(days=days) if days else None
        key, secret = await tools.access.create_key(actor, name=name, expires_at=expires)
        return {"username": account.username, "id": str(key.uuid), "api_key": secret}

    result = _with_tools(data, url, work)
    _print(result, as_json, result["api_key"])


@admin.command("enrol-node")
def enrol_node(data: Data = DEFAULT_DATA, url: MaybeDatabaseUrl = None, as_json: AsJson = False) -> None:
    """Make a token with which one new node joins, once, within a day."""

    async def work(tools: "Tools") -> dict[str, Any]:
        token, ends = await tools.nodes.create_token(None)
        return {"token": token, "expires_at": ends.isoformat()}

    result = _with_tools(data, url, work)
    _print(result, as_json, result["token"])


@admin.command("stop-servers")
def stop_servers(data: Data = DEFAULT_DATA, as_json: AsJson = False) -> None:
    """Stop every game server of a data folder in order, whether the panel and the node live or not."""
    from innkeeper.kit import log as logs
    from innkeeper.node.main import stop_all_servers

    logs.configure()  # to standard error: what is printed is for whoever reads it
    folder = data / "node" if (data / "node").is_dir() else data
    left = asyncio.run(stop_all_servers(folder.absolute()))
    _print(
        {"left": [str(server) for server in left]},
        as_json,
        "No game server is running." if not left else f"{len(left)} game server(s) would not end.",
    )
    if left:
        raise SystemExit(1)


class Tools:
    """The services that administration needs, without a node."""

    def __init__(
        self, accounts: "AccountService", access: "AccessService", authority: "AccessDirectory", nodes: "NodeService"
    ) -> None:
        self.accounts = accounts
        self.access = access
        self.authority = authority
        self.nodes = nodes


@asynccontextmanager
async def open_tools(url: str) -> AsyncIterator[Tools]:
    """Open the database at `url` for administration."""
    from innkeeper.core.access.directory import AccessDirectory
    from innkeeper.core.access.service import AccessService
    from innkeeper.core.accounts.service import AccountService
    from innkeeper.core.activity.service import ActivityService
    from innkeeper.core.house.directory import HouseDirectory
    from innkeeper.core.nodes.service import NodeService
    from innkeeper.core.servers.directory import ServerDirectory
    from innkeeper.kit.clock import SystemClock
    from innkeeper.panel.passwords import Argon2Hasher
    from innkeeper.panel.second_factors import SecretSealer, TotpCodes
    from innkeeper.panel.tokens import JwtSigner
    from innkeeper.storage.database import Database

    opened = await Database.open(url)
    try:
        await opened.check_schema()
        clock, works = SystemClock(), opened.works
        house = HouseDirectory(works)
        await house.load()
        async with works() as work:
            secret = bytes.fromhex(await work.settings.put_if_absent("installation_secret", secrets.token_hex(32)))
        servers, activity = ServerDirectory(works), ActivityService(works, clock, house)
        authority = AccessDirectory(works, clock)
        await authority.load()
        yield Tools(
            AccountService(
                works=works,
                clock=clock,
                hasher=Argon2Hasher(),
                signer=JwtSigner(secret),
                codes=TotpCodes(),
                sealer=SecretSealer(secret),
                access=authority,
                servers=servers,
                activity=activity,
                house=house,
            ),
            AccessService(works=works, clock=clock, directory=authority, servers=servers, activity=activity),
            authority,
            NodeService(works=works, clock=clock, servers=servers, activity=activity),
        )
    finally:
        await opened.aclose()


def _with_tools(data: Path, url: str | None, work: Callable[[Tools], Awaitable[dict[str, Any]]]) -> dict[str, Any]:
    """Do `work` on the database, then have a panel of the same folder read it again."""
    from innkeeper.cli.running import holder_of
    from innkeeper.core.errors import CoreError
    from innkeeper.kit import log as logs

    logs.configure()
    if url is None and not (data / "innkeeper.db").exists():
        _fail(f"there is no installation in {data}")

    async def within() -> dict[str, Any]:
        async with open_tools(url or embedded_database(data)) as tools:
            return await work(tools)

    try:
        result = asyncio.run(within())
    except CoreError as error:
        _fail(error.message)
    panel = holder_of(data / "panel.pid")
    if panel is not None:
        os.kill(panel, signal.SIGHUP)
    return result


def _fail(message: str) -> NoReturn:
    sys.stderr.write(f"innkeeper: {message}\n")
    raise SystemExit(1)


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")


def _print(result: dict[str, Any], as_json: bool, text: str) -> None:
    _say(json.dumps(result) if as_json else text)
