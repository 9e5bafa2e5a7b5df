"""Java `.properties` files, edited in place: what is not set stays byte for byte.

Knows the syntax of `java.util.Properties` and nothing of any game. All syntax is ASCII, so the bytes are taken as
Latin-1 for structure, and only keys and values are decoded (UTF-8, else Latin-1). What is written is ASCII with
`\\uXXXX` escapes, right under either encoding.

ref: https://docs.oracle.com/en/java/javase/17/docs/api/java.base/java/util/Properties.html#load(java.io.Reader)
"""

import re
from collections.abc import Iterator, Mapping

import msgspec

from innkeeper.contracts.configfile import ConfigUnreadable, ConfigValue
from innkeeper.drivers.splicing.texts import as_text, newline_of, readable

_LINE = re.compile(r"([^\r\n]*)(\r\n|\r|\n|\Z)")
_BLANK = " \t\f"
_ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|(.?))", re.DOTALL)
_NAMED = {"t": "\t", "n": "\n", "r": "\r", "f": "\f"}
_SHORT = {value: f"\\{name}" for name, value in _NAMED.items()} | {"\\": "\\\\"}


class _Entry(msgspec.Struct, frozen=True):
    """One key and value; the value is `text[start:end]`, continuation lines included."""

    key: str
    value: str
    start: int
    end: int
    separator: str


class Properties:
    """The format `properties`. A key that stands more than once has the value of its last line, as in Java."""

    name = "properties"

    def read(self, content: bytes) -> dict[str, ConfigValue]:
        return {entry.key: entry.value for entry in _entries(content.decode("latin-1"))}

    def edit(self, content: bytes, values: Mapping[str, ConfigValue]) -> bytes:
        text = content.decode("latin-1")
        texts = {readable(key): as_text(value) for key, value in values.items()}
        last = {entry.key: entry for entry in _entries(text)}
        pieces: list[str] = []
        position = 0
        for entry in sorted(last.values(), key=lambda entry: entry.start):
            wanted = texts.get(entry.key, entry.value)
            if wanted == entry.value:
                continue
            separator = "" if entry.separator else "="
            bare = not entry.separator.strip(_BLANK) and not separator
            pieces += [text[position : entry.start], separator, _escape_value(wanted, after_blank=bare)]
            position = entry.end
        pieces.append(text[position:])
        result = "".join(pieces)
        fresh = [key for key in texts if key not in last]
        if fresh:
            newline = newline_of(text)
            result = _closed(result, newline)
            result += "".join(f"{_escape_key(key)}={_escape_value(texts[key])}{newline}" for key in fresh)
        return result.encode("latin-1")


def _entries(text: str) -> Iterator[_Entry]:
    position = 0
    while position < len(text):
        line = _match(text, position)
        body = line.group(1)
        stripped = body.lstrip(_BLANK)
        if not stripped or stripped[0] in "#!":
            position = line.end()
            continue
        parts, offsets = [stripped], [line.start() + len(body) - len(stripped)]
        end = line.end(1)
        while _continues(parts[-1]):
            parts[-1] = parts[-1][:-1]
            if line.end() >= len(text):
                end -= 1  # nothing to continue with: the sign stays behind the value, where it means nothing
                break
            line = _match(text, line.end())
            end = line.end(1)
            parts.append(line.group(1).lstrip(_BLANK))
            offsets.append(end - len(parts[-1]))
        position = line.end()
        yield _entry(parts, offsets, end)


def _match(text: str, position: int) -> re.Match[str]:
    match = _LINE.match(text, position)
    if match is None:
        raise ConfigUnreadable(f"no line at {position}")
    return match


def _continues(line: str) -> bool:
    return (len(line) - len(line.rstrip("\\"))) % 2 == 1


def _entry(parts: list[str], offsets: list[int], end: int) -> _Entry:
    logical = "".join(parts)
    key_end = 0
    while key_end < len(logical) and logical[key_end] not in "=: \t\f":
        key_end += 2 if logical[key_end] == "\\" else 1
    key_end = min(key_end, len(logical))
    start = _skip_blank(logical, key_end)
    if start < len(logical) and logical[start] in "=:":
        start = _skip_blank(logical, start + 1)
    return _Entry(
        _unescape(logical[:key_end]),
        _unescape(logical[start:]),
        _place(parts, offsets, start, end),
        end,
        logical[key_end:start],
    )


def _skip_blank(text: str, position: int) -> int:
    while position < len(text) and text[position] in _BLANK:
        position += 1
    return position


def _place(parts: list[str], offsets: list[int], index: int, end: int) -> int:
    """Return where in the file the character `index` of the logical line stands."""
    for part, offset in zip(parts, offsets, strict=True):
        # Not `<=`: a value that begins on the continuation line leaves the break before it alone.
        if index < len(part):
            return offset + index
        index -= len(part)
    return end


def _unescape(raw: str) -> str:
    decoded = _decode(raw)
    return readable(_ESCAPE.sub(_unescape_one, decoded)) if "\\" in decoded else decoded


def _unescape_one(match: re.Match[str]) -> str:
    code, other = match.groups()
    return chr(int(code, 16)) if code is not None else _NAMED.get(other, other)


def _decode(raw: str) -> str:
    octets = raw.encode("latin-1")
    try:
        return octets.decode()
    except UnicodeDecodeError:
        return raw


def _escape(text: str) -> str:
    return "".join(_SHORT.get(letter) or (letter if " " <= letter <= "~" else _unicode(letter)) for letter in text)


def _unicode(letter: str) -> str:
    octets = letter.encode("utf-16-be")
    return "".join(f"\\u{octets[index] << 8 | octets[index + 1]:04X}" for index in range(0, len(octets), 2))


def _escape_key(key: str) -> str:
    escaped = re.sub(r"[=: ]", r"\\\g<0>", _escape(key))
    return f"\\{escaped}" if escaped[:1] in ("#", "!") else escaped


def _escape_value(value: str, *, after_blank: bool = False) -> str:
    escaped = _escape(value)
    # After a blank separator a leading sign would be taken for the separator.
    first = " =:" if after_blank else " "
    return f"\\{escaped}" if escaped[:1] and escaped[0] in first else escaped


def _closed(text: str, newline: str) -> str:
    """Return `text` so ended that a line put after it is a line of its own."""
    if not text:
        return text
    ended = text.endswith(("\r", "\n"))
    body = text[:-2] if text.endswith("\r\n") else text[:-1] if ended else text
    last = re.split(r"[\r\n]", body)[-1]
    comment = last.lstrip(_BLANK)[:1] in ("#", "!")
    closed = text if ended else text + newline
    # A continued line takes the next one in, unless that is blank.
    return closed + newline if _continues(last) and not comment else closed
