"""Fill `{placeholders}` of a package's texts.

`{properties.NAME}`, `{version}` and `{release.NAME}` are the product's to fill; `{server}`, `{shared:KEY}`, `{port}`,
`{address}`, `{memory_mib}`, `{heap_mib}`, `{java}`, and `{management_port}` and `{management_secret}` of a game that
serves a management protocol, stay for the node, which alone knows them. A doubled brace means a brace.
"""

import re
from collections.abc import Callable, Mapping

from innkeeper.core.servers.model import PropertyValue

NODE_NAMES = frozenset({"server", "port", "address", "memory_mib", "heap_mib", "java"})
MANAGEMENT_NAMES = frozenset({"management_port", "management_secret"})
_TOKEN = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]")
_NODE_PLACEHOLDER = re.compile("(" + "|".join(re.escape(f"{{{name}}}") for name in sorted(NODE_NAMES)) + ")")


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

    Values are protected: a brace in one is never taken for a placeholder, nor is a lone brace of the text beside it.
    Raises UnknownPlaceholder.
    """
    return _replace(text, lambda name, whole: literal(known[name]) if name in known else whole, known)


def literal_but_for_node_names(text: str) -> str:
    """Return `text` as `literal` does, with the placeholders that every node fills left standing."""
    parts = _NODE_PLACEHOLDER.split(text)
    return "".join(part if index % 2 else literal(part) for index, part in enumerate(parts))


def fill_wholly(text: str, known: Mapping[str, str]) -> str:
    """Return `text` with every placeholder filled and doubled braces undone: for texts no node will fill again."""

    def value(name: str, _whole: str) -> str:
        if name not in known:
            raise UnknownPlaceholder(f"nobody fills {{{name}}}")
        return known[name]

    return _TOKEN.sub(lambda match: _one(match, value), text)


def fill_known(text: str, known: Mapping[str, str]) -> str:
    """Return `text` with the placeholders filled that are known and doubled braces undone: for people to read."""
    return _TOKEN.sub(lambda match: _one(match, lambda name, whole: known.get(name, whole)), text)


def _replace(text: str, value: Callable[[str, str], str], known: Mapping[str, str]) -> str:
    def keep_braces(match: re.Match[str]) -> str:
        if match.group(1) is None:
            return match.group(0)[0] * 2
        name = match.group(1)
        nodes_own = name in NODE_NAMES or name in MANAGEMENT_NAMES or name.startswith("shared:")
        if name not in known and not nodes_own:
            raise UnknownPlaceholder(f"nobody fills {{{name}}}")
        return value(name, match.group(0))

    return _TOKEN.sub(keep_braces, text)


def _one(match: re.Match[str], value: Callable[[str, str], str]) -> str:
    if match.group(1) is None:
        return match.group(0)[0]
    return value(match.group(1), match.group(0))
