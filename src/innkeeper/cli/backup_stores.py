"""`innkeeper backups store | check | collect | discard`: the store in which a node keeps the backups of its servers."""

import time
from typing import Annotated, Any

import typer

from innkeeper.cli.backups import backups
from innkeeper.cli.call import Call, verb
from innkeeper.cli.failures import CommandFailed
from innkeeper.cli.finding import find
from innkeeper.cli.house import NodeName
from innkeeper.cli.output import moment, size
from innkeeper.cli.power import Wait
from innkeeper.cli.servers import Sure, confirm
from innkeeper.cli.waiting import progress_line

_AGAIN_S = 0.5


@verb(backups, "store")
def show_store(call: Call, node: NodeName) -> None:
    """Show where a node keeps its backups, and what came of the last check and collection."""
    item = find(call.client, "/nodes", node, "node")
    found = call.client.get(f"/nodes/{item['id']}/backups")
    facts = {"where": found["where"], "checked": _told(found["check"]), "collected": _told(found["collection"])}
    call.out.facts(found, facts)


@verb(backups, "check")
def check_store(call: Call, node: NodeName, wait: Wait = True) -> None:
    """Check the store of a node's backups: that each can be read, and all that it needs is there."""
    found = _tend(call, node, "check", "check", wait=wait)
    if found is None:
        return
    if found["problems"]:
        told = "\n".join(found["problems"])
        raise CommandFailed(
            f"{found['problems_count']} problems:\n{told}", code="backup_store_is_damaged", data={"check": found}
        )
    call.out.result(found, "Nothing is wrong with it.")


@verb(backups, "collect")
def collect_store(call: Call, node: NodeName, wait: Wait = True) -> None:
    """Free the store of a node's backups of what none of them needs; it does so daily by itself."""
    found = _tend(call, node, "collect", "collection", wait=wait)
    if found is not None:
        call.out.result(found, f"{size(found['freed_bytes'])} are free again.")


@verb(backups, "discard")
def discard_backup(
    call: Call,
    node: NodeName,
    snapshot: Annotated[str, typer.Argument(metavar="SNAPSHOT", help="What `check` calls it: snapshots/….")],
    yes: Sure = False,
) -> None:
    """Remove a backup that cannot be read. While it is there, nothing is collected."""
    item, name = find(call.client, "/nodes", node, "node"), snapshot.removeprefix("snapshots/")
    confirm(call, f"Remove the unreadable backup {name} from the store of {item['name']} for good?", yes)
    call.client.delete(f"/nodes/{item['id']}/backups/{name}")
    call.out.result({"id": name}, "It is removed.")


def _tend(call: Call, node: str, deed: str, key: str, *, wait: bool) -> dict[str, Any] | None:
    """Begin a deed and return what came of it; None where it is not waited for. Raise CommandFailed."""
    item = find(call.client, "/nodes", node, "node")
    where = f"/nodes/{item['id']}/backups"
    run = call.client.post(f"{where}/{deed}")[key]
    if not wait:
        call.out.result(run, f"It is begun; see `innkeeper backups store {item['name']}`.")
        return None
    with progress_line(quiet=call.out.as_json) as show:
        while run is not None and run["ended_at"] is None:
            show(f"{item['name']}: under way since {moment(run['begun_at'])}")
            time.sleep(_AGAIN_S)
            run = call.client.get(where)[key]
    if run is None:
        raise CommandFailed("The node was started anew meanwhile.", code="node_was_restarted", data={})
    if run["failure"]:
        raise CommandFailed(f"It failed: {run['failure']}", code="backup_store_failed", data={key: run})
    return dict(run)


def _told(run: dict[str, Any] | None) -> str:
    if run is None:
        return "not since the node was started"
    if run["ended_at"] is None:
        return f"under way since {moment(run['begun_at'])}"
    what = run["failure"] or "\n".join(run["problems"]) or "well"
    return f"{moment(run['ended_at'])}: {what}"
