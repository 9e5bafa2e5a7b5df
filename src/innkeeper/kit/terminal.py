"""Console text freed of what is meant for a terminal.

Knows ECMA-48's escape sequences and control characters; nothing of any game.
"""

import re

_SEQUENCES = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]"  # CSI: colours, cursor movements
    r"|\x1b[\]PX^_].*?(?:\x07|\x1b\\|$)"  # OSC, DCS and other strings, to their end
    r"|\x1b[ -/]*[0-~]"  # two-character escapes
    r"|[\x00-\x08\x0b-\x1f\x7f\x80-\x9f]",
)


def plain(text: str) -> str:
    """Return one line of console output without escape sequences and control characters (tabs stay)."""
    return _SEQUENCES.sub("", text)
