"""What a config file driver promises: to read and set values without disturbing the rest of the file.

Works on bytes that somebody else read and will write: knows no path, no server and no game.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Protocol

ConfigValue = str | int | float | bool | list[str]
"""One option's value. Numbers are finite, whole ones fit into 64 bits; a list is given by its items' texts."""


class ConfigUnreadable(ValueError):
    """The file cannot be understood as this format, or cannot hold the value; the message says where."""


class ConfigFormat(Protocol):
    """One format of config files.

    A nested option's key is the keys on the way to it, joined by dots; a dot or backslash within one of them is
    preceded by a backslash (`join_key`, `split_key`). A format without nesting has its keys as they are.
    """

    name: str

    def read(self, content: bytes) -> dict[str, ConfigValue]:
        """Return every option with its value, in file order; raise ConfigUnreadable for what is not this format.

        A format without types reads text. Null is read as "", a list of scalars as their texts. What is neither a
        scalar nor a list of scalars (a list of objects, a reference, a value with a tag) is no option and left out.
        Of a key that stands twice, the last counts. Total time is linear in the size of `content`, which comes from
        the game or its owner and is not trusted.
        """
        ...

    def edit(self, content: bytes, values: Mapping[str, ConfigValue]) -> bytes:
        """Return `content` with `values` set: `read` then finds them, and nothing else has changed.

        Comments, order, unknown keys, quoting, white space, line endings and a BOM stay byte for byte outside the
        changed value; a value that stands already is not touched, so editing twice changes nothing. A text given
        where a number or boolean stands is written as one if it reads as one. A format without types is given the
        text: `true`, `false`, a list's items joined by commas. New keys come last in their table, which is made
        where it is missing. Empty content makes a new file.

        Raises ConfigUnreadable, also where a table or something that is no option would have to be replaced, where
        the key stands twice and it is not the format's own law which counts, and where the format has no way to
        write the value.
        """
        ...


def join_key(parts: Iterable[str]) -> str:
    """Return the key of the option that is reached by `parts`, outermost first."""
    return ".".join(re.sub(r"[\\.]", r"\\\g<0>", part) for part in parts)


def split_key(key: str) -> tuple[str, ...]:
    """Return the parts that `join_key` joined; a backslash before anything but a dot or backslash is itself."""
    parts = [""]
    for piece in re.findall(r"\\[\\.]|.", key, re.DOTALL):
        if piece == ".":
            parts.append("")
        else:
            parts[-1] += piece[1:] if len(piece) == 2 else piece
    return tuple(parts)
