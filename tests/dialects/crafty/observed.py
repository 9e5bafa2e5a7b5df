"""What was observed of a running Crafty 4.2.3, asked again of an Innkeeper, in the same order and field by field.

`observed.jsonl` holds an exchange a line: its name, who asks, the request, and the status and body of the reply. What
differs from one machine to the next is a name in braces: the first reply that says it settles it, and all later ones
must say the same. Times, sizes and what a machine uses are compared by their form. The differences that are meant stand
in `tools/dialects/crafty.toml`, with the reason.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from tools.coverage import Difference

EXCHANGES = Path(__file__).with_name("observed.jsonl")
FORMS = (
    # First: letters of a token may look like any of the others.
    (r"eyJ[\w-]+\.[\w-]+\.[\w-]+", "<jwt>"),
    (r"\{(?:key)?jwt\}", "<jwt>"),
    (r"\d{2}/\d{2}/\d{4}, \d{2}:\d{2}:\d{2}", "<us time>"),
    (r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{6}", "<iso time>"),
    (r"\d{4}-\d{2}-\d{2} \d{2}:\d{2}:\d{2}(?:\+00:00)?", "<time>"),
    (r"\d{2}:\d{2}:\d{2}", "<clock>"),
    (r"\d+\.\d[KMGT]?B", "<size>"),
)
MEASURED = {
    "stats_id",
    "id",
    "cpu",
    "mem_percent",
    "cpu_usage",
    "cpu_cores",
    "cpu_cur_freq",
    "cpu_max_freq",
    "disk_json",
    "source_ip",
    "last_ip",
}
"""Fields whose values are this machine's: their types alone are compared."""
SAMPLED = {"history (2)", "history (3)"}
"""Replies that are lists of samples: how many were taken by then is chance."""
_NAME = re.compile(r"\{(int )?(\w+)\}")


class Exchange(msgspec.Struct, frozen=True, rename={"who": "as"}):
    """A request with its reply; a `status` of 500 was a crash, and has no body."""

    name: str
    who: str
    method: str
    path: str
    body: Any
    status: int
    type: str | None
    reply: Any


class Found(msgspec.Struct, frozen=True):
    """A field of a reply that is not as it was observed."""

    exchange: str
    field: str
    """Dotted, positions in lists left out: `data.server_id.path`. `body` is the whole; `HTTP status` and `HTTP type`
    are the reply's own."""
    said: Any
    due: Any

    def __str__(self) -> str:
        return f"{self.exchange}: {self.field} is {_short(self.said)}, and was {_short(self.due)}"


def exchanges() -> list[Exchange]:
    """Return all of them, in order."""
    return [msgspec.json.decode(line, type=Exchange) for line in EXCHANGES.read_text().splitlines()]


class Names:
    """What the names in braces stand for, as far as it was said."""

    def __init__(self, **known: str) -> None:
        self.known = known

    def filled(self, value: Any) -> Any:
        """Return a request's part with its names filled in."""
        if isinstance(value, str):
            whole = _NAME.fullmatch(value)
            if whole is not None and whole[1]:
                return int(self.known[whole[2]])
            return _NAME.sub(lambda found: self.known.get(found[2], found[0]), value)
        if isinstance(value, list):
            return [self.filled(item) for item in value]
        if isinstance(value, dict):
            return {key: self.filled(item) for key, item in value.items()}
        return value

    def same(self, said: Any, due: Any) -> bool:
        """Say whether a value is as it is due, and learn what names stand for."""
        whole = _NAME.fullmatch(due) if isinstance(due, str) else None
        if whole is not None and whole[2] != "jwt":
            if isinstance(said, bool) or not isinstance(said, int if whole[1] else str):
                return False
            return self.known.setdefault(whole[2], str(said)) == str(said)
        due = self.filled(due)
        if isinstance(said, str) and isinstance(due, str):
            return formed(said) == formed(due)
        return type(said) is type(due) and bool(said == due)


def formed(text: str) -> str:
    """Return a text with what is this machine's alone in it by its form."""
    for shape, form in FORMS:
        text = re.sub(shape, form, text)
    return text


def compare(exchange: Exchange, status: int, kind: str | None, body: bytes, names: Names) -> Iterator[Found]:
    """Yield every difference of a reply."""
    said_type = (kind or "").partition(";")[0] or None
    for field, said, due in (("HTTP status", status, exchange.status), ("HTTP type", said_type, exchange.type)):
        if said != due and (field != "HTTP type" or exchange.reply not in (None, "")):
            yield Found(exchange.name, field, said, due)
    if exchange.reply is None:
        return
    if exchange.reply == "":
        said: Any = body.decode()  # nothing at all
    else:
        try:
            said = json.loads(body)
        except ValueError:
            said = body.decode(errors="replace")
    yield from _compare(exchange.name, "", said, exchange.reply, names)


def _compare(name: str, field: str, said: Any, due: Any, names: Names) -> Iterator[Found]:
    if isinstance(said, dict) and isinstance(due, dict):
        for key in [*due, *(key for key in said if key not in due)]:
            within = f"{field}.{key}" if field else key
            if key not in said or key not in due:
                yield Found(name, within, said.get(key, ABSENT), due.get(key, ABSENT))
            else:
                yield from _compare(name, within, said[key], due[key], names)
    elif isinstance(said, list) and isinstance(due, list):
        if len(said) != len(due) and name not in SAMPLED:
            yield Found(name, f"{field}.length", len(said), len(due))
        for one, other in zip(said, due, strict=False):
            yield from _compare(name, field, one, other, names)
    elif field.rpartition(".")[2] in MEASURED and type(said) is type(due):
        return
    elif not names.same(said, due):
        yield Found(name, field or "body", said, due)


class _Absent:
    def __repr__(self) -> str:
        return "absent"


ABSENT = _Absent()


def meant(found: Found, differences: tuple[Difference, ...]) -> Difference | None:
    """Return which of the differences that are meant this one is."""
    return next((each for each in differences if each.covers(found.exchange, found.field)), None)


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 160 else f"{text[:160]}…"
