"""INI files, edited in place: `[section]` lines, `key=value` lines, comments behind `;` or `#` at the line's begin.

INI has no norm; this is what games' readers have in common. The value is all behind the first `=` (`:` where the line
has none), without white space around it and one pair of double quotes; a `;` within it is part of it. A key alone has
the value "". Indentation means nothing, and there are no continued lines. An option is `section.key`, or `key` where
it stands before any section. Of a key that stands twice in a section the last is read, and none is edited, since
readers differ. The bytes are UTF-8, else Latin-1. Knows nothing of any game.
"""

import re
from collections.abc import Iterable, Mapping, Sequence

from innkeeper.contracts.configfile import ConfigUnreadable, ConfigValue, join_key
from innkeeper.drivers.splicing.formats import (
    Addition,
    Scalar,
    Splice,
    SplicedFormat,
    Table,
    append_sections,
    put_lines,
)
from innkeeper.drivers.splicing.texts import as_text, blank_before, line_number, newline_of

_LINE = re.compile(r"([^\r\n]*)(\r\n|\r|\n|\Z)")
_BLANK = " \t\f\v"
_ENTRY = re.compile(r"^[^;#\[=\r\n]+(=[ \t]*)", re.MULTILINE)


class Ini(SplicedFormat):
    """The format `ini`."""

    name = "ini"

    def decode(self, content: bytes) -> str:
        try:
            return content.decode()
        except UnicodeDecodeError:
            return content.decode("latin-1")

    def encode(self, text: str, content: bytes) -> bytes:
        try:
            content.decode()
        except UnicodeDecodeError:
            try:
                return text.encode("latin-1")
            except UnicodeEncodeError as error:
                raise ConfigUnreadable(
                    "the file is in Latin-1, which does not have every letter of the value"
                ) from error
        return text.encode()

    def edit(self, content: bytes, values: Mapping[str, ConfigValue]) -> bytes:
        return super().edit(content, {key: as_text(value) for key, value in values.items()})

    def parse(self, text: str) -> Table:
        root = section = Table(end=-1)
        if "\0" in text:
            raise ConfigUnreadable(f"line {line_number(text, text.index(chr(0)))} holds a zero: not text, or UTF-16")
        position = number = 0
        while position < len(text):
            line = _LINE.match(text, position)
            if line is None:
                break
            number += 1
            start, end = line.span(1)
            position = line.end()
            body = text[start:end].strip(_BLANK)
            if body[:1] == "[":
                close = body.rfind("]")
                if close < 0:
                    raise ConfigUnreadable(f"line {number} begins a section and does not end it")
                section = _section(root, body[1:close].strip(_BLANK), start)
                section.at = end
                root.end = start if root.end < 0 else root.end
            elif body and body[0] not in ";#":
                key, value = _entry(text, start, end)
                section.add(key, value, start)
                section.at = end
        return root

    def bare(self, text: str) -> Scalar | None:
        return None

    def quoted(self, value: str, standing: Scalar | None) -> str:
        if re.search(r"[\r\n\0]", value):
            raise ConfigUnreadable("an ini file cannot hold a value of more than one line")
        like = standing is not None and standing.raw[:1] == '"' and '"' not in value
        return f'"{value}"' if like or _needs_quotes(value) else value

    def insert(self, text: str, additions: Sequence[Addition]) -> Iterable[Splice]:
        newline = newline_of(text)
        found = _ENTRY.search(text)
        blank = re.sub(r".*[\r\n]", "", blank_before(text, found.start(1)), flags=re.DOTALL) if found else ""
        separator = f"{blank}{found[1]}" if found else "="
        splices: list[Splice] = []
        fresh: dict[str, list[str]] = {}
        for addition in additions:
            lines: list[str] = []
            for path, value in addition.members:
                if len(addition.path) + len(path) > 2:
                    raise ConfigUnreadable(f"{join_key([*addition.path, *path])} is deeper than an ini file's sections")
                into = lines if len(path) == 1 else fresh.setdefault(path[0], [])
                into.append(f"{path[-1]}{separator}{self.written(value)}")
            if lines:
                splices.append(put_lines(text, addition.table, lines, newline))
        sections = {f"[{name}]": lines for name, lines in fresh.items()}
        return [*splices, *append_sections(text, sections, newline, splices)]


def _section(root: Table, name: str, start: int) -> Table:
    known = root.members.get(name)
    if isinstance(known, Table):
        return known
    section = Table(start=start)
    root.add(name, section, start)
    return section


def _entry(text: str, start: int, end: int) -> tuple[str, Scalar]:
    """Return the key and value of the line `text[start:end]`."""
    separator = text.find("=", start, end)
    if separator < 0:
        separator = text.find(":", start, end)
    key = text[start : end if separator < 0 else separator].strip(_BLANK)
    if separator < 0:
        place = start + len(text[start:end].rstrip(_BLANK))
        return key, Scalar("", "text", place, place, lead="=")
    raw = text[separator + 1 : end].strip(_BLANK)
    place = end - len(text[separator + 1 : end].lstrip(_BLANK))
    return key, Scalar(_unquoted(raw), "text", place, place + len(raw), raw)


def _unquoted(raw: str) -> str:
    if len(raw) < 2 or raw[0] != '"' or raw[-1] != '"':
        return raw
    inner = raw[1:-1]
    # `"a", "b"` is no quoted text, but what could not be written otherwise is.
    return inner if '"' not in inner or _needs_quotes(inner) else raw


def _needs_quotes(value: str) -> bool:
    return value != value.strip(_BLANK) or value[:1] == value[-1:] == '"'
