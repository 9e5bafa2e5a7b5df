"""Small things every format does with text: values as text, line ends, where a line is. Knows no format's syntax."""

import math
import re

from innkeeper.contracts.configfile import ConfigUnreadable, ConfigValue

_BREAK = re.compile(r"\r\n|\r|\n")


def as_text(value: ConfigValue) -> str:
    """Return a value as a format without types holds it; raise ConfigUnreadable for a number that has no text."""
    match value:
        case str():
            return readable(value)
        case bool():
            return "true" if value else "false"
        case int():
            try:
                return str(value)
            except ValueError as error:  # the interpreter refuses to write thousands of digits
                raise ConfigUnreadable("a number has too many digits") from error
        case float():
            if not math.isfinite(value):
                raise ConfigUnreadable(f"{value} is no number that a config file can hold")
            # Some read `1e+16` as text.
            return re.sub(r"^(-?\d+)e", r"\1.0e", repr(value))
        case _:
            return ",".join(readable(item) for item in value)


def readable(text: str) -> str:
    """Return `text` with surrogate pairs joined and lone ones replaced, which no other encoding can carry."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def newline_of(text: str) -> str:
    """Return the line end that `text` uses first, or a line feed."""
    found = _BREAK.search(text)
    return found.group() if found else "\n"


def line_end(text: str, position: int) -> int:
    """Return where the line that holds `position` ends, its line break not included."""
    found = _BREAK.search(text, position)
    return found.start() if found else len(text)


def line_start(text: str, position: int) -> int:
    """Return where the line that holds `position` begins."""
    return max(text.rfind("\n", 0, position), text.rfind("\r", 0, position)) + 1


def line_number(text: str, position: int) -> int:
    """Return the number of the line that holds `position`, from 1."""
    return len(_BREAK.findall(text, 0, position)) + 1


def blank_before(text: str, position: int) -> str:
    """Return the white space that stands directly before `position`, line breaks included."""
    start = position
    while start > 0 and text[start - 1] in " \t\r\n":
        start -= 1
    return text[start:position]
