"""Turn what people type into ids: a UUID, the beginning of one, or a name. Never guesses between two."""

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import typer

from innkeeper.cli.failures import CommandFailed

if TYPE_CHECKING:
    from innkeeper.cli.client import Client

ServerName = Annotated[str, typer.Argument(metavar="SERVER", help="Its name, its id, or the beginning of its id.")]
_PREFIX = re.compile(r"[0-9a-fA-F-]{4,36}")


def find_server(client: "Client", wanted: str) -> dict[str, Any]:
    """Return the server that `wanted` names; raise CommandFailed where none or several are so named."""
    if _is_uuid(wanted):
        found: dict[str, Any] = client.get(f"/servers/{UUID(wanted)}")
        return found
    return pick(client.pages("/servers"), wanted, "server")


def find(client: "Client", path: str, wanted: str, noun: str, *, name: str = "name") -> dict[str, Any]:
    """Return the item of the list at `path` that `wanted` names."""
    return pick(client.pages(path), wanted, noun, name=name)


def pick(items: Iterable[dict[str, Any]], wanted: str, noun: str, *, name: str = "name") -> dict[str, Any]:
    """Return the one item whose name is `wanted`, else whose id is or begins with it."""
    known = list(items)
    found = [item for item in known if item[name] == wanted]
    if not found and _PREFIX.fullmatch(wanted):
        bare = wanted.lower().replace("-", "")
        found = [item for item in known if str(item["id"]).replace("-", "").startswith(bare)]
    if len(found) == 1:
        return found[0]
    if not found:
        raise CommandFailed(
            f"There is no {noun} {wanted!r} that you may see.",
            code=f"no_such_{noun}",
            kind="not_found",
            data={"wanted": wanted},
        )
    ids = [str(item["id"]) for item in found]
    some = ", ".join(f"{item[name]} ({item['id']})" for item in found[:5]) + (" …" if len(found) > 5 else "")
    raise CommandFailed(
        f"{wanted!r} may be any of {len(found)}: {some}. Say which by its id.",
        code="name_is_ambiguous",
        kind="conflict",
        data={"wanted": wanted, "candidates": ids},
    )


def _is_uuid(text: str) -> bool:
    try:
        return len(text) >= 32 and bool(UUID(text))
    except ValueError:
        return False
