"""`innkeeper packages | nodes | operations | status | activity`: the installation and its catalogue."""

from typing import Annotated, Any

import typer

from innkeeper.cli.call import Call, verb
from innkeeper.cli.failures import CommandFailed
from innkeeper.cli.finding import find
from innkeeper.cli.output import ago, moment, note, write
from innkeeper.cli.servers import Limit, Sure, confirm, short_ids, show_activity
from innkeeper.cli.text import plain
from innkeeper.cli.values import NO_BOUND, bound
from innkeeper.cli.waiting import wait_for

packages = typer.Typer(help="Games that can be installed.", no_args_is_help=True)
nodes = typer.Typer(help="Hosts that run game servers.", no_args_is_help=True)
operations = typer.Typer(help="What was asked of servers, and how it stands.", no_args_is_help=True)

NodeName = Annotated[str, typer.Argument(metavar="NODE", help="Its name, its id, or the beginning of its id.")]
Capacity = Annotated[
    str | None,
    typer.Option(
        metavar="MIB", help="Most memory promised to its servers; none: what its host has, to those with a plan."
    ),
]
_SHOWN_VERSIONS = 10
OperationId = Annotated[str, typer.Argument(metavar="OPERATION", help="Its id.")]


def register(app: typer.Typer) -> None:
    """Give `app` the commands that stand by themselves."""
    verb(app, "status")(status)
    verb(app, "activity")(activity)


def status(call: Call) -> None:
    """Say whether an Innkeeper answers, and which release it is. Needs no key."""
    found = call.client.get("/status")
    ready = "ready" if found["ready"] else "not ready"
    call.out.facts(
        {"url": call.place.url, **found}, {"address": call.place.url, "release": found["version"], "state": ready}
    )


def activity(call: Call, limit: Limit = 20) -> None:
    """List what was done, newest first: by everybody where you may see that, else by you."""
    show_activity(call, call.client.pages("/activity", limit=limit))


@verb(packages, "ls")
def list_packages(call: Call) -> None:
    """List the games that can be installed."""
    found = call.client.pages("/packages")
    rows = [
        (
            item["name"],
            item["title"],
            ", ".join(runtime["name"] for runtime in item["runtimes"]),
            f"{item['resources']['memory_mib']} MiB",
        )
        for item in found
    ]
    call.out.table(found, ("name", "title", "runtimes", "memory"), rows, empty="The catalogue is empty.")


@verb(packages, "show")
def show_package(call: Call, package: Annotated[str, typer.Argument(help="Its name.")]) -> None:
    """Show a game: what runs it, its versions, what can be set."""
    item = call.client.get(f"/packages/{_segment(package)}")
    call.out.facts(
        item,
        {
            "name": item["name"],
            "title": item["title"],
            "description": item["description"],
            "sold": "no more" if item["retired"] else ", ".join(item["plans"]),
            "memory": _memory(item["resources"]),
            **{f"runtime {runtime['name']}": _runtime(runtime, item["resources"]) for runtime in item["runtimes"]},
        },
    )
    if not call.out.as_json:
        write("")
        rows = [
            (prop["name"], prop["type"], _default(prop), _range(prop), prop["label"]) for prop in item["properties"]
        ]
        call.out.table(None, ("property", "type", "default", "values", "meaning"), rows, empty="Nothing can be set.")


@verb(packages, "versions")
def list_versions(
    call: Call,
    package: Annotated[str, typer.Argument(help="The game's name.")],
    runtime: Annotated[str, typer.Argument(help="The name of what runs it.")],
) -> None:
    """List the versions of what runs a game, newest first, with what each is called besides."""
    item = call.client.get(f"/packages/{_segment(package)}")
    found = next((found for found in item["runtimes"] if found["name"] == runtime), None)
    if found is None:
        raise CommandFailed(f"{item['name']} has no runtime {runtime!r}.", code="no_such_runtime", kind="invalid")
    rows = [
        (version, found["titles"].get(version, ""), ", ".join(_names_of(found, version)))
        for version in found["versions"]
    ]
    call.out.table(found["versions"], ("version", "title", "also"), rows, empty=f"No version of {runtime} is known.")


@verb(packages, "indexes")
def list_indexes(call: Call, package: Annotated[str, typer.Argument(help="The game's name.")]) -> None:
    """Show when the vendors of what runs a game told of its versions, and what failed since."""
    _show_indexes(call, call.client.pages(f"/packages/{_segment(package)}/indexes"))


@verb(packages, "refresh")
def refresh(call: Call, package: Annotated[str, typer.Argument(help="The game's name.")]) -> None:
    """Ask the vendors of what runs a game for its versions again, now."""
    _show_indexes(call, call.client.post(f"/packages/{_segment(package)}/refresh")["items"])


def _show_indexes(call: Call, found: Any) -> None:
    found = list(found)
    rows = [
        (
            item["runtime"],
            item["versions"],
            f"{ago(item['fetched_at'])} ago" if item["fetched_at"] else "never",
            f"failed {ago(item['failed_at'])} ago: {plain(item['reason'])}" if item["failed_at"] else "",
        )
        for item in found
    ]
    call.out.table(found, ("runtime", "versions", "told", "since"), rows, empty="It has no vendor to ask.")


def _names_of(runtime: dict[str, Any], version: str) -> list[str]:
    return [alias for alias, meant in runtime["aliases"].items() if meant == version]


def _runtime(item: dict[str, Any], usual: dict[str, Any]) -> str:
    shown, more = item["versions"][:_SHOWN_VERSIONS], len(item["versions"]) - _SHOWN_VERSIONS
    parts = [
        "the default" if item["default"] else "an addon" if item["addon"] else "",
        ", ".join(shown) + (f" and {more} more" if more > 0 else ""),
        f"needs {', '.join(item['requires'])}" if item["requires"] else "",
        _memory(item["resources"]) if item["resources"] and item["resources"] != usual else "",
    ]
    return "; ".join(part for part in parts if part) or item["title"]


def _memory(resources: dict[str, Any]) -> str:
    return f"{resources['memory_mib']} MiB, at least {resources['minimum_memory_mib']} MiB"


def _default(prop: dict[str, Any]) -> str:
    if prop.get("required"):
        return "(needed)"
    value = prop.get("default")
    return str(value).lower() if isinstance(value, bool) else "" if value is None else str(value)


def _range(prop: dict[str, Any]) -> str:
    if prop.get("choices"):
        return ", ".join(choice["value"] for choice in prop["choices"])
    least, most = prop.get("min"), prop.get("max")
    if least is None and most is None:
        return ""
    text = f"{'' if least is None else f'{least:g}'}…{'' if most is None else f'{most:g}'}"
    return text + (" characters" if prop["type"] in ("string", "command") else "")


@verb(nodes, "ls")
def list_nodes(call: Call) -> None:
    """List nodes."""
    found = call.client.pages("/nodes")
    ids = short_ids([item["id"] for item in found])
    rows = [
        (
            item["name"],
            "online" if item["online"] else "offline",
            item["servers"],
            item["public_host"] or item["address"],
            f"{item['first_port']}-{item['last_port']}",
            ago(item["last_seen_at"]),
            short,
        )
        for item, short in zip(found, ids, strict=True)
    ]
    call.out.table(
        found, ("name", "state", "servers", "host", "ports", "seen ago", "id"), rows, empty="There is no node."
    )


@verb(nodes, "show")
def show_node(call: Call, node: NodeName) -> None:
    """Show a node."""
    item = find(call.client, "/nodes", node, "node")
    facts = item["facts"]
    call.out.facts(
        item,
        {
            "name": item["name"],
            "id": item["id"],
            "state": "online" if item["online"] else "offline",
            "last seen": moment(item["last_seen_at"]),
            "servers": item["servers"],
            "address": item["address"],
            "public host": item["public_host"],
            "ports": f"{item['first_port']}-{item['last_port']}",
            "region": item["region"],
            "promised": f"{item['promised']['memory_mib']} MiB of memory, {item['promised']['disk_mib']} MiB of disk",
            "capacities": ", ".join(
                f"{name} {item[key]}"
                for name, key in (("memory", "memory_mib"), ("disk", "disk_mib"), ("servers", "most_servers"))
                if item[key] is not None
            ),
            "host": facts["hostname"],
            "system": facts["system"],
            "cpus": facts["cpus"],
            "memory": f"{facts['memory_mib']} MiB",
            "disk": f"{facts['disk_free_mib']} of {facts['disk_mib']} MiB free",
            "java": ", ".join(map(str, facts["javas"])),
            "tools": ", ".join(f"{name} {version}" for name, version in facts["tools"].items()),
            "isolation": ", ".join(facts["isolation"]),
            "release": facts["version"],
        },
    )


@verb(nodes, "set")
def change_node(
    call: Call,
    node: NodeName,
    name: Annotated[str | None, typer.Option(help="A new name.")] = None,
    address: Annotated[str | None, typer.Option(help="Where new game servers listen.")] = None,
    public_host: Annotated[str | None, typer.Option(help="What players type; empty: the address.")] = None,
    first_port: Annotated[int | None, typer.Option(min=1, max=65535, help="First port for game servers.")] = None,
    last_port: Annotated[int | None, typer.Option(min=1, max=65535, help="Last port for game servers.")] = None,
    region: Annotated[str | None, typer.Option(help="Where it stands; see `innkeeper regions ls`.")] = None,
    memory: Capacity = None,
    disk: Annotated[
        str | None, typer.Option(metavar="MIB", help="Most disk promised to its servers; none: as for memory.")
    ] = None,
    most_servers: Annotated[str | None, typer.Option(metavar="COUNT", help="Most servers; none: any number.")] = None,
) -> None:
    """Change a node's name, addresses, ports, region and capacities; servers that are there stay."""
    wanted = {
        "name": name,
        "address": address,
        "public_host": public_host,
        "first_port": first_port,
        "last_port": last_port,
        "region": region,
        "memory_mib": bound(memory),
        "disk_mib": bound(disk),
        "most_servers": bound(most_servers),
    }
    changes = {key: None if value == NO_BOUND else value for key, value in wanted.items() if value is not None}
    if not changes:
        raise typer.BadParameter("say what is to be changed")
    item = find(call.client, "/nodes", node, "node")
    call.out.result(call.client.patch(f"/nodes/{item['id']}", changes), f"{item['name']} is changed.")


@verb(nodes, "token")
def make_token(call: Call) -> None:
    """Make a token with which one new node joins, once: innkeeper node --token TOKEN."""
    made = call.client.post("/nodes/tokens")
    call.out.result(made, made["token"])
    if not call.out.as_json:
        note(f"It adds one node, until {moment(made['expires_at'])}.")


@verb(nodes, "rm")
def delete_node(call: Call, node: NodeName, yes: Sure = False) -> None:
    """Forget a node that keeps no server."""
    item = find(call.client, "/nodes", node, "node")
    confirm(call, f"Forget the node {item['name']}?", yes)
    call.client.delete(f"/nodes/{item['id']}")
    call.out.result({"id": item["id"]}, f"{item['name']} is forgotten.")


@verb(operations, "show")
def show_operation(call: Call, operation: OperationId) -> None:
    """Show an operation."""
    _operation(call, call.client.get(f"/operations/{_segment(operation)}"))


@verb(operations, "wait")
def wait_operation(call: Call, operation: OperationId) -> None:
    """Wait for the end of an operation; fail if it fails."""
    found = call.client.get(f"/operations/{_segment(operation)}")
    _operation(call, wait_for(call.client, found, str(found["server"]), quiet=call.out.as_json))


def _operation(call: Call, item: dict[str, Any]) -> None:
    fraction = item["fraction"]
    call.out.facts(
        item,
        {
            "id": item["id"],
            "server": item["server"],
            "what": item["verb"],
            "state": item["state"],
            "reason": item["reason"],
            "done": f"{fraction:.0%}" if fraction is not None and item["state"] == "running" else None,
            "steps": "; ".join(map(plain, item["steps"])),
            "by": (item["account"] or {}).get("username"),
            "asked": moment(item["created_at"]),
            "begun": moment(item["started_at"]),
            "ended": moment(item["finished_at"]),
        },
    )


def _segment(text: str) -> str:
    from urllib.parse import quote

    return quote(text, safe="")
