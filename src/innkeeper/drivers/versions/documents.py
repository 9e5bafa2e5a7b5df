"""What reading any vendor's documents has in common: JSON, listings of folders, and which texts may name a version.

What a vendor says becomes part of addresses, paths and commands: a name that is more than letters, digits and a few
marks is none. Knows no vendor.
"""

import re
from collections.abc import Iterable, Mapping
from typing import TypeVar

import msgspec

from innkeeper.contracts.versions import IndexUnreadable

T = TypeVar("T")

_NAME = re.compile(r"[0-9A-Za-z][0-9A-Za-z._+-]{0,63}")
_NUMBERED = re.compile(r"[0-9]+(?:\.[0-9]+)+")
_LINK = re.compile(r"""<a\s[^>]*?href=["']([^"'<>]{1,256})["']""", re.IGNORECASE)


def decoded(body: bytes, kind: type[T]) -> T:
    """Return a JSON document as `kind` (of which it may say more); raise IndexUnreadable."""
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise IndexUnreadable(f"the vendor's document is not as documented: {error}") from error


def texted(body: bytes) -> str:
    """Return a document that is text; raise IndexUnreadable."""
    try:
        return body.decode()
    except UnicodeDecodeError as error:
        raise IndexUnreadable("the vendor's document is no text") from error


def linked(body: bytes) -> list[str]:
    """Return what a folder's HTML listing links to, as it is written there; raise IndexUnreadable where it is none."""
    links = _LINK.findall(texted(body))
    if not links:
        raise IndexUnreadable("the vendor's page lists nothing")
    return links


def is_name(text: str) -> bool:
    """Return whether that may be the name of a version."""
    return _NAME.fullmatch(text) is not None and ".." not in text


def is_numbered(text: str) -> bool:
    """Return whether that is a version of numbers and points, which names no snapshot or candidate."""
    return len(text) <= 64 and _NUMBERED.fullmatch(text) is not None


def counted(version: str) -> tuple[list[int], bool, list[int]]:
    """Return what versions are sorted by: their numbers; "1.10" is after "1.9", and "1.10-rc1" before "1.10"."""
    release, _, candidate = version.partition("-")
    return _numbers(release), not candidate, _numbers(candidate)


def newest_first(versions: Iterable[str]) -> tuple[str, ...]:
    """Return each version once, in the order of their numbers, newest first."""
    return tuple(sorted(set(versions), key=counted, reverse=True))


def option(options: Mapping[str, str], name: str, otherwise: str) -> str:
    """Return an option that is an address, without the slash at its end."""
    return options.get(name, otherwise).rstrip("/")


def _numbers(text: str) -> list[int]:
    return [int(number) for number in re.findall(r"[0-9]{1,12}", text)]
