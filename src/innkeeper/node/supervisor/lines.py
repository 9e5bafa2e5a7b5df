"""What may be typed on a game's console: one command is one line.

Knows no game and no keeper.
"""

from innkeeper.kit.lines import NOT_IN_A_LINE

LONGEST_COMMAND = 4096


class BadLine(ValueError):
    """A console command is one line of at most 4 KiB without control characters."""


def encode_line(line: str) -> bytes:
    """Return `line` as it is typed, its newline included. Raises BadLine."""
    data = line.encode(errors="surrogatepass")
    if len(data) > LONGEST_COMMAND or NOT_IN_A_LINE.search(line):
        raise BadLine("a console command is one line of at most 4 KiB without control characters")
    return data + b"\n"
