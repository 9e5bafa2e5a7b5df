"""Wait for an operation to end, with a line that says how it stands, on standard error of a terminal only."""

import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

from innkeeper.cli.failures import CommandFailed
from innkeeper.cli.output import span
from innkeeper.cli.text import plain

if TYPE_CHECKING:
    from innkeeper.cli.client import Client

_LIVE_S = 1
_QUIET_S = 25
_SETTLED = frozenset({"running", "stopped", "crashed", "created", "deleted"})
Show = Callable[[str], None]


def wait_for(client: "Client", operation: dict[str, Any], name: str, *, quiet: bool) -> dict[str, Any]:
    """Return the operation once it has ended; raise CommandFailed with its reason where it failed.

    `name` is the server's, for the line; `quiet` shows none.
    """
    with progress_line(quiet=quiet) as show:
        began = time.monotonic()
        while operation["state"] not in ("done", "failed"):
            show(describe(operation, name, time.monotonic() - began))
            live = sys.stderr.isatty() and not quiet
            operation = client.get(f"/operations/{operation['id']}", wait=_LIVE_S if live else _QUIET_S)
    if operation["state"] == "failed":
        reason = operation["reason"] or "no reason is known"
        raise CommandFailed(
            f"{name}: {operation['verb']} failed: {reason}",
            code="operation_failed",
            kind="conflict",
            data={"operation": operation},
        )
    return operation


def describe(operation: dict[str, Any], name: str, seconds: float) -> str:
    """Return how an operation stands, in a line."""
    parts = [f"{name}: {operation['verb']}"]
    if operation["state"] == "created":
        parts.append("waiting")
    steps = operation.get("steps") or []
    if steps:
        parts.append(str(steps[-1]))
    if operation.get("fraction") is not None:
        parts.append(f"{operation['fraction']:.0%}")
    if operation.get("reason"):
        parts.append(str(operation["reason"]))
    parts.append(span(seconds))
    return plain(" · ".join(parts))


def progress_line(*, quiet: bool) -> AbstractContextManager[Show]:
    """Give a function that shows a text in the place of the one before; it does nothing where nobody would see it."""
    if quiet or not sys.stderr.isatty():
        return nullcontext(lambda _: None)
    from rich.console import Console
    from rich.text import Text

    status = Console(stderr=True, highlight=False).status("")

    class _Line(AbstractContextManager[Show]):
        def __enter__(self) -> Show:
            status.start()
            return lambda text: status.update(Text(text))

        def __exit__(self, *_: object) -> None:
            status.stop()

    return _Line()
