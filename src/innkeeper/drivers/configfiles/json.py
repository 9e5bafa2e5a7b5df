"""JSON files, edited in place. Knows RFC 8259 and nothing of any game: no comments, no NaN, an object at the top.

Whether it is JSON at all the standard library decides; where things stand is found here. A key that stands twice in
an object is legal and ambiguous: the last is read, none is edited.

ref: https://www.rfc-editor.org/rfc/rfc8259
"""

import json
import math
import re
from collections.abc import Iterable, Sequence

from innkeeper.contracts.configfile import ConfigUnreadable, ConfigValue
from innkeeper.drivers.splicing import brackets
from innkeeper.drivers.splicing.formats import (
    Addition,
    Kind,
    Node,
    Scalar,
    Splice,
    SplicedFormat,
    Table,
    deeper,
    listing_of,
    nested,
    whole_number,
)
from innkeeper.drivers.splicing.texts import blank_before, line_number, line_start, newline_of, readable

_BLANK = re.compile(r"[ \t\r\n]*+")
_STRING = re.compile(r'"[^"\\]*+(?>(?:\\.[^"\\]*+)*)"')
_BARE = re.compile(r"[-+.\w]+")
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?")
_INDENT = re.compile(r"[\r\n]([ \t]+)")


class Json(SplicedFormat):
    """The format `json`."""

    name = "json"

    def parse(self, text: str) -> Table:
        if not text.strip(" \t\r\n"):
            return Table(start=-1, end=len(text), flow=True)
        try:
            json.loads(text, parse_constant=_refuse, parse_int=str, parse_float=str)
        except json.JSONDecodeError as error:
            raise ConfigUnreadable(f"line {error.lineno} is not JSON: {error.msg}") from error
        except RecursionError as error:
            raise ConfigUnreadable("line 1 begins what is nested too deep") from error
        root = _Walk(text).value(_skip(text, 0), 0)
        if not isinstance(root, Table):
            raise ConfigUnreadable(f"line {line_number(text, root.start)} is not an object")
        return root

    def bare(self, text: str) -> Scalar | None:
        return _scalar(text, 0) if text in ("true", "false", "null") or _NUMBER.fullmatch(text) else None

    def quoted(self, value: str, standing: Scalar | None) -> str:
        return json.dumps(value, ensure_ascii=False)

    def insert(self, text: str, additions: Sequence[Addition]) -> Iterable[Splice]:
        colon = ":" if '":' in text and '": ' not in text else ": "
        newline = newline_of(text)
        indents = _INDENT.search(text)
        unit = indents[1] if indents else "  "
        for addition in additions:
            table = addition.table
            members = nested(addition.members)
            if table.start < 0:
                end = len(text)
                yield Splice(end, end, self._object(members, ": ", newline, unit) + newline)
                continue
            lines = "\n" in text or "\r" in text
            if not table.members and lines:
                outer = _indent_of(text, table.start)
                yield Splice(table.start, table.end, self._object(members, colon, newline + outer, unit))
                continue
            gap = blank_before(text, table.last_key)
            inner = gap if table.members and ("\n" in gap or "\r" in gap) else ""
            new = [
                f"{self.quoted(key, None)}{colon}{self._value(one, colon, inner, unit)}" for key, one in members.items()
            ]
            last = (table.last_key, table.last_end) if table.members else None
            for edit in brackets.add_members(text, table.start, last, len(table.members), new):
                yield Splice(*edit)

    def _object(self, members: dict[str, object], colon: str, line: str, unit: str) -> str:
        """Return an object a member a line (`line` is the line break and indentation outside it), or in one line."""
        new = [
            f"{self.quoted(key, None)}{colon}{self._value(one, colon, line and line + unit, unit)}"
            for key, one in members.items()
        ]
        if not line:
            return "{" + ", ".join(new) + "}"
        return "{" + ",".join(f"{line}{unit}{one}" for one in new) + line + "}"

    def _value(self, value: object, colon: str, line: str, unit: str) -> str:
        if isinstance(value, dict):
            return self._object(value, colon, line, unit)
        return self.written(_checked(value))


class _Walk:
    """Finds where everything stands in a text that is JSON."""

    def __init__(self, text: str) -> None:
        self._text = text

    def value(self, start: int, depth: int) -> Node:
        text = self._text
        match text[start]:
            case "{":
                return self._object(start, deeper(depth, text, start))
            case "[":
                return self._list(start, deeper(depth, text, start))
            case '"':
                end = _end_of_string(text, start)
                return Scalar(_string(text[start:end]), "text", start, end)
            case _:
                found = _BARE.match(text, start)
                return _scalar(found.group() if found else "", start)

    def _object(self, start: int, depth: int) -> Table:
        text = self._text
        table = Table(start=start, flow=True)
        position = _skip(text, start + 1)
        while text[position] != "}":
            key_end = _end_of_string(text, position)
            key = _string(text[position:key_end])
            node = self.value(_skip(text, _skip(text, key_end) + 1), depth)
            table.add(key, node, position)
            position = _skip(text, node.end)
            if text[position] == ",":
                position = _skip(text, position + 1)
        table.end = position + 1
        return table

    def _list(self, start: int, depth: int) -> Node:
        text = self._text
        nodes: list[Node] = []
        position = _skip(text, start + 1)
        while text[position] != "]":
            nodes.append(self.value(position, depth))
            position = _skip(text, nodes[-1].end)
            if text[position] == ",":
                position = _skip(text, position + 1)
        return listing_of(nodes, start, position + 1)


def _skip(text: str, position: int) -> int:
    found = _BLANK.match(text, position)
    return found.end() if found else position


def _end_of_string(text: str, start: int) -> int:
    found = _STRING.match(text, start)
    if found is None:
        raise ConfigUnreadable(f"line {line_number(text, start)} has no string where one was found before")
    return found.end()


def _string(raw: str) -> str:
    return readable(json.loads(raw)) if "\\" in raw else raw[1:-1]


def _scalar(raw: str, start: int) -> Scalar:
    value: str | int | float | bool
    kind: Kind
    if raw in ("true", "false"):
        value, kind = raw == "true", "boolean"
    elif raw == "null":
        value, kind = "", "null"
    elif raw.lstrip("-").isdecimal():
        value, kind = whole_number(raw, int(raw)) if len(raw) <= 20 else (raw, "number")
    else:
        value, kind = float(raw), "float"
        if not math.isfinite(value):
            value, kind = raw, "number"
    return Scalar(value, kind, start, start + len(raw), raw)


def _indent_of(text: str, position: int) -> str:
    line = text[line_start(text, position) : position]
    return line[: len(line) - len(line.lstrip(" \t"))]


def _refuse(constant: str) -> None:
    raise ConfigUnreadable(f"{constant} is not JSON")


def _checked(value: object) -> ConfigValue:
    if not isinstance(value, str | int | float | list):
        raise TypeError(f"no config value: {type(value).__name__}")
    return value
