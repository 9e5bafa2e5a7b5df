"""`innkeeper servers history`, `innkeeper nodes history` and `… usage`: what was used, and what is used now.

Importing it adds them to the commands of servers and nodes.
"""

from typing import Annotated, Any

import typer

from innkeeper.cli.call import Call, verb
from innkeeper.cli.finding import ServerName, find, find_server
from innkeeper.cli.house import NodeName, nodes
from innkeeper.cli.output import moment, size
from innkeeper.cli.servers import Limit, servers
from innkeeper.cli.values import instant

Since = Annotated[str, typer.Option(help="From when on: so long ago, as 90m or 7d, or a time.")]
Until = Annotated[str | None, typer.Option(help="Before when; now if left out.")]
Step = Annotated[str | None, typer.Option(help="raw, minute or hour; what suits the time if left out.")]


@verb(servers, "history")
def history(
    call: Call,
    server: ServerName,
    since: Since = "1h",
    until: Until = None,
    step: Step = None,
    limit: Limit = 100,
) -> None:
    """Show what a server used over time, as mean and maximum, oldest first; where it did not live is nothing."""
    item = find_server(call.client, server)
    found, step = _points(call, f"/servers/{item['id']}/history", since, until, step, limit)
    rows = [
        (
            moment(point["at"]),
            f"{point['cpu_mean']:.1f} / {point['cpu_max']:.1f} %",
            f"{size(point['memory_mean'])} / {size(point['memory_max'])}",
            f"{point['players_mean']:.1f} / {point['players_max']}",
            size(point["disk_max"]),
        )
        for point in found
    ]
    columns = (f"by {step}", "cpu", "memory", "players", "disk")
    call.out.table({"step": step, "items": found}, columns, rows, empty="Nothing is kept of that time.")


@verb(nodes, "history")
def node_history(
    call: Call,
    node: NodeName,
    since: Since = "1h",
    until: Until = None,
    step: Step = None,
    limit: Limit = 100,
) -> None:
    """Show what the host of a node used over time, as mean and maximum, oldest first; where it was away is nothing."""
    item = find(call.client, "/nodes", node, "node")
    found, step = _points(call, f"/nodes/{item['id']}/history", since, until, step, limit)
    rows = [
        (
            moment(point["at"]),
            f"{point['cpu_mean']:.1f} / {point['cpu_max']:.1f} %",
            f"{size(point['memory_mean'])} / {size(point['memory_max'])}",
            size(point["disk_max"]),
        )
        for point in found
    ]
    columns = (f"by {step}", "cpu", "memory", "disks")
    call.out.table({"step": step, "items": found}, columns, rows, empty="Nothing is kept of that time.")


def _points(
    call: Call, path: str, since: str, until: str | None, step: str | None, limit: int
) -> tuple[list[dict[str, Any]], str]:
    """Return the points of a history, page by page, and how long each is."""
    asked = {"since": instant(since), "until": instant(until), "step": step, "limit": min(limit, 500)}
    page = call.client.get(path, **asked)
    found, chosen = page["items"], page["step"]
    while page["next"] is not None and len(found) < limit:
        page = call.client.get(path, **asked | {"step": chosen, "cursor": page["next"]})
        found += page["items"]
    return found[:limit], chosen


@verb(nodes, "usage")
def usage(call: Call, node: NodeName) -> None:
    """Show what the host of a node uses now, all its programs together."""
    item = find(call.client, "/nodes", node, "node")
    found = call.client.get(f"/nodes/{item['id']}/usage")
    call.out.facts(
        found,
        {
            "node": item["name"],
            "at": moment(found["at"]),
            "processor": f"{found['cpu_percent']:.1f} % of {found['cpus']} cores",
            "frequency": _frequency(found),
            "memory": f"{size(found['memory_bytes'])} of {size(found['memory_total_bytes'])}",
            **{
                f"disk {disk['mount']}": f"{size(disk['used_bytes'])} of {size(disk['total_bytes'])}, "
                f"{size(disk['free_bytes'])} free ({disk['filesystem']} on {disk['device']})"
                for disk in found["disks"]
            },
            "booted": moment(found["booted_at"]),
        },
    )


def _frequency(found: dict[str, Any]) -> str | None:
    if found["cpu_mhz"] is None:
        return None
    most = f" of {found['cpu_mhz_max']:.0f}" if found["cpu_mhz_max"] is not None else ""
    return f"{found['cpu_mhz']:.0f}{most} MHz"
