"""Lines of logs as Crafty shows them: plain, coloured for a page, or as the game wrote them.

    [12:34:56] [Server thread/INFO]: …    [12:34:56 INFO]: …    2022-05-25 18:27:53,400 ServerMain WARN …

What a game writes is hostile: it is made harmless for a page unless it is asked for as it stands.
"""

import html
import re
from collections.abc import Iterable

from innkeeper.kit.terminal import plain

_LEVELS = {
    "TRACE": "info",
    "DEBUG": "info",
    "INFO": "info",
    "WARN": "warn",
    "WARNING": "warn",
    "ERROR": "error",
    "SEVERE": "error",
    "FATAL": "fatal",
}
_LEVEL = "|".join(_LEVELS)
_TIME = r"\[\d\d:\d\d:\d\d(?:\.\d{1,3})?\]"
_HEAD = re.compile(
    rf"^(?:(?P<time>{_TIME})(?P<thread> \[[^\]\n]{{1,100}}[/ ](?P<level>{_LEVEL})\])"
    rf"|\[\d\d:\d\d:\d\d (?P<short>{_LEVEL})\])"
)


def shown(line: str, *, raw: bool, colours: bool, keywords: Iterable[str]) -> str:
    """Return one line: as it stands if `raw`, else without terminal codes and safe in HTML; marked up if `colours`."""
    text = line if raw else html.escape(plain(line))
    return coloured(text, keywords) if colours else text


def coloured(text: str, keywords: Iterable[str]) -> str:
    """Return a line with its time, its level and the keywords in spans of Crafty's classes."""
    found = _HEAD.match(text)
    if found is None:
        return _marked(text, keywords)
    level = _LEVELS[found["level"] or found["short"]]
    head = f'<span class="mc-log-time">{found["time"]}</span>{found["thread"]}' if found["time"] else found[0]
    return f'<span class="mc-log-{level}">{head}</span>{_marked(text[found.end() :], keywords)}'


def page(lines: Iterable[str]) -> str:
    """Return lines as a piece of a page."""
    return "".join(f"{line}<br />" for line in lines)


def _marked(text: str, keywords: Iterable[str]) -> str:
    words = [re.escape(html.escape(word)) for word in keywords if word]
    if not words:
        return text
    either = re.compile("|".join(sorted(words, key=len, reverse=True)))
    return either.sub(lambda match: f'<span class="mc-log-keyword">{match[0]}</span>', text)
