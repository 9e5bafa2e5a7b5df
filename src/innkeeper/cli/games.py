"""`innkeeper players`, `innkeeper config`, and of `innkeeper servers`: extend, share-log, figures, manage."""

import json
from itertools import islice
from typing import Annotated, Any
from urllib.parse import quote

import typer

from innkeeper.cli.call import Call, verb
from innkeeper.cli.failures import CommandFailed
from innkeeper.cli.finding import ServerName, find_server
from innkeeper.cli.output import moment, size
from innkeeper.cli.servers import servers
from innkeeper.cli.values import assignments

players = typer.Typer(help="Player lists of a server: whitelist, operators, bans.", no_args_is_help=True)
config = typer.Typer(help="Config files of a server's game.", no_args_is_help=True)

ListName = Annotated[str, typer.Argument(metavar="LIST", help="A list; see `innkeeper players lists`.")]
Entries = Annotated[list[str], typer.Argument(metavar="ENTRY…", help="Players by name, or addresses.")]
ConfigPath = Annotated[str, typer.Argument(metavar="PATH", help="A config file below the server's folder.")]


@verb(players, "lists")
def list_lists(call: Call, server: ServerName) -> None:
    """List the player lists that a server's game has."""
    item = find_server(call.client, server)
    found = call.client.pages(f"/servers/{item['id']}/player-lists")
    call.out.table(found, ("list",), [(name,) for name in found], empty=f"The game of {item['name']} has none.")


@verb(players, "ls")
def show_list(call: Call, server: ServerName, name: ListName) -> None:
    """Show who is on a list."""
    item = find_server(call.client, server)
    _show(call, name, call.client.get(_path(item, name))["items"])


@verb(players, "add")
def add(call: Call, server: ServerName, name: ListName, entries: Entries) -> None:
    """Put players or addresses on a list."""
    _change(call, server, name, {"add": entries})


@verb(players, "remove")
def remove(call: Call, server: ServerName, name: ListName, entries: Entries) -> None:
    """Take players or addresses off a list."""
    _change(call, server, name, {"remove": entries})


def _change(call: Call, server: str, name: str, change: dict[str, list[str]]) -> None:
    item = find_server(call.client, server)
    _show(call, name, call.client.patch(_path(item, name), change)["items"])


def _show(call: Call, name: str, found: list[dict[str, Any]]) -> None:
    rows = [(entry["name"], entry["uuid"]) for entry in found]
    call.out.table(found, ("name", "uuid"), rows, empty=f"Nobody is on {name}.")


def _path(item: dict[str, Any], name: str) -> str:
    return f"/servers/{item['id']}/player-lists/{quote(name, safe='')}"


@verb(config, "show")
def show_options(call: Call, server: ServerName, path: ConfigPath) -> None:
    """Show a config file as options."""
    item = find_server(call.client, server)
    _show_options(call, path, call.client.get(f"/servers/{item['id']}/config", path=path)["items"])


@verb(config, "set")
def set_options(
    call: Call,
    server: ServerName,
    path: ConfigPath,
    options: Annotated[list[str], typer.Argument(metavar="KEY=VALUE…", help="What is to be set.")],
) -> None:
    """Set options of a config file; the rest of it stays as it is."""
    item = find_server(call.client, server)
    changed = call.client.ask(
        "PATCH", f"/servers/{item['id']}/config", body={"values": assignments(options)}, params={"path": path}
    )
    _show_options(call, path, changed["items"])


def _show_options(call: Call, path: str, found: list[dict[str, Any]]) -> None:
    rows = [
        (option["key"], _text(option["value"]), option["type"], ", ".join(option["choices"] or [])) for option in found
    ]
    call.out.table(found, ("key", "value", "type", "choices"), rows, empty=f"{path} has no options.")


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


@verb(servers, "extend")
def extend(
    call: Call,
    server: ServerName,
    minutes: Annotated[int, typer.Argument(min=1, max=1440, help="For how many minutes more.")],
) -> None:
    """Keep a running server for longer, though nobody plays."""
    item = find_server(call.client, server)
    kept = call.client.post(f"/servers/{item['id']}/extend", {"seconds": minutes * 60})
    call.out.result(kept, f"{item['name']} is kept until {moment(kept['keep_until'])}.")


@verb(servers, "share-log")
def share_log(call: Call, server: ServerName) -> None:
    """Upload the log, freed of addresses and tokens, to where people can be shown it."""
    item = find_server(call.client, server)
    shared = call.client.post(f"/servers/{item['id']}/console/share")
    call.out.result(shared, shared["url"])


@verb(servers, "figures")
def figures(
    call: Call,
    server: ServerName,
    tick: Annotated[bool, typer.Option("--tick", help="Ask the game for its tick time, too.")] = False,
    count: Annotated[int | None, typer.Option("--count", "-n", min=1, help="End after so many.")] = None,
) -> None:
    """Follow what a running server uses, a line a second; Ctrl-C leaves."""
    from innkeeper.cli.watching import usages

    item = find_server(call.client, server)
    for usage in islice(usages(call.client, item["id"], tick=tick), count):
        facts = {
            "cpu": f"{usage['cpu_percent']:.0f} %",
            "memory": size(usage["memory_bytes"]),
            "heap": size(usage["heap_bytes"]),
            "tick": f"{usage['tick_ms']:.2f} ms" if usage["tick_ms"] is not None else None,
            "players": usage["players"],
        }
        words = "  ".join(f"{name} {fact}" for name, fact in facts.items() if fact is not None)
        call.out.result(usage, f"{moment(usage['at'])}  {words}")


@verb(servers, "manage")
def manage(
    call: Call,
    server: ServerName,
    method: Annotated[str, typer.Argument(help="A method of the game's management protocol, as minecraft:players.")],
    params: Annotated[str, typer.Argument(metavar="[JSON]", help="Its parameters.")] = "",
) -> None:
    """Ask the game's own management server, where it has one."""
    item = find_server(call.client, server)
    body: dict[str, Any] = {"method": method}
    if params:
        try:
            body["params"] = json.loads(params)
        except ValueError as error:
            raise CommandFailed(f"{params!r} is no JSON.", code="params_are_invalid", kind="invalid") from error
    call.out.document(call.client.post(f"/servers/{item['id']}/management", body)["result"])
