"""Paths and names as users give and see them, turned into the bytes that the kernel knows, and back.

A file name on Linux is any bytes but `/` and NUL, while a path that crosses the wire is Unicode text. A byte that is
not valid UTF-8 is shown as one private-use character, U+10FE00 + byte, which survives JSON and comes back as the same
byte; a real U+10FE80..U+10FEFF in a name is shown as its four escaped bytes, so no two names look the same.
This module knows nothing of what exists on disk.
"""

from innkeeper.node.files.errors import EscapesJail, NameRefused

MAX_COMPONENT_BYTES = 255
MAX_PATH_BYTES = 4096
MAX_DEPTH = 128

_ESCAPE = 0x10FE00
_FIRST, _LAST = _ESCAPE + 0x80, _ESCAPE + 0xFF
_TO_SURROGATE = {_ESCAPE + byte: 0xDC00 + byte for byte in range(0x80, 0x100)}
_FROM_SURROGATE = {surrogate: escape for escape, surrogate in _TO_SURROGATE.items()}


def parse(path: str) -> tuple[bytes, ...]:
    """Split a user's path into the components beneath the root; the root itself is the empty tuple.

    A leading `/` stands for the root; empty components and `.` are dropped. Names with lone surrogates, as
    `os.fsdecode` makes them, are taken for the bytes they stand for.
    Raises `EscapesJail` for `..` and `NameRefused` for NUL, names longer than 255 bytes, paths longer than 4,096 bytes
    or deeper than 128 components, and text that no bytes stand for.
    """
    if "\0" in path:
        raise NameRefused(path.replace("\0", "\\0"), "a name may not contain a NUL character")
    encoded = encode(path)
    if len(encoded) > MAX_PATH_BYTES:
        raise NameRefused(path[:64] + "…", f"a path may have at most {MAX_PATH_BYTES} bytes")
    parts = tuple(part for part in encoded.split(b"/") if part not in (b"", b"."))
    if b".." in parts:
        raise EscapesJail(path)
    if len(parts) > MAX_DEPTH:
        raise NameRefused(path[:64] + "…", f"a path may have at most {MAX_DEPTH} components")
    if any(len(part) > MAX_COMPONENT_BYTES for part in parts):
        raise NameRefused(path[:64] + "…", f"a name may have at most {MAX_COMPONENT_BYTES} bytes")
    return parts


def encode(text: str) -> bytes:
    """Give the bytes that shown text stands for; raises `NameRefused` where none do."""
    if text.isascii():
        return text.encode("ascii")
    try:
        return text.translate(_TO_SURROGATE).encode("utf-8", "surrogateescape")
    except UnicodeEncodeError as error:
        raise NameRefused(ascii(text), "the name is not valid Unicode") from error


def show(raw: bytes) -> str:
    """Give the text by which users see these bytes; always valid Unicode, and `encode` gives the bytes back."""
    if raw.isascii():
        return raw.decode("ascii")
    text = raw.decode("utf-8", "surrogateescape")
    if any(_FIRST <= ord(character) <= _LAST for character in text):
        return "".join(_show_character(character) for character in text)
    return text.translate(_FROM_SURROGATE)


def _show_character(character: str) -> str:
    code = ord(character)
    if _FIRST <= code <= _LAST:
        return "".join(chr(_ESCAPE + byte) for byte in character.encode())
    return chr(_FROM_SURROGATE.get(code, code))
