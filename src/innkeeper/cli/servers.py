"""`innkeeper servers`: list, show, make, change, delete; what was done with them. Power has a module of its own."""

from typing import Annotated, Any

import typer

from innkeeper.cli.call import Call, verb
from innkeeper.cli.finding import ServerName, find_server
from innkeeper.cli.output import ago, moment, note, size
from innkeeper.cli.values import assignments, find_account, find_node, typed

servers = typer.Typer(help="Game servers.", no_args_is_help=True)

Memory = Annotated[int | None, typer.Option("--memory", metavar="MIB", min=1, help="Most memory it may use, in MiB.")]
Cpu = Annotated[
    int | None, typer.Option("--cpu", metavar="PERCENT", min=1, help="Most CPU it may use; 100 is one core.")
]
Disk = Annotated[int | None, typer.Option("--disk", metavar="MIB", min=1, help="Most disk it may use, in MiB.")]
Port = Annotated[int | None, typer.Option("--port", min=1, max=65535, help="The port it listens on.")]
Properties = Annotated[
    list[str],
    typer.Option(
        "--property", "-p", metavar="NAME=VALUE", help="A setting of its game; see `innkeeper packages show`."
    ),
]
StopCommand = Annotated[
    str | None,
    typer.Option(
        "--stop-command", metavar="LINE", help="What is typed to stop the game; empty: what its package says."
    ),
]
StopTimeout = Annotated[
    int | None,
    typer.Option(
        "--stop-timeout",
        metavar="SECONDS",
        min=-1,
        max=86_400,
        help="After so long a stop becomes a kill; -1: as its package says.",
    ),
]
CleanExits = Annotated[
    str | None,
    typer.Option(
        "--clean-exits",
        metavar="CODES",
        help="Exit codes that are no crash, as 0,143 (-15: ended by signal 15); empty: those its package says.",
    ),
]
AutostartDelay = Annotated[
    int | None,
    typer.Option(
        "--autostart-delay", metavar="SECONDS", min=0, max=86_400, help="After its host is back, wait so much longer."
    ),
]
ShowStatus = Annotated[
    bool | None,
    typer.Option("--show-status/--hide-status", help="Whether everybody may see that it runs and how many play."),
]
Limit = Annotated[int, typer.Option("--limit", "-n", min=1, help="How many at most.")]
Sure = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask whether it is meant.")]


@verb(servers, "ls")
def list_servers(call: Call) -> None:
    """List the servers you may see."""
    found = call.client.pages("/servers")
    ids = short_ids([item["id"] for item in found])
    rows = [
        (item["name"], item["state"], players_of(item), game_of(item), address_of(item), memory_of(item), short)
        for item, short in zip(found, ids, strict=True)
    ]
    call.out.table(
        found, ("name", "state", "players", "game", "address", "memory", "id"), rows, empty="There is no server."
    )


@verb(servers, "show")
def show_server(call: Call, server: ServerName) -> None:
    """Show a server."""
    item = find_server(call.client, server)
    usage, last = item.get("usage") or {}, item.get("last_exit") or {}
    limits = {name: value for name, value in item["limits"].items() if value is not None}
    online = [player["name"] for player in item["players"]["list"] or []]
    facts: dict[str, object] = {
        "name": item["name"],
        "id": item["id"],
        "description": item["description"],
        "state": item["state"] + (f" ({item['reason']})" if item["reason"] else ""),
        "suspended": (item["suspended_reason"] or "yes") if item["suspended"] else None,
        "running for": ago(item["ready_at"]),
        "address": address_of(item),
        "players": players_of(item) + (f": {', '.join(online)}" if online else ""),
        "game": game_of(item),
        "message of the day": item["motd"],
        "cpu": f"{usage['cpu_percent']:.0f} %" if usage else None,
        "memory": size(usage["memory_bytes"]) if usage else None,
        "disk": size(usage["disk_bytes"]) if usage else None,
        "plan": f"{item['plan']}, {item['billing_type']}" if item["plan"] else None,
        "limits": ", ".join(f"{name} {value}" for name, value in limits.items()) or "none",
        "starts with its host": starting_of(item),
        "status for everybody": "shown" if item["handling"]["show_status"] else None,
        "is stopped": stopping_of(item["handling"]),
        "stops without players": f"after {item['idle_stop_minutes']} min" if item["idle_stop_minutes"] else None,
        "last exit": f"{moment(last['at'])}: {last['reason']}" if last else None,
        "to be known": "; ".join(item["notes"]) or None,
        "node": f"{item['node']['name']}, {item['region']}",
        "owner": item["owner"]["username"],
        "made": moment(item["created_at"]),
    }
    facts |= {f"property {name}": value for name, value in (item["properties"] or {}).items()}
    call.out.facts(item, facts)


@verb(servers, "set")
def change_server(
    call: Call,
    server: ServerName,
    name: Annotated[str | None, typer.Option(help="A new name.")] = None,
    description: Annotated[str | None, typer.Option(help="A new description.")] = None,
    properties: Properties = [],  # noqa: B006 - typer needs a list
    memory: Memory = None,
    cpu: Cpu = None,
    disk: Disk = None,
    port: Port = None,
    autostart: Annotated[bool | None, typer.Option(help="Whether it comes back with its host.")] = None,
    idle_stop: Annotated[
        int | None,
        typer.Option(
            "--idle-stop", metavar="MINUTES", min=0, max=10_080, help="Stop it after so long without players; 0: never."
        ),
    ] = None,
    restart: Annotated[
        bool | None,
        typer.Option("--restart-after-crash/--no-restart-after-crash", help="Whether a crash is followed by a start."),
    ] = None,
    stop_command: StopCommand = None,
    stop_timeout: StopTimeout = None,
    clean_exits: CleanExits = None,
    autostart_delay: AutostartDelay = None,
    show_status: ShowStatus = None,
) -> None:
    """Change a server's settings; what the game reads at its start counts from the next start on."""
    client = call.client
    item = find_server(client, server)
    changes: dict[str, Any] = {"name": name, "description": description, "port": port, "autostart": autostart}
    limits = {"memory_mib": memory, "cpu_percent": cpu, "disk_mib": disk}
    if any(value is not None for value in limits.values()):
        changes["limits"] = item["limits"] | {key: value for key, value in limits.items() if value is not None}
    if restart is not None:
        changes["crash"] = item["crash"] | {"restart": restart}
    handling = handling_of(stop_command, stop_timeout, clean_exits, autostart_delay, show_status)
    if handling:
        changes["handling"] = item["handling"] | handling
    if properties:
        changes["properties"] = typed(assignments(properties), client.get(f"/packages/{item['package']}"))
    changes = {key: value for key, value in changes.items() if value is not None}
    if idle_stop is not None:
        changes["idle_stop_minutes"] = idle_stop or None
    if not changes:
        raise typer.BadParameter("say what is to be changed")
    changed = client.patch(f"/servers/{item['id']}", changes)
    waits = changed["state"] in ("running", "starting") and set(changes) & {"properties", "port", "limits"}
    call.out.result(changed, f"{changed['name']} is changed." + (" It counts from the next start on." if waits else ""))


@verb(servers, "players")
def list_players(call: Call, server: ServerName) -> None:
    """List who is on a server now."""
    item = find_server(call.client, server)
    found = call.client.pages(f"/servers/{item['id']}/players")
    rows = [(player["name"], ago(player["since"])) for player in found]
    call.out.table(found, ("player", "for"), rows, empty=f"Nobody is on {item['name']}.")


# -- sharing ----------------------------------------------------------------------------------------------------------

PRESETS = {
    "view": ["server.view", "console.read", "logs.read", "players.read", "metrics.read"],
    "power": [
        "server.view",
        "console.read",
        "logs.read",
        "players.read",
        "metrics.read",
        "power.start",
        "power.stop",
        "power.restart",
    ],
}
"""What `--preset` stands for; `all` is whatever one holds oneself."""


@verb(servers, "share")
def share(
    call: Call,
    server: ServerName,
    account: Annotated[str, typer.Argument(help="With whom: username or id.")],
    permissions: Annotated[
        list[str],
        typer.Option(
            "--permission",
            metavar="NAME",
            help="What it may do, as often as needed; see `innkeeper roles permissions`.",
        ),
    ] = [],  # noqa: B006
    preset: Annotated[str, typer.Option(help="view, power, or all that you hold; not with --permission.")] = "power",
) -> None:
    """Share a server with an account: it may do what you name, no more than you may yourself."""
    client = call.client
    item = find_server(client, server)
    if preset not in (*PRESETS, "all"):
        raise typer.BadParameter("it is view, power or all", param_hint="--preset")
    wanted = permissions or (item["permissions"] if preset == "all" else PRESETS[preset])
    if not permissions and preset == "all":
        wanted = [permission for permission in wanted if permission != "server.suspend"]
    grant = client.put(f"/servers/{item['id']}/grants/{find_account(client, account)}", {"permissions": wanted})
    call.out.result(
        grant, f"{grant['account']['username']} may now use {item['name']}: {', '.join(grant['permissions'])}."
    )


@verb(servers, "unshare")
def unshare(call: Call, server: ServerName, account: Annotated[str, typer.Argument(help="Username or id.")]) -> None:
    """Take back what an account was permitted."""
    item = find_server(call.client, server)
    granted = call.client.pages(f"/servers/{item['id']}/grants")
    known = [grant["account"]["id"] for grant in granted if account.lower() == grant["account"]["username"].lower()]
    call.client.delete(f"/servers/{item['id']}/grants/{known[0] if known else find_account(call.client, account)}")
    call.out.result(
        {"server": item["id"], "unshared": account}, f"{item['name']} is not shared with {account} any more."
    )


@verb(servers, "grants")
def list_grants(call: Call, server: ServerName) -> None:
    """List with whom a server is shared."""
    item = find_server(call.client, server)
    found = call.client.pages(f"/servers/{item['id']}/grants")
    rows = [
        (grant["account"]["username"], moment(grant["created_at"]), ", ".join(grant["permissions"])) for grant in found
    ]
    call.out.table(found, ("account", "since", "permissions"), rows, empty=f"{item['name']} is shared with nobody.")


# -- history ----------------------------------------------------------------------------------------------------------


@verb(servers, "operations")
def list_operations(call: Call, server: ServerName, limit: Limit = 20) -> None:
    """List what was asked of a server, newest first."""
    item = find_server(call.client, server)
    found = call.client.pages(f"/servers/{item['id']}/operations", limit=limit)
    rows = [
        (
            moment(one["created_at"]),
            one["verb"],
            one["state"],
            (one["account"] or {}).get("username"),
            one["reason"],
            one["id"],
        )
        for one in found
    ]
    call.out.table(found, ("at", "what", "state", "by", "reason", "id"), rows, empty="Nothing was asked of it.")


@verb(servers, "activity")
def list_activity(call: Call, server: ServerName, limit: Limit = 20) -> None:
    """List what was done with a server and what happened to it, newest first."""
    item = find_server(call.client, server)
    show_activity(call, call.client.pages(f"/servers/{item['id']}/activity", limit=limit))


def show_activity(call: Call, found: list[dict[str, Any]]) -> None:
    """Print activity entries."""
    rows = [
        (
            moment(one["at"]),
            (one["account"] or {}).get("username"),
            one["action"],
            ", ".join(f"{name}={value}" for name, value in one["data"].items()),
            one["via"],
        )
        for one in found
    ]
    call.out.table(found, ("at", "by", "what", "with", "via"), rows, empty="Nothing was done yet.")


# -- deleting ---------------------------------------------------------------------------------------------------------


def confirm(call: Call, question: str, sure: bool) -> None:
    """Ask whether it is meant; without a terminal to ask at, `--yes` is needed."""
    import sys

    if sure:
        return
    if call.out.as_json or not sys.stdin.isatty():
        raise typer.BadParameter("without a terminal to ask at, say --yes")
    if not typer.confirm(question, err=True):
        note("Nothing was done.")
        raise SystemExit(1)


def owner_and_node(call: Call, owner: str | None, node: str | None) -> dict[str, Any]:
    """Return the ids that go with a new server."""
    found: dict[str, Any] = {}
    if owner is not None:
        found["owner"] = find_account(call.client, owner)
    if node is not None:
        found["node"] = find_node(call.client, node)
    return found


# -- words ------------------------------------------------------------------------------------------------------------


def handling_of(
    stop_command: str | None,
    stop_timeout: int | None,
    clean_exits: str | None,
    autostart_delay: int | None,
    show_status: bool | None,
) -> dict[str, Any]:
    """Return what of a server's handling the options change."""
    found: dict[str, Any] = {}
    if stop_command is not None:
        found["stop_command"] = stop_command or None
    if stop_timeout is not None:
        found["stop_timeout_s"] = stop_timeout if stop_timeout >= 0 else None
    if clean_exits is not None:
        found["clean_exits"] = exit_codes(clean_exits) or None
    if autostart_delay is not None:
        found["autostart_delay_s"] = autostart_delay
    if show_status is not None:
        found["show_status"] = show_status
    return found


def exit_codes(text: str) -> list[int]:
    """Return the numbers of a list with commas."""
    try:
        return [int(code) for code in text.split(",") if code.strip()]
    except ValueError as error:
        raise typer.BadParameter("they are numbers with commas, as 0,143", param_hint="--clean-exits") from error


def stopping_of(handling: dict[str, Any]) -> str | None:
    """Return how a server is stopped, where that is not as its package says."""
    command, timeout, exits = handling["stop_command"], handling["stop_timeout_s"], handling["clean_exits"]
    parts = [
        f"by {command!r}" if command is not None else "",
        f"killed after {timeout} s" if timeout is not None else "",
        f"no crash: {', '.join(map(str, exits))}" if exits is not None else "",
    ]
    return "; ".join(part for part in parts if part) or None


def starting_of(item: dict[str, Any]) -> str:
    """Return whether a server starts with its host."""
    if not item["autostart"]:
        return "no"
    delay = item["handling"]["autostart_delay_s"]
    return f"yes, {delay} s later" if delay else "yes"


def players_of(item: dict[str, Any]) -> str:
    """Return how many are on a server."""
    players = item["players"]
    return f"{players['online']}/{players['max']}" if players["max"] else str(players["online"])


def game_of(item: dict[str, Any]) -> str:
    """Return what a server runs."""
    parts = [item["package"], item["runtime"] if item["runtime"] != item["package"] else "", item["version"]]
    return " ".join(part for part in parts if part)


def address_of(item: dict[str, Any]) -> str:
    """Return what players type."""
    host = f"[{item['host']}]" if ":" in item["host"] else item["host"]
    return f"{host}:{item['port']}" if item["port"] else ""


def memory_of(item: dict[str, Any]) -> str:
    """Return what a server uses of what it may."""
    used = size(item["usage"]["memory_bytes"]) if item.get("usage") else None
    most = item["limits"]["memory_mib"]
    return " / ".join(text for text in (used, f"{most} MiB" if most else None) if text)


def short_ids(ids: list[str]) -> list[str]:
    """Return beginnings of ids, at least 8 characters, as short as they can be and still differ."""
    found = []
    for one in ids:
        length = 8
        while length < len(one) and any(other != one and other.startswith(one[:length]) for other in ids):
            length += 1
        found.append(one[:length].rstrip("-"))
    return found
