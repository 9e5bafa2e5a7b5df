"""Fill `{placeholders}` of a package's texts.

`{properties.NAME}` and `{version}` are the product's to fill; `{server}`, `{shared:KEY}`, `{port}`, `{address}` and
`{memory_mib}` stay for the node, which alone knows them. A doubled brace means a brace.
"""

import re
from collections.abc import Callable, Mapping

from innkeeper.core.servers.model import PropertyValue

NODE_NAMES = frozenset({"server", "port", "address", "memory_mib"})
_TOKEN = re.compile(r"\{\{|\}\}|\{([^{}]*)\}")


class UnknownPlaceholder(ValueError):
    """A package uses a placeholder that nobody fills."""


def as_text(value: PropertyValue | None) -> str:
    """Return a property's value as games write it."""
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case _:
            return str(value)


def literal(text: str) -> str:
    """Return `text` so that whoever fills placeholders later leaves it as it is."""
    return text.replace("{", "{{").replace("}", "}}")


def fill(text: str, known: Mapping[str, str]) -> str:
    """Return `text` with the product's placeholders filled and the node's left standing.

    Values are protected: a brace in one is never taken for a placeholder. Raises UnknownPlaceholder.
    """
    return _replace(text, lambda name, whole: literal(known[name]) if name in known else whole, known)


def fill_wholly(text: str, known: Mapping[str, str]) -> str:
    """Return `text` with every placeholder filled and doubled braces undone: for texts no node will fill again."""

    def value(name: str, _whole: str) -> str:
        if name not in known:
            raise UnknownPlaceholder(name)
        return known[name]

    return _TOKEN.sub(lambda match: _one(match, value), text)


def _replace(text: str, value: Callable[[str, str], str], known: Mapping[str, str]) -> str:
    def keep_braces(match: re.Match[str]) -> str:
        if match.group(1) is None:
            return match.group(0)
        name = match.group(1)
        if name not in known and name not in NODE_NAMES and not name.startswith("shared:"):
            raise UnknownPlaceholder(name)
        return value(name, match.group(0))

    return _TOKEN.sub(keep_braces, text)


def _one(match: re.Match[str], value: Callable[[str, str], str]) -> str:
    if match.group(1) is None:
        return match.group(0)[0]
    return value(match.group(1), match.group(0))
