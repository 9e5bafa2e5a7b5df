"""What the game's own words mean: which console lines say ready, join, leave, chat, saving.

Console blocks go in, sightings come out. It refuses to know what follows from them, and it is built for floods: a block
is first searched for the literal words that a package's expressions cannot do without, with one pass of memory search
for each, and only lines that hold such a word are ever cleaned, decoded and matched.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Any, Generic, Literal, TypeVar, get_args

import msgspec

from innkeeper.wire.messages import Patterns

try:  # the standard library's own parser of expressions: without it all is still right, and slower
    from re import _parser as parser  # type: ignore[attr-defined]
except ImportError:  # pragma: no cover
    parser = None

Kind = Literal["ready", "join", "leave", "chat", "saving"]
KINDS: tuple[Kind, ...] = get_args(Kind)
K = TypeVar("K", bound=str)

LONGEST_LINE = 4096
"""Bytes of a line that are looked at: a bad expression's cost is bounded, and no game announces more in one line."""

_ANSI = re.compile(rb"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b\n]*(?:\x07|\x1b\\)?|[ -/]*[0-~])")
_CONTROLS = bytes(code for code in (*range(32), 127) if code not in (0x09, 0x0A))


class BadPattern(ValueError):
    """A package's expression cannot be used; the message says which and why."""


class Seen(msgspec.Struct, frozen=True):
    """One line that means something."""

    kind: Kind
    player: str | None = None
    text: str | None = None


def clean(raw: bytes) -> bytes:
    """Return `raw` without terminal codes and control characters; line ends and tabs stay."""
    if b"\x1b" in raw:
        raw = _ANSI.sub(b"", raw)
    return raw.translate(None, _CONTROLS)


class Lines(Generic[K]):
    """Finds the lines of one run's console that match one of some expressions. Fed every block once and in order.

    `strip` is what every line begins with and no expression sees. Expressions of `early` kinds match an unfinished line
    as well (a prompt may be what a game says when it is ready), and again when it is finished.
    """

    def __init__(
        self, strip: str | None, patterns: Iterable[tuple[K, re.Pattern[str]]], early: Iterable[K] = ()
    ) -> None:
        self._strip = compiled("strip", strip) if strip else None
        self._patterns = list(patterns)
        self._early = [(kind, pattern) for kind, pattern in self._patterns if kind in early]
        self._words: list[bytes] | None = []
        self._carry = b""
        for _, pattern in self._patterns:
            words = _words(pattern)
            self._words = None if words is None or self._words is None else [*self._words, *words]

    def restart(self) -> None:
        """Forget the unfinished line: another run begins, or another stretch of the journal."""
        self._carry = b""

    @property
    def in_line(self) -> bool:
        """Whether the last line fed was not finished."""
        return bool(self._carry)

    def feed(self, payload: bytes) -> list[tuple[K, re.Match[str]]]:
        """Return what matches in the lines of `payload`, in order; an unfinished last line is kept until it is."""
        if not self._patterns:
            return []
        whole = self._carry + payload if self._carry else payload
        end = whole.rfind(b"\n") + 1
        self._carry = whole[end:][: 2 * LONGEST_LINE] if end < len(whole) else b""
        found = [match for line in self._candidates(whole[:end]) for match in self._match(line, self._patterns)]
        if self._carry and self._early:
            carried = self._candidates(clean(self._carry))
            found += [match for line in carried for match in self._match(line, self._early)]
        return found

    def _candidates(self, block: bytes) -> Iterator[bytes]:
        block = clean(block)
        if self._words is None:
            if block:
                yield from block.removesuffix(b"\n").split(b"\n")
            return
        starts: dict[int, int] = {}
        for word in self._words:
            position = block.find(word)
            while position >= 0:
                end = block.find(b"\n", position)
                end = len(block) if end < 0 else end
                starts[block.rfind(b"\n", 0, position) + 1] = end
                position = block.find(word, end)
        for start in sorted(starts):
            yield block[start : starts[start]]

    def _match(self, raw: bytes, patterns: Iterable[tuple[K, re.Pattern[str]]]) -> Iterator[tuple[K, re.Match[str]]]:
        line = raw[:LONGEST_LINE].decode(errors="replace")
        if self._strip is not None and (prefix := self._strip.match(line)) is not None:
            line = line[prefix.end() :]
        for kind, pattern in patterns:
            if (match := pattern.search(line)) is not None:
                yield kind, match


class Watcher:
    """Reads one run's console. Fed every block once and in order; raises BadPattern for what cannot be compiled."""

    def __init__(self, patterns: Patterns) -> None:
        known: list[tuple[Kind, re.Pattern[str]]] = []
        for kind in KINDS:
            source: str | None = getattr(patterns, kind)
            if source is None:
                continue
            pattern = compiled(kind, source)
            if kind in ("join", "leave", "chat") and "player" not in pattern.groupindex:
                raise BadPattern(f"the pattern {kind!r} has no group named player: {source}")
            known.append((kind, pattern))
        self._lines: Lines[Kind] = Lines(patterns.strip, known, early=("ready",))

    def restart(self) -> None:
        """Forget the unfinished line: another run begins, or another stretch of the journal."""
        self._lines.restart()

    @property
    def in_line(self) -> bool:
        """Whether the last line fed was not finished."""
        return self._lines.in_line

    def feed(self, payload: bytes) -> list[Seen]:
        """Return what the lines of `payload` mean, in order; an unfinished last line is kept until it is finished."""
        return [
            Seen(kind, groups.get("player"), groups.get("text"))
            for kind, match in self._lines.feed(payload)
            for groups in (match.groupdict(),)
        ]


def check(patterns: Patterns) -> None:
    """Raise BadPattern when one of `patterns` cannot be used."""
    Watcher(patterns)


def compiled(kind: str, source: str) -> re.Pattern[str]:
    """Return a package's expression; raise BadPattern, naming its kind, for what is none."""
    try:
        return re.compile(source)
    except (re.error, RecursionError, OverflowError) as error:
        raise BadPattern(f"the pattern {kind!r} is no regular expression: {error}: {source}") from error


def _words(pattern: re.Pattern[str]) -> list[bytes] | None:
    """Return words of which every line that `pattern` matches holds at least one; None where none can be told."""
    if parser is None or pattern.flags & re.IGNORECASE:
        return None
    return _best(parser.parse(pattern.pattern))


def _best(parts: Any) -> list[bytes] | None:
    """Return the most telling alternatives that a sequence of parsed parts cannot match without."""
    found: list[list[bytes]] = []
    run = b""
    for operation, argument in [*parts, (None, None)]:
        name = str(operation)
        if name == "LITERAL" and 32 <= argument < 127:
            run += bytes([argument])
            continue
        if run:
            found.append([run])
            run = b""
        if name == "SUBPATTERN" and not argument[1]:
            inner = _best(argument[3])
        elif name == "BRANCH":
            branches = [_best(branch) for branch in argument[1]]
            inner = None if None in branches else [word for branch in branches for word in branch or []]
        elif name in ("MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT") and argument[0] >= 1:
            inner = _best(argument[2])
        elif name == "ATOMIC_GROUP":
            inner = _best(argument)
        else:
            inner = None
        if inner:
            found.append(inner)
    return max(found, key=lambda words: min(map(len, words)), default=None)
