"""What a snapshot leaves out: patterns like those of `.gitignore`, relative to the server's folder.

- An empty pattern and one that begins with `#` says nothing. `\\\\` before a character takes away its meaning.
- `*` stands for any text but `/`, `?` for one character but `/`, `[a-z]` for one of these, `[!a-z]` for one not of
  these, and `**` as a whole component for any number of folders, none included.
- A pattern with a `/` before its end is matched from the server's folder on (`/logs`, `world/*.tmp`); any other matches
  a name in every folder (`*.log`, `cache`).
- A `/` at the end restricts the pattern to folders. What lies in a folder that is left out is left out with it.
- `!` before a pattern takes back what patterns before it have said. The last pattern that matches decides; but nothing
  is taken back in a folder that is itself left out.

Matching takes at most (length of the pattern × length of the path) steps: there is no pattern that hangs. Case matters.
Bytes are compared, so `?` is one byte of a name. This module knows nothing of what exists on disk.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from innkeeper.node.backups.errors import ExclusionIsInvalid
from innkeeper.node.files.names import encode

MAX_PATTERNS = 200
MAX_PATTERN_BYTES = 1024


class _Star:
    """Stands for any number of items."""


_STAR = _Star()
_Item = _Star | frozenset[int]
_Name = tuple[_Item, ...] | bytes


class _Pattern(NamedTuple):
    parts: tuple[_Star | _Name, ...]
    anywhere: bool
    folders_only: bool
    leaves_out: bool


class Exclusions:
    """Patterns, ready to be asked."""

    def __init__(self, patterns: Sequence[str]) -> None:
        """Take the patterns in; raises `ExclusionIsInvalid`."""
        if len(patterns) > MAX_PATTERNS:
            raise ExclusionIsInvalid(patterns[MAX_PATTERNS], f"there may be at most {MAX_PATTERNS} patterns")
        parsed = [_parse(text) for text in patterns]
        self._patterns = [pattern for pattern in reversed(parsed) if pattern is not None]

    def leave_out(self, parts: Sequence[bytes], *, is_folder: bool) -> bool:
        """Tell whether the path is left out, provided that no folder above it is."""
        for pattern in self._patterns:
            if pattern.folders_only and not is_folder:
                continue
            subject = parts[-1:] if pattern.anywhere else parts
            if _match(pattern.parts, subject, _name_matches):
                return pattern.leaves_out
        return False


def _parse(text: str) -> _Pattern | None:
    raw = encode(text) if "\0" not in text else b"\0"
    if b"\0" in raw:
        raise ExclusionIsInvalid(text.replace("\0", "\\0"), "it contains a NUL character")
    if len(raw) > MAX_PATTERN_BYTES:
        raise ExclusionIsInvalid(text[:64] + "…", f"a pattern may have at most {MAX_PATTERN_BYTES} bytes")
    if not raw.strip() or raw.startswith(b"#"):
        return None
    leaves_out = not raw.startswith(b"!")
    raw = raw.removeprefix(b"!")
    folders_only = raw.endswith(b"/")
    raw = raw.rstrip(b"/")
    anywhere = b"/" not in raw
    names = [name for name in raw.split(b"/") if name not in (b"", b".")]
    if not names or b".." in names:
        raise ExclusionIsInvalid(text, "it names nothing in the server's folder")
    parts = tuple(_STAR if name == b"**" else _parse_name(name, text) for name in names)
    return _Pattern(parts, anywhere, folders_only, leaves_out)


def _parse_name(name: bytes, text: str) -> _Name:
    items: list[_Item] = []
    position = 0
    while position < len(name):
        byte = name[position]
        if byte == ord("*"):
            if not items or items[-1] is not _STAR:
                items.append(_STAR)
            position += 1
        elif byte == ord("?"):
            items.append(frozenset(range(256)))
            position += 1
        elif byte == ord("["):
            members, position = _parse_class(name, position + 1, text)
            items.append(members)
        else:
            if byte == ord("\\"):
                position += 1
                if position == len(name):
                    raise ExclusionIsInvalid(text, "it ends with a backslash")
            items.append(frozenset((name[position],)))
            position += 1
    if all(not isinstance(item, _Star) and len(item) == 1 for item in items):
        return bytes(byte for item in items if isinstance(item, frozenset) for byte in item)
    return tuple(items)


def _parse_class(name: bytes, position: int, text: str) -> tuple[frozenset[int], int]:
    negated = name[position : position + 1] in (b"!", b"^")
    start = position = position + negated
    members: set[int] = set()
    while position < len(name) and (name[position] != ord("]") or position == start):
        first = last = name[position]
        if name[position + 1 : position + 2] == b"-" and name[position + 2 : position + 3] not in (b"", b"]"):
            last = name[position + 2]
            position += 2
        members.update(range(first, last + 1))
        position += 1
    if position >= len(name):
        raise ExclusionIsInvalid(text, "a bracket is not closed")
    return frozenset(set(range(256)) - members if negated else members), position + 1


def _byte_matches(item: frozenset[int], byte: int) -> bool:
    return byte in item


def _name_matches(items: _Name, name: bytes) -> bool:
    if isinstance(items, bytes):
        return items == name
    return _match(items, name, _byte_matches)


def _match(pattern: Sequence[object], subject: Sequence[object], one: Callable[..., bool]) -> bool:
    """Match a sequence against a pattern with stars, going back to the last star alone, which is enough."""
    at = position = 0
    star, resume = -1, 0
    while position < len(subject):
        if at < len(pattern) and pattern[at] is _STAR:
            star, resume = at, position
            at += 1
        elif at < len(pattern) and one(pattern[at], subject[position]):
            at += 1
            position += 1
        elif star >= 0:
            resume += 1
            at, position = star + 1, resume
        else:
            return False
    return all(item is _STAR for item in pattern[at:])
