"""TOML files, edited in place. Knows TOML 1.0 and nothing of any game.

Whether it is TOML at all, and what a value means, the standard library decides; where things stand is found here.
Dates and times, infinite numbers and those beyond 64 bits are read as their texts; arrays of tables are no options.

ref: https://toml.io/en/v1.0.0
"""

import json
import math
import re
import tomllib
from collections.abc import Iterable, Sequence

from innkeeper.contracts.configfile import ConfigUnreadable
from innkeeper.drivers.splicing import brackets
from innkeeper.drivers.splicing.formats import (
    MAX_DEPTH,
    Addition,
    Node,
    Opaque,
    Scalar,
    Splice,
    SplicedFormat,
    Table,
    append_sections,
    deeper,
    listing_of,
    put_lines,
    whole_number,
)
from innkeeper.drivers.splicing.texts import line_end, line_number, newline_of

# Groups are atomic, not possessive: before Python 3.11.5 those went wrong where a part can match in more than one way.
_BLANK = re.compile(r"[ \t]*+")
_VOID = re.compile(r"(?>(?:[ \t\r\n]++|#[^\n]*+)*)")
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]++")
_BARE = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d[^\s,#\]}]*+|[^\s,#\]}=\[{\"']++")
_STRING = re.compile(
    r'"""(?>(?:[^"\\]++|\\.|"{1,2}(?!"))*)"{3,5}'
    r"|'''(?>(?:[^']++|'{1,2}(?!'))*)'{3,5}"
    r'|"(?>(?:[^"\\\n]++|\\.)*)"'
    r"|'[^'\n]*+'",
    re.DOTALL,
)


class Toml(SplicedFormat):
    """The format `toml`."""

    name = "toml"

    def parse(self, text: str) -> Table:
        root = _Scan(text).document()  # first: it bounds how deep the library is led
        try:
            tomllib.loads(text)
        except ValueError as error:
            raise ConfigUnreadable(f"not TOML: {error}") from error
        except RecursionError as error:
            raise ConfigUnreadable("not TOML that can be read: nested too deep") from error
        return root

    def bare(self, text: str) -> Scalar | None:
        if not _BARE.fullmatch(text):
            return None
        try:
            return _scalar(text, 0)
        except ConfigUnreadable:
            return None

    def quoted(self, value: str, standing: Scalar | None) -> str:
        literal = standing is not None and standing.raw[:1] == "'"
        if literal and not re.search(r"['\x00-\x08\x0a-\x1f\x7f]", value):
            return f"'{value}'"
        return _basic(value)

    def insert(self, text: str, additions: Sequence[Addition]) -> Iterable[Splice]:
        newline = newline_of(text)
        splices: list[Splice] = []
        headers: dict[tuple[str, ...], list[str]] = {}
        for addition in additions:
            table = addition.table
            lines: list[str] = []
            for path, value in addition.members:
                if table.flow or table.home is not None or (len(path) == 1 and (table.at >= 0 or not addition.path)):
                    prefix = () if table.flow else table.prefix
                    lines.append(f"{_key((*prefix, *path))} = {self.written(value)}")
                else:
                    header = (*addition.path, *path[:-1])
                    headers.setdefault(header, []).append(f"{_key(path[-1:])} = {self.written(value)}")
            if lines and table.flow:
                last = (table.last_key, table.last_end) if table.members else None
                new = lines if last else [f" {', '.join(lines)} "]
                edits = brackets.add_members(text, table.start, last, len(table.members), new)
                splices += [Splice(*edit) for edit in edits]
            elif lines:
                splices.append(put_lines(text, table.home or table, lines, newline))
        sections = {f"[{_key(header)}]": lines for header, lines in headers.items()}
        return [*splices, *append_sections(text, sections, newline, splices)]


class _Scan:
    """Finds where everything stands; what is not TOML is found as well as may be, or refused."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._root = Table(end=-1)

    def document(self) -> Table:
        text, root = self._text, self._root
        section, base = root, root
        position = _match(_VOID, text, 0)
        while position < len(text):
            if text[position] == "[":
                if root.end < 0:
                    root.end = position
                section, position = self._header(position)
                base = section
            else:
                position = self._member(base, section, position, 0)
            section.at = line_end(text, position)
            rest = _match(_BLANK, text, position)
            if rest < len(text) and text[rest] not in "#\r\n":
                raise self._error(rest)
            position = _match(_VOID, text, rest)
        return root

    def _header(self, start: int) -> tuple[Table, int]:
        text = self._text
        many = text.startswith("[[", start)
        key, position = self._key(start + 1 + many)
        close = "]]" if many else "]"
        if not text.startswith(close, position):
            raise self._error(position)
        parent: Node | None = self._root
        for part in key[:-1]:
            parent = _inner(parent, part, start)
        section = Table(start=start)
        if isinstance(parent, Table):
            known = parent.members.get(key[-1])
            if many:
                parent.members[key[-1]] = Opaque("a list of tables", start, start)
            elif known is None:
                parent.members[key[-1]] = section
            elif isinstance(known, Table):
                section = known
        return section, position + len(close)

    def _member(self, table: Table, home: Table | None, start: int, depth: int) -> int:
        """Take in `key = value` at `start`; return where it ends. `home` is None within an inline table."""
        text = self._text
        key, position = self._key(start)
        if not text.startswith("=", position):
            raise self._error(position)
        node = self._value(_match(_BLANK, text, position + 1), depth)
        holder: Node | None = table
        for index, part in enumerate(key[:-1]):
            holder = _inner(holder, part, start)
            if isinstance(holder, Table) and holder.at < 0 and not holder.flow:
                holder.home, holder.prefix = home, key[: index + 1]
        if isinstance(holder, Table):
            holder.add(key[-1], node, start)
        table.last_key, table.last_end = start, node.end
        return node.end

    def _value(self, start: int, depth: int) -> Node:
        text = self._text
        match text[start : start + 1]:
            case "{":
                return self._inline(start, deeper(depth, text, start))
            case "[":
                return self._array(start, deeper(depth, text, start))
            case '"' | "'":
                end = self._end_of_string(start)
                return Scalar(_string(text[start:end]), "text", start, end, text[start:end])
            case _:
                found = _BARE.match(text, start)
                if found is None:
                    raise self._error(start)
                try:
                    return _scalar(found.group(), start)
                except ConfigUnreadable as error:
                    raise self._error(start) from error

    def _inline(self, start: int, depth: int) -> Table:
        text = self._text
        table = Table(start=start, flow=True)
        position = _match(_BLANK, text, start + 1)
        while not text.startswith("}", position):
            position = _match(_BLANK, text, self._member(table, None, position, depth))
            if text.startswith(",", position):
                position = _match(_BLANK, text, position + 1)
            elif not text.startswith("}", position):
                raise self._error(position)
        table.end = position + 1
        return table

    def _array(self, start: int, depth: int) -> Node:
        text = self._text
        nodes: list[Node] = []
        position = _match(_VOID, text, start + 1)
        while not text.startswith("]", position):
            nodes.append(self._value(position, depth))
            position = _match(_VOID, text, nodes[-1].end)
            if text.startswith(",", position):
                position = _match(_VOID, text, position + 1)
            elif not text.startswith("]", position):
                raise self._error(position)
        return listing_of(nodes, start, position + 1)

    def _key(self, start: int) -> tuple[tuple[str, ...], int]:
        text = self._text
        parts: list[str] = []
        position = start
        while True:
            position = _match(_BLANK, text, position)
            if text[position : position + 1] in ('"', "'"):
                end = self._end_of_string(position)
                parts.append(_string(text[position:end]))
            else:
                end = _match(_BARE_KEY, text, position)
                parts.append(text[position:end])
            if end == position or len(parts) > MAX_DEPTH:
                raise self._error(position)
            position = _match(_BLANK, text, end)
            if not text.startswith(".", position):
                return tuple(parts), position
            position += 1

    def _end_of_string(self, start: int) -> int:
        found = _STRING.match(self._text, start)
        if found is None:
            raise self._error(start)
        return found.end()

    def _error(self, position: int) -> ConfigUnreadable:
        return ConfigUnreadable(f"line {line_number(self._text, position)} is not TOML that can be read")


def _inner(node: Node | None, part: str, start: int) -> Node | None:
    """Return the table `part` of `node`, made where there is none; None below what is no table."""
    if not isinstance(node, Table):
        return None
    if part not in node.members:
        node.members[part] = Table(start=start)
    return node.members[part]


def _match(pattern: re.Pattern[str], text: str, position: int) -> int:
    found = pattern.match(text, position)
    return found.end() if found else position


def _string(raw: str) -> str:
    if "\\" not in raw and raw[:3] not in ('"""', "'''"):
        return raw[1:-1]
    value = _meaning(raw)
    if not isinstance(value, str):
        raise ConfigUnreadable("a string is not TOML")
    return value


def _scalar(raw: str, start: int) -> Scalar:
    end = start + len(raw)
    value = _meaning(raw)
    match value:
        case bool():
            return Scalar(value, "boolean", start, end, raw)
        case int():
            whole, kind = whole_number(raw, value)
            return Scalar(whole, kind, start, end, raw)
        case float():
            if math.isfinite(value):
                return Scalar(value, "float", start, end, raw)
            return Scalar(raw, "number", start, end, raw)
        case _:
            return Scalar(raw, "date", start, end, raw)


def _meaning(raw: str) -> object:
    try:
        return tomllib.loads(f"value = {raw}")["value"]
    except ValueError as error:
        raise ConfigUnreadable(f"not TOML: {error}") from error


def _key(parts: Sequence[str]) -> str:
    return ".".join(part if _BARE_KEY.fullmatch(part) else _basic(part) for part in parts)


def _basic(value: str) -> str:
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007F")
