"""Whether a value fits what a package says of it.

Knows one value and its description at a time.
"""

import shlex
from collections.abc import Callable
from typing import Any

from innkeeper.core.catalog.model import Property
from innkeeper.core.servers.errors import PropertyIsInvalid
from innkeeper.core.servers.model import PropertyValue
from innkeeper.kit.lines import NOT_IN_A_LINE

_MAX_STRING = 8192


def check_value(item: Property, value: Any) -> PropertyValue:
    """Return `value` as the property's type; raise PropertyIsInvalid with the reason."""

    def refuse(reason: str) -> PropertyIsInvalid:
        return PropertyIsInvalid(f"{item.name} {reason}.", property=item.name)

    match item.type, value:
        case "boolean", bool():
            return value
        case "boolean", "true" | "false":
            return bool(value == "true")
        case "integer", int() if not isinstance(value, bool):
            return _within(item, value, refuse)
        case "float", int() | float() if not isinstance(value, bool):
            return float(_within(item, value, refuse))
        case "select", str():
            if value not in {choice.value for choice in item.choices}:
                raise refuse("is one of " + ", ".join(choice.value for choice in item.choices))
            return value
        case (("string" | "command"), str()):
            return _checked_text(item, value, refuse)
        case "command", [*words] if all(isinstance(word, str) for word in words):
            return _checked_text(item, shlex.join(words), refuse)
    raise refuse(f"is a {item.type}")


def _within(item: Property, value: float, refuse: Callable[[str], PropertyIsInvalid]) -> int | float:
    in_bounds = (item.min is None or value >= item.min) and (item.max is None or value <= item.max)
    if not in_bounds or not abs(value) <= 1 << 53:  # said this way round, NaN is refused
        raise refuse(
            f"is from {item.min if item.min is not None else '-∞'} to {item.max if item.max is not None else '∞'}"
        )
    return value


def _checked_text(item: Property, value: str, refuse: Callable[[str], PropertyIsInvalid]) -> str:
    if NOT_IN_A_LINE.search(value):
        raise refuse("must not hold control characters")
    if (item.min is not None and len(value) < item.min) or len(value) > (item.max or _MAX_STRING):
        raise refuse(f"has {int(item.min or 0)} to {int(item.max or _MAX_STRING)} characters")
    if item.type == "command":
        try:
            if not shlex.split(value):
                raise refuse("names no program")
        except ValueError as error:
            raise refuse(f"cannot be split into words: {error}") from error
    return value
