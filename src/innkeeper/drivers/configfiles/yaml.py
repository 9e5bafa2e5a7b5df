"""YAML files, edited in place. Knows YAML and nothing of any game.

Where things stand ruamel.yaml's parser says; nothing is constructed, so that neither tags nor references do anything.
A plain value has a type where YAML 1.1 and 1.2 agree on it: `yes`, `010`, `12:30` and dates are text, and texts that
either would take for something else are written in quotes. Values with a tag or an anchor, references (and merges) and
what is under a key that is no scalar are no options. Of a key that stands twice the last is read, and none is edited.

ref: https://yaml.org/spec/1.2.2/
"""

import json
import math
import re
from collections.abc import Iterable, Iterator, Sequence

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
    StreamEndEvent,
)

from innkeeper.contracts.configfile import ConfigUnreadable
from innkeeper.drivers.splicing import brackets
from innkeeper.drivers.splicing.formats import (
    Addition,
    Kind,
    Listing,
    Node,
    Opaque,
    Scalar,
    Splice,
    SplicedFormat,
    Table,
    deeper,
    listing_of,
    nested,
    whole_number,
)
from innkeeper.drivers.splicing.texts import line_end, line_number, line_start, newline_of, readable

MAX_CHARACTERS = 256 * 1024
"""More than any game's settings; the parser takes seconds for this much."""

_COLON = re.compile(r"\s*+:")
_NULL = ("", "~", "null", "Null", "NULL")
_TRUE, _FALSE = ("true", "True", "TRUE"), ("false", "False", "FALSE")
_WHOLE = re.compile(r"[-+]?(?:0|[1-9][0-9]*)")
_HEX = re.compile(r"0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|(?:0|[1-9][0-9]*)\.[0-9]*)(?:[eE][-+][0-9]+)?")
_INFINITE = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")
# Plain text that nothing can take for anything else; a colon or number sign only amidst letters.
_PLAIN = re.compile(r"[^\W\d](?>(?:[\w./@+()%!;&$|^<>*?'-]|[ ](?=[\w./@+(%;&$!-])|[:#](?=[\w/]))*)")
_DOTTED = re.compile(r"\d+(?:\.\d+){2,}|\d+[A-DF-Za-df-z]+|/[\w./-]*")
_WORDS = {"y", "n", "yes", "no", "on", "off", "true", "false", "null"}
_UNPRINTABLE = re.compile(r"[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")


class Yaml(SplicedFormat):
    """The format `yaml`."""

    name = "yaml"

    def parse(self, text: str) -> Table:
        if len(text) > MAX_CHARACTERS:
            raise ConfigUnreadable(f"larger than {MAX_CHARACTERS} characters, too much for YAML")
        try:
            return _Walk(text, YAML(typ="safe", pure=True).parse(text)).document()
        except YAMLError as error:
            mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
            position = getattr(error, "position", 0) if mark is None else mark.index
            what = getattr(error, "problem", None) or getattr(error, "reason", None) or "it cannot be read"
            raise ConfigUnreadable(f"line {line_number(text, position)} is not YAML: {what}") from error

    def bare(self, text: str) -> Scalar | None:
        found = _plain(text, 0)
        return None if found.kind == "text" else found

    def quoted(self, value: str, standing: Scalar | None) -> str:
        manner = standing.raw[:1] if standing is not None else ""
        simple = not re.search(r"[\x00-\x1f]", value) and not _UNPRINTABLE.search(value)
        if manner == '"' or not simple:
            return _UNPRINTABLE.sub(lambda found: f"\\u{ord(found[0]):04x}", json.dumps(value, ensure_ascii=False))
        plain = (_PLAIN.fullmatch(value) and value.lower() not in _WORDS) or _DOTTED.fullmatch(value)
        if manner != "'" and plain:
            return value
        return "'" + value.replace("'", "''") + "'"

    def edit_list(self, text: str, listing: Listing, wanted: list[str]) -> Iterable[Splice]:
        if listing.flow:
            return super().edit_list(text, listing, wanted)
        if not wanted:
            return self.replace_list(text, listing, "[]")
        return _edit_lines(text, listing, self.rendered(listing, wanted))

    def replace_list(self, text: str, listing: Listing, new: str) -> Iterable[Splice]:
        if listing.flow:
            return super().replace_list(text, listing, new)
        lines = _lines(text, listing.items, 0, len(listing.items))
        return [Splice(listing.start, listing.start, f" {new}"), Splice(*lines, "")]

    def insert(self, text: str, additions: Sequence[Addition]) -> Iterable[Splice]:
        newline = newline_of(text)
        unit = _unit(text)
        for addition in additions:
            table, members = addition.table, nested(addition.members)
            if table.flow:
                last = (table.last_key, table.last_end) if table.members else None
                new = [f"{self.quoted(key, None)}: {self._in_brackets(value)}" for key, value in members.items()]
                for edit in brackets.add_members(text, table.start, last, len(table.members), new):
                    yield Splice(*edit)
                continue
            if not table.members:
                closed = "" if not text or text.endswith(("\r", "\n")) else newline
                lines = [line + newline for line in self._in_lines(members, "", unit)]
                yield Splice(len(text), len(text), closed + "".join(lines))
                continue
            indent = " " * (table.first_key - line_start(text, table.first_key))
            place = line_end(text, table.last_end)
            yield Splice(place, place, "".join(newline + line for line in self._in_lines(members, indent, unit)))

    def _in_brackets(self, value: object) -> str:
        if isinstance(value, dict):
            members = (f"{self.quoted(key, None)}: {self._in_brackets(inner)}" for key, inner in value.items())
            return "{" + ", ".join(members) + "}"
        return self.written(value)  # type: ignore[arg-type]

    def _in_lines(self, members: dict[str, object], indent: str, unit: str) -> Iterator[str]:
        for key, value in members.items():
            if isinstance(value, dict):
                yield f"{indent}{self.quoted(key, None)}:"
                yield from self._in_lines(value, indent + unit, unit)
            else:
                yield f"{indent}{self.quoted(key, None)}: {self.written(value)}"  # type: ignore[arg-type]


class _Walk:
    """Makes a table of the parser's events."""

    def __init__(self, text: str, events: Iterator[Event]) -> None:
        self._text = text
        self._events = events
        self._colon = -1

    def document(self) -> Table:
        root: Table | None = None
        for event in self._events:
            if isinstance(event, DocumentStartEvent):
                if root is not None:
                    raise ConfigUnreadable(f"line {self._line(event)} begins a second document")
                root = self._root(next(self._events))
            elif isinstance(event, StreamEndEvent):
                break
        return root or Table()

    def _root(self, event: Event) -> Table:
        node = self._node(event, -1, 0)
        if isinstance(node, Table):
            return node
        if isinstance(node, Opaque) and isinstance(event, ScalarEvent) and not event.value:
            return Table()
        raise ConfigUnreadable(f"line {self._line(event)} is not a mapping")

    def _node(self, event: Event, colon: int, depth: int) -> Node:
        start, end = event.start_mark.index, event.end_mark.index
        match event:
            case ScalarEvent():
                return self._scalar(event, colon)
            case SequenceStartEvent():
                return self._sequence(event, colon, deeper(depth, self._text, start))
            case MappingStartEvent():
                return self._mapping(event, deeper(depth, self._text, start))
            case AliasEvent():
                return Opaque("a reference", start, end)
            case _:
                raise ConfigUnreadable(f"line {self._line(event)} is not YAML that can be read")

    def _scalar(self, event: ScalarEvent, colon: int) -> Scalar | Opaque:
        text = self._text
        start, end = event.start_mark.index, event.end_mark.index
        if event.style in ("|", ">"):
            end = _end_of_block(text, start, end)
        if event.anchor or event.tag:
            return Opaque("a value with a tag or anchor", start, end)
        raw = text[start:end]
        if not raw:
            if colon < 0:
                return Opaque("nothing", start, end)
            return Scalar("", "null", colon, colon, lead=" ")
        if event.style is None and "\n" not in raw and "\r" not in raw:
            return _plain(raw, start)
        return Scalar(readable(event.value), "text", start, end, raw)

    def _sequence(self, event: SequenceStartEvent, colon: int, depth: int) -> Node:
        start = event.start_mark.index
        nodes: list[Node] = []
        closing = next(self._events)
        while not isinstance(closing, SequenceEndEvent):
            nodes.append(self._node(closing, -1, depth))
            closing = next(self._events)
        if event.flow_style:
            end = closing.end_mark.index
        else:
            end = nodes[-1].end if nodes else event.end_mark.index
        if event.anchor or event.tag or (not event.flow_style and colon < 0):
            return Opaque("a list with a tag or anchor, or in a list", start, end)
        return listing_of(nodes, start if event.flow_style else colon, end, flow=bool(event.flow_style))

    def _mapping(self, event: MappingStartEvent, depth: int) -> Table:
        table = Table(start=event.start_mark.index, flow=bool(event.flow_style))
        if event.anchor or event.tag:
            table.start = self._text.find("{", table.start) if table.flow else table.start
        closing = next(self._events)
        while not isinstance(closing, MappingEndEvent):
            self._member(table, closing, depth)
            closing = next(self._events)
        table.end = closing.end_mark.index if table.flow else max(table.last_end, table.start)
        return table

    def _member(self, table: Table, key: Event, depth: int) -> None:
        start = key.start_mark.index
        if not isinstance(key, ScalarEvent):
            ignored = self._node(key, -1, depth)
            node = self._node(next(self._events), -1, depth)
            table.last_key, table.last_end = start, max(ignored.end, node.end)
            table.first_key = start if table.first_key < 0 else table.first_key
            return
        found = _COLON.match(self._text, key.end_mark.index)
        colon = found.end() if found else -1
        node = self._node(next(self._events), colon, depth)
        if key.value == "<<" and key.style is None and isinstance(node, Table):
            node = Opaque("a merge", node.start, node.end)
        table.add(readable(key.value), node, start)
        table.last_end = max(table.last_end, colon)

    def _line(self, event: Event) -> int:
        return line_number(self._text, event.start_mark.index)


def _plain(raw: str, start: int) -> Scalar:
    value: str | int | float | bool = raw
    kind: Kind = "text"
    if raw in _NULL:
        value, kind = "", "null"
    elif raw in _TRUE or raw in _FALSE:
        value, kind = raw in _TRUE, "boolean"
    elif _WHOLE.fullmatch(raw):
        value, kind = whole_number(raw, int(raw)) if len(raw) <= 20 else (raw, "number")
    elif _HEX.fullmatch(raw):
        value, kind = whole_number(raw, int(raw, 16))
    elif _FLOAT.fullmatch(raw):
        value, kind = float(raw), "float"
        if not math.isfinite(value):
            value, kind = raw, "number"
    elif _INFINITE.fullmatch(raw):
        kind = "number"
    return Scalar(value, kind, start, start + len(raw), raw)


def _end_of_block(text: str, start: int, end: int) -> int:
    """Return where a block scalar ends: behind its last line, or, where it keeps them, the blank ones as well."""
    body = text[start:end]
    if "+" not in body[: line_end(body, 0)].split("#")[0]:
        return start + len(body.rstrip())
    for newline in ("\r\n", "\n", "\r"):
        if body.endswith(newline):
            return end - len(newline)
    return end


def _edit_lines(text: str, listing: Listing, items: brackets.Items) -> Iterator[Splice]:
    """Yield what makes a list of an item a line hold the items wanted."""
    spans = listing.items
    change = items.change()
    for index, new in change.replaced:
        yield Splice(spans[index].start, spans[index].end, new)
    newline = newline_of(text)
    begin = line_start(text, spans[0].start)
    dash = text[begin : spans[0].start]
    if change.at < change.until:
        yield Splice(*_lines(text, spans, change.at, change.until), "")
    elif change.at == 0:
        yield Splice(begin, begin, "".join(f"{dash}{new}{newline}" for new in change.inserted))
    else:
        place = line_end(text, spans[change.at - 1].end)
        yield Splice(place, place, "".join(f"{newline}{dash}{new}" for new in change.inserted))


def _lines(text: str, items: Sequence[Scalar], at: int, until: int) -> tuple[int, int]:
    """Return where the lines of the items from `at` up to `until` begin, and where those behind them do."""
    end = line_end(text, items[until - 1].end)
    end += 2 if text.startswith("\r\n", end) else 1 if end < len(text) else 0
    return line_start(text, items[at].start), end


def _unit(text: str) -> str:
    found = re.search(r":[ \t]*(?:\r\n|\r|\n)( +)[^\s#-]", text)
    return found[1] if found and len(found[1]) <= 8 else "  "
