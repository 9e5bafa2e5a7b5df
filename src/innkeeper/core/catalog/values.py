"""Whether a value fits what a package says of it.

Knows one value and its description at a time.
"""

import re
import shlex
from collections.abc import Callable
from typing import Any

from innkeeper.core.catalog.model import Property
from innkeeper.core.catalog.placeholders import as_text
from innkeeper.core.servers.errors import PropertyIsInvalid
from innkeeper.core.servers.model import PropertyValue
from innkeeper.kit.lines import NOT_IN_A_LINE

_MAX_STRING = 8192


def check_value(item: Property, value: Any) -> PropertyValue:
    """Return `value` as the property's type; raise PropertyIsInvalid with the reason."""

    def refuse(reason: str) -> PropertyIsInvalid:
        return PropertyIsInvalid(f"{item.name} {reason}.", property=item.name)

    checked = _of_type(item, value, refuse)
    if item.must_be is not None and checked != item.must_be:
        raise must_be(item)
    return checked


def must_be(item: Property) -> PropertyIsInvalid:
    """Return the refusal of any value, and of none, but the one that the property must have."""
    reason = f": {item.description}" if item.description else "."
    return PropertyIsInvalid(f"{item.name} must be {as_text(item.must_be)}{reason}", property=item.name)


def _of_type(item: Property, value: Any, refuse: Callable[[str], PropertyIsInvalid]) -> PropertyValue:
    match item.type, value:
        case "boolean", bool():
            return value
        case "boolean", "true" | "false":
            return bool(value == "true")
        case "integer", int() if not isinstance(value, bool):
            return _within(item, value, refuse)
        case "float", int() | float() if not isinstance(value, bool):
            return float(_within(item, value, refuse))
        case "select", _:
            if not isinstance(value, str) or value not in {choice.value for choice in item.choices}:
                raise refuse("is one of " + ", ".join(choice.value for choice in item.choices))
            return value
        case (("string" | "command"), str()):
            return _checked_text(item, value, refuse)
        case "command", [*words] if all(isinstance(word, str) for word in words):
            return _checked_text(item, shlex.join(words), refuse)
    raise refuse(f"is {'an' if item.type == 'integer' else 'a'} {item.type}")


def _within(item: Property, value: float, refuse: Callable[[str], PropertyIsInvalid]) -> int | float:
    in_bounds = (item.min is None or value >= item.min) and (item.max is None or value <= item.max)
    if not in_bounds or not abs(value) <= 1 << 53:  # said this way round, NaN is refused
        raise refuse(f"is from {_bound(item.min, '-∞')} to {_bound(item.max, '∞')}")
    return value


def _bound(value: float | None, none: str) -> str:
    return none if value is None else str(int(value) if float(value).is_integer() else value)


def _checked_text(item: Property, value: str, refuse: Callable[[str], PropertyIsInvalid]) -> str:
    if NOT_IN_A_LINE.search(value):
        raise refuse("must not hold control characters")
    if (item.min is not None and len(value) < item.min) or len(value) > (item.max or _MAX_STRING):
        raise refuse(f"has {int(item.min or 0)} to {int(item.max or _MAX_STRING)} characters")
    if value and item.pattern and re.fullmatch(item.pattern, value) is None:
        raise refuse("cannot be that" + (f": {item.description.rstrip('.')}" if item.description else ""))
    if item.type == "command":
        try:
            if not shlex.split(value):
                raise refuse("names no program")
        except ValueError as error:
            raise refuse(f"cannot be split into words: {error}") from error
    return value
