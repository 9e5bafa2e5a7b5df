"""Edit what stands between brackets with commas, as JSON, TOML and YAML write lists and tables.

Keeps the manner of what stands there: an item a line where items stand so. Knows where things are, not what they mean.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple, Protocol

import msgspec

from innkeeper.drivers.splicing.texts import blank_before, line_end

_REST = re.compile(r"[ \t]*(,?)[ \t]*(?:#.*)?")


class Span(Protocol):
    """Something that stands from `start` to `end`."""

    @property
    def start(self) -> int: ...
    @property
    def end(self) -> int: ...


class Items(msgspec.Struct, frozen=True):
    """The items that stand and those wanted; `write(value, index)` is one as it is written like the one at `index`."""

    standing: list[str]
    wanted: list[str]
    write: Callable[[str, int], str]

    def change(self) -> "Change":
        """Return the least stretch that has to change."""
        standing, wanted = self.standing, self.wanted
        least = min(len(standing), len(wanted))
        head = 0
        while head < least and standing[head] == wanted[head]:
            head += 1
        tail = 0
        while tail < least - head and standing[-1 - tail] == wanted[-1 - tail]:
            tail += 1
        old, new = len(standing) - tail, len(wanted) - tail
        paired = min(old, new)
        replaced = [(index, self.write(wanted[index], index)) for index in range(head, paired)]
        inserted = [self.write(value, max(paired - 1, 0)) for value in wanted[paired:new]]
        return Change(replaced, paired, old, inserted)


class Change(NamedTuple):
    """Replace items; then delete those from `at` up to `until`, or put `inserted` before the one at `at`."""

    replaced: list[tuple[int, str]]
    at: int
    until: int
    inserted: list[str]


Edit = tuple[int, int, str]


def edit_items(text: str, start: int, end: int, spans: Sequence[Span], items: Items) -> Iterator[Edit]:
    """Yield the edits that make the list `text[start:end]`, which has items at `spans`, hold those wanted."""
    if not items.wanted:
        yield start, end, "[]"
        return
    change = items.change()
    for index, new in change.replaced:
        yield spans[index].start, spans[index].end, new
    if change.at < change.until:
        yield _deleted(spans, change.at, change.until)
    elif change.inserted and change.at < len(spans):
        place = spans[change.at].start
        gap = _gap(text, spans, change.at)
        yield place, place, "".join(f"{new},{gap}" for new in change.inserted)
    elif change.inserted:
        yield from _appended(text, spans[-1].end, _gap(text, spans, len(spans) - 1), change.inserted)


def add_members(text: str, start: int, last: tuple[int, int] | None, count: int, new: Sequence[str]) -> Iterator[Edit]:
    """Yield the edits that put `new` behind the `count` members of the table whose bracket is at `start`.

    `last` is where the last member's key begins and its value ends.
    """
    if last is None:
        yield start + 1, start + 1, ", ".join(new)
        return
    gap = blank_before(text, last[0])
    yield from _appended(text, last[1], gap if count > 1 or _breaks(gap) else " ", new)


def _deleted(spans: Sequence[Span], at: int, until: int) -> Edit:
    if until < len(spans):
        return spans[at].start, spans[until].start, ""
    return spans[at - 1].end, spans[until - 1].end, ""


def _gap(text: str, spans: Sequence[Span], index: int) -> str:
    gap = blank_before(text, spans[index or min(1, len(spans) - 1)].start)
    return gap if len(spans) > 1 or _breaks(gap) else " "


def _appended(text: str, end: int, gap: str, new: Sequence[str]) -> Iterator[Edit]:
    rest = _REST.fullmatch(text, end, line_end(text, end)) if _breaks(gap) else None
    if rest is None:
        yield end, end, "".join(f",{gap}{one}" for one in new)
    elif rest[1]:
        yield rest.end(), rest.end(), "".join(f"{gap}{one}," for one in new)
    else:
        yield end, end, ","
        yield rest.end(), rest.end(), ",".join(f"{gap}{one}" for one in new)


def _breaks(gap: str) -> bool:
    return "\n" in gap or "\r" in gap
