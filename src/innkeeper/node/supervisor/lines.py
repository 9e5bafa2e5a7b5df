"""What may be typed on a game's console: one command is one line.

Knows no game and no keeper.
"""

import unicodedata

LONGEST_COMMAND = 4096
NOT_IN_A_LINE = frozenset({"Cc", "Cs", "Zl", "Zp"})
"""Unicode categories: control characters, lone surrogates, line and paragraph separators."""


class BadLine(ValueError):
    """A console command is one line of at most 4 KiB without control characters."""


def encode_line(line: str) -> bytes:
    """Return `line` as it is typed, its newline included. Raises BadLine."""
    data = line.encode(errors="surrogatepass")
    if len(data) > LONGEST_COMMAND or any(unicodedata.category(letter) in NOT_IN_A_LINE for letter in line):
        raise BadLine("a console command is one line of at most 4 KiB without control characters")
    return data + b"\n"
