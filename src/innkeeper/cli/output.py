"""What commands print: one JSON document, or tables and sentences for people.

Tables fit the terminal; without one they are plain columns, never cut, fit for `grep` and `awk`. All that is printed
for people goes through `text.plain`: names and messages may be a stranger's.
"""

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from innkeeper.cli.text import coloured, plain

NONE = "-"


class Output:
    """Standard output, in the form that was asked for."""

    def __init__(self, *, as_json: bool) -> None:
        self.as_json = as_json

    def document(self, value: Any) -> None:
        """Print one JSON document. Everything beyond ASCII is escaped, so that it is safe on a terminal too."""
        write(json.dumps(value, indent=2 if sys.stdout.isatty() else None))

    def say(self, text: str) -> None:
        """Tell people something; with --json nothing is printed."""
        if not self.as_json:
            write(plain(text))

    def result(self, value: Any, text: str) -> None:
        """Print `value` as JSON, or `text` for people."""
        if self.as_json:
            self.document(value)
        else:
            write(plain(text))

    def table(self, value: Any, columns: Sequence[str], rows: Iterable[Sequence[object]], *, empty: str) -> None:
        """Print `value` as JSON, or `rows` below `columns`; where there are none, what `empty` says."""
        if self.as_json:
            self.document(value)
            return
        cells = [[NONE if cell is None or cell == "" else plain(cell) for cell in row] for row in rows]
        if not cells:
            note(empty)
        elif sys.stdout.isatty():
            _rich_table(columns, cells)
        else:
            _plain_table(columns, cells)

    def facts(self, value: Any, pairs: Mapping[str, object]) -> None:
        """Print `value` as JSON, or named facts below each other; what is None or empty is left out."""
        if self.as_json:
            self.document(value)
            return
        known = {name: plain(fact) for name, fact in pairs.items() if fact is not None and fact != ""}
        width = max(map(len, known), default=0)
        for name, fact in known.items():
            write(f"{name:<{width}}  {fact}")


def write(text: str) -> None:
    """Write a line to standard output."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def note(text: str) -> None:
    """Tell people something beside the result, on standard error."""
    sys.stderr.write(plain(text) + "\n")
    sys.stderr.flush()


def _plain_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    lines = [[column.upper() for column in columns], *rows]
    widths = [max(len(line[index]) for line in lines) for index in range(len(columns))]
    for line in lines:
        write("  ".join(f"{cell:<{width}}" for cell, width in zip(line, widths, strict=True)).rstrip())


def _rich_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, overflow="ellipsis", no_wrap=True)
    for row in rows:
        table.add_row(*(Text(cell, style=STATE_STYLES.get(cell, "")) for cell in row))
    Console(highlight=False).print(table)


STATE_STYLES = {
    "running": "green",
    "crashed": "red",
    "failed": "red",
    "offline": "red",
    "starting": "yellow",
    "preparing": "yellow",
    "stopping": "yellow",
    "saving": "yellow",
    "restarting": "yellow",
    "installing": "yellow",
    "done": "green",
    "online": "green",
}


def console_line(text: str, at: str | None) -> str:
    """Return a console line for standard output: coloured on a terminal, with its time where that is given."""
    safe = coloured(text) if sys.stdout.isatty() else plain(text)
    return f"{datetime.fromisoformat(at).astimezone():%H:%M:%S} {safe}" if at else safe


def moment(text: str | None) -> str | None:
    """Return an RFC 3339 instant as local date and time to the second."""
    if not text:
        return None
    return datetime.fromisoformat(text).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def ago(text: str | None) -> str | None:
    """Return how long ago an RFC 3339 instant was: "3 min"."""
    if not text:
        return None
    return span((datetime.now(UTC) - datetime.fromisoformat(text)).total_seconds())


def span(seconds: float) -> str:
    """Return a length of time in its largest fitting unit."""
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= length:
            return f"{int(seconds // length)} {unit}"
    return f"{max(0, int(seconds))} s"


def size(count: int | None) -> str | None:
    """Return a number of bytes in the unit that suits it."""
    if count is None:
        return None
    amount = float(count)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if amount < 1024:
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1024
    return f"{amount:.1f} TiB"
