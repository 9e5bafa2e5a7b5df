"""What the options of a config file mean: described by the package, else by what they hold.

Knows packages and values; reads no file.
"""

import math
import re
from collections.abc import Collection, Mapping
from functools import lru_cache
from typing import Any

import msgspec

from innkeeper.core.catalog.model import ConfigFile, ConfigOption, ConfigValue, Package, Property
from innkeeper.core.catalog.values import check_value
from innkeeper.core.errors import Invalid
from innkeeper.core.servers.model import PropertyValue

_TEXT_ONLY = frozenset({"properties", "ini"})
"""Formats that have no types: a text may mean a number."""
_WHOLE = re.compile(r"[+-]?[0-9]{1,16}")
_NUMBER = re.compile(r"[+-]?[0-9]{1,20}(\.[0-9]{1,20})?([eE][+-]?[0-9]{1,3})?")
_PLAIN_WHOLE = re.compile(r"-?(0|[1-9][0-9]{0,14})")
_PLAIN_DECIMAL = re.compile(r"-?(0|[1-9][0-9]{0,14})\.[0-9]{1,15}")
_MOST_ITEMS = 1000
_SAFE = 1 << 53


class DoesNotFit(ValueError):
    """A value is not of the type; the message ends the sentence that the option's name begins."""


class Described(msgspec.Struct, frozen=True, kw_only=True):
    """One key of a config file, as the package describes it."""

    option: ConfigOption
    property: Property | None = None
    """The property that is kept there."""
    forced: bool = False
    """The package sets it before every start."""


# -- which file -------------------------------------------------------------------------------------------------------


def plain_path(path: str) -> str | None:
    """Return `path` as packages write it, without slashes at its ends and dots; None where it climbs."""
    parts = [part for part in path.split("/") if part not in ("", ".")]
    return None if ".." in parts else "/".join(parts)


def is_pattern(path: str) -> bool:
    """Return whether a config file's path stands for any number of files."""
    return "*" in path


def matches(pattern: str, path: str) -> bool:
    """Return whether a plain path fits a pattern: `*` is any part of one name, `**` any folders, also none."""
    return _expression(pattern).fullmatch(path) is not None


@lru_cache(maxsize=4096)
def _expression(pattern: str) -> re.Pattern[str]:
    *folders, name = pattern.split("/")
    steps = ["(?:[^/]+/)*" if folder == "**" else _of_name(folder) + "/" for folder in folders]
    return re.compile("".join(steps) + _of_name(name), re.DOTALL)


def _of_name(name: str) -> str:
    return "[^/]*".join(re.escape(part) for part in name.split("*"))


# -- what its keys mean -----------------------------------------------------------------------------------------------


def described(package: Package, file: ConfigFile, runtimes: Collection[str]) -> dict[str, Described]:
    """Return what a package says of a config file's keys, by key: properties that are kept there first.

    `runtimes`: of the server whose file it is.
    """
    found: dict[str, Described] = {}
    for item in package.properties_of(runtimes):
        if item.writes is not None and item.writes.file == file.path:
            key = item.writes.key
            option = ConfigOption(
                key=key,
                label=item.label or label_of(key),
                description=item.description,
                type="string" if item.type == "command" else item.type,
                min=item.min,
                max=item.max,
                choices=item.choices,
            )
            found[key] = Described(option=option, property=item, forced=key in file.values)
    for option in file.options:
        if option.key not in found:
            labelled = msgspec.structs.replace(option, label=option.label or label_of(option.key))
            found[option.key] = Described(option=labelled, forced=option.key in file.values)
    return found


def guessed(file: ConfigFile, key: str, value: ConfigValue) -> Described:
    """Return what a key that nobody describes seems to mean."""
    option = ConfigOption(key=key, label=label_of(key), type=_type_of(value, file.format in _TEXT_ONLY))
    return Described(option=option, forced=key in file.values)


def _type_of(value: ConfigValue, text_only: bool) -> Any:
    match value:
        case bool():
            return "boolean"
        case int() if abs(value) <= _SAFE:
            return "integer"
        case float() if math.isfinite(value):
            return "float"
        case list():
            return "multiselect"
        case "true" | "false" if text_only:
            return "boolean"
        case str() if text_only and _PLAIN_WHOLE.fullmatch(value):
            return "integer"
        case str() if text_only and _PLAIN_DECIMAL.fullmatch(value):
            return "float"
    return "string"


def label_of(key: str) -> str:
    """Return words for a key: "spawn-protection" is "Spawn protection", "settings.allowEnd" "Settings › Allow end"."""
    return " › ".join(_words(part) for part in re.split(r"(?<!\\)\.", key))


def _words(part: str) -> str:
    spaced = re.sub(
        r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", " ", part.replace("\\.", ".").replace("\\\\", "\\")
    )
    words = re.sub(r"[-_\s]+", " ", spaced).strip().split(" ")
    first, *rest = words
    plain = [word.lower() if re.fullmatch(r"[A-Z][a-z]*", word) else word for word in rest]
    return " ".join([first[:1].upper() + first[1:], *plain]) or part


# -- what they hold ---------------------------------------------------------------------------------------------------


def coerced(kind: str, value: Any) -> ConfigValue:
    """Return `value`, from a file or a client that sends texts, as of the type `kind`; raise DoesNotFit."""
    match kind:
        case "boolean":
            return _boolean(value)
        case "integer":
            return _whole(value)
        case "float":
            return _real(value)
        case "multiselect":
            items = [item.strip() for item in value.split(",") if item.strip()] if isinstance(value, str) else value
            if not isinstance(items, list | tuple) or len(items) > _MOST_ITEMS:
                raise DoesNotFit(f"is a list of at most {_MOST_ITEMS} values")
            return [_text(item) for item in items]
    return _text(value)


def _boolean(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    lowered = value.strip().lower() if isinstance(value, str) else ""
    if lowered not in ("true", "false"):
        raise DoesNotFit("is true or false")
    return bool(lowered == "true")


def _whole(value: Any) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, str) and _WHOLE.fullmatch(value.strip()):
        return int(value)
    raise DoesNotFit("is a whole number")


def _real(value: Any) -> float:
    number: float | None = None
    if isinstance(value, int | float) and not isinstance(value, bool):
        number = float(value) if abs(value) <= _SAFE else math.inf
    elif isinstance(value, str) and _NUMBER.fullmatch(value.strip()):
        number = float(value)
    if number is None or not math.isfinite(number):
        raise DoesNotFit("is a number")
    return number


def _text(value: Any) -> str:
    match value:
        case str():
            return value
        case bool():
            return "true" if value else "false"
        case int() | float():
            return str(value)
    raise DoesNotFit("is a text")


def checked(known: Described, value: Any) -> ConfigValue:
    """Return `value` as the option may have it; raise DoesNotFit with the reason."""
    option = known.option
    given = coerced(option.type, value)
    kind: Any = "string" if option.type == "multiselect" else option.type
    item = known.property or Property(
        name=option.key, type=kind, min=option.min, max=option.max, choices=option.choices
    )
    if item.required and given == "":
        raise DoesNotFit("is required")
    try:
        if isinstance(given, list):
            return [str(check_value(item, one)) for one in given]
        return check_value(item, given)
    except Invalid as error:
        raise DoesNotFit(error.message.removeprefix(item.name).strip().rstrip(".")) from error


def read_as(item: Property, value: ConfigValue | None) -> PropertyValue | None:
    """Return what a file holds as the property's value, None where it cannot be one."""
    if value is None:
        return None
    try:
        given = coerced(item.type, value)
        return None if isinstance(given, list) else check_value(item, given)
    except (DoesNotFit, Invalid):
        return None


def shown(known: Described, value: ConfigValue, file: ConfigFile) -> tuple[ConfigOption, ConfigValue]:
    """Return the option and its value as they are shown: by what is held, where that is not as described."""
    option = known.option
    choices = {choice.value for choice in option.choices}
    try:
        held = coerced(option.type, value)
    except DoesNotFit:
        held = None
    if held is None or (option.type == "select" and held not in choices):
        guess = _type_of(value, file.format in _TEXT_ONLY)
        option = msgspec.structs.replace(option, type=guess, choices=())
        held = coerced(guess, value)
    return option, held


def values_of(option: ConfigOption, held: ConfigValue) -> tuple[str, ...] | None:
    """Return what can be chosen, None for what is no choice; a multiselect offers what it has, too."""
    if option.type not in ("select", "multiselect"):
        return None
    offered = [choice.value for choice in option.choices]
    own = held if isinstance(held, list) else []
    return tuple(dict.fromkeys([*offered, *own]))


def same(one: ConfigValue, other: Mapping[str, ConfigValue], key: str, kind: str) -> bool:
    """Return whether a file holds `one` under `key` already."""
    if key not in other:
        return False
    try:
        return coerced(kind, other[key]) == one
    except DoesNotFit:
        return False
