"""Text of games and strangers, made harmless for a terminal. Knows nothing of where it comes from.

A console line, a name or a message of the day may carry escape sequences that move the cursor, set the title, answer
questions into the shell or hide what stands before. Nothing of the kind passes; colours do where they are wanted.
"""

import re

_SEQUENCE = re.compile(
    r"(?P<colour>\x1b\[[0-9;:]{0,64}m)"
    r"|(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"  # control sequences: cursor, erasing, modes
    r"|(?:\x1b[\]PX^_]|[\x9d\x90\x98\x9e\x9f])[^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)?"  # strings: title, clipboard, sixel
    r"|\x1b[ -/]*[0-~]"
    r"|[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)
_RESET = "\x1b[0m"


def plain(text: object) -> str:
    """Return `text` on one line, without any escape sequence or control character."""
    flat = re.sub(r"[\t\r\n]+", " ", str(text))
    return _SEQUENCE.sub("", flat)


def coloured(text: str) -> str:
    """Return one line with its colours (SGR) kept, reset at its end, and every other escape sequence gone."""
    kept = _SEQUENCE.sub(lambda found: found["colour"] or "", text)
    return kept + _RESET if "\x1b" in kept else kept
