"""Console lines: what they mean, however they come, and what a flood of meaningless ones costs."""

import itertools
import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from innkeeper.node.supervisor.patterns import BadPattern, Seen, Watcher, clean
from innkeeper.wire.messages import Patterns

STAMP = r"^[A-Z][a-z]+ \d{1,2}[a-z]{2} \d{4}, \d\d:\d\d:\d\d \[INFO\]: "
GAME = Patterns(
    strip=r"^(?:> )+",
    ready=STAMP + r"Done \(\d+\.\d+s\)!",
    join=STAMP + r"(?P<player>\w{1,16}) \([0-9a-f.:]+\) connected$",
    leave=STAMP + r"(?P<player>\w{1,16}) disconnected$",
    chat=STAMP + r"<(?P<player>\w{1,16})> (?P<text>.*)$",
    saving="Saving chunks",
)
AT = b"November 21st 2026, 16:47:20 [INFO]: "


def test_a_block_tells_its_story_in_order() -> None:
    block = b"".join(
        AT + line + b"\n"
        for line in [b"Done (0.5s)! x", b"Alice (127.0.0.1) connected", b"<Alice> hi", b"noise", b"Alice disconnected"]
    )
    assert Watcher(GAME).feed(block) == [
        Seen("ready"),
        Seen("join", "Alice"),
        Seen("chat", "Alice", "hi"),
        Seen("leave", "Alice"),
    ]


def test_colours_redraws_and_prompts_are_no_part_of_a_line() -> None:
    watcher = Watcher(GAME)
    raw = b"\x1b[1G\x1b[0J> \x1b[3G" + AT[:20] + b"\x1b[32m" + AT[20:] + b"Al\x1b[1mice\x1b[0m (::1) conn\x1b[Kected"
    assert watcher.feed(raw + b"\r\n") == [Seen("join", "Alice")]
    assert watcher.feed(b"\x1b]0;title\x07" + b"> " + AT + b"Alice disconnected\r\n") == [Seen("leave", "Alice")]


def test_a_player_cannot_speak_for_the_game() -> None:
    assert Watcher(GAME).feed(AT + b"<Eve> Alice (::1) connected\n") == [Seen("chat", "Eve", "Alice (::1) connected")]


@given(cuts=st.lists(st.integers(0, 200), max_size=6))
def test_a_line_that_comes_in_pieces_is_seen_once_whole(cuts: list[int]) -> None:
    whole = b"> " + AT + b"\x1b[1mAlice (127.0.0.1) connected\x1b[0m\n> " + AT + b"Alice disconnected\n> "
    edges = [0, *sorted(min(cut, len(whole)) for cut in cuts), len(whole)]
    watcher = Watcher(GAME)
    seen = [found for start, end in itertools.pairwise(edges) for found in watcher.feed(whole[start:end])]
    assert seen == [Seen("join", "Alice"), Seen("leave", "Alice")]


def test_a_prompt_can_be_the_sign_of_readiness() -> None:
    watcher = Watcher(Patterns(ready=r"^game> $"))
    assert watcher.feed(b"loading\ngame> ") == [Seen("ready")]


def test_expressions_without_a_word_of_their_own_work_too() -> None:
    watcher = Watcher(Patterns(ready=r"(?i)ready", join=r"^\+(?P<player>\w+)$"))
    assert watcher.feed(b"READY\n+bob\n") == [Seen("ready"), Seen("join", "bob")]
    watcher = Watcher(Patterns(join=r"^(?:\d+ )?(?:(?P<player>\w+) (?:joined|came in)|x)$"))
    assert watcher.feed(b"7 bob joined\namy came in\nnobody left\n") == [Seen("join", "bob"), Seen("join", "amy")]


def test_an_expression_that_is_none_is_refused_by_name() -> None:
    with pytest.raises(BadPattern, match="'join' is no regular expression"):
        Watcher(Patterns(join="("))
    with pytest.raises(BadPattern, match="no group named player"):
        Watcher(Patterns(join="joined"))


def test_only_the_beginning_of_an_endless_line_is_looked_at() -> None:
    watcher = Watcher(Patterns(ready="ready$"))
    assert watcher.feed(b"x" * 1_000_000 + b"ready\n") == []
    for _ in range(1000):
        watcher.feed(b"y" * 10_000)
    assert watcher.feed(b"\nready\n") == [Seen("ready")]


EXPRESSIONS = st.recursive(
    st.sampled_from(["a", "b", "ab", "ba", ".", r"\w", "[ab]", "^", "$", "c"]),
    lambda inner: st.one_of(
        st.tuples(inner, inner).map("".join),
        st.tuples(inner, inner).map(lambda pair: f"(?:{pair[0]}|{pair[1]})"),
        inner.map(lambda part: f"(?:{part})?"),
        inner.map(lambda part: f"(?:{part})+"),
        inner.map(lambda part: f"(?:{part}){{2,3}}"),
        inner.map(lambda part: f"(?!{part})"),
        inner.map(lambda part: f"(?={part})"),
        inner.map(lambda part: f"(?i:{part})"),
    ),
    max_leaves=6,
)


@given(expression=EXPRESSIONS, lines=st.lists(st.text("abcABC ", max_size=8), min_size=1, max_size=5))
def test_the_search_for_words_overlooks_nothing(expression: str, lines: list[str]) -> None:
    expected = [Seen("ready") for line in lines if re.search(expression, line)]
    assert Watcher(Patterns(ready=expression)).feed("".join(f"{line}\n" for line in lines).encode()) == expected


@given(st.binary(max_size=300))
def test_what_is_cleaned_has_no_controls_and_all_its_lines(raw: bytes) -> None:
    cleaned = clean(raw)
    assert not any(code < 32 and code not in (9, 10) for code in cleaned)
    assert cleaned.count(b"\n") == raw.count(b"\n")


@pytest.mark.parametrize("line", [b"x" * 99, (AT + b"Chunk 12, 7 was generated in 3 ms").ljust(99, b".")])
def test_a_flood_of_meaningless_lines_is_cheap(line: bytes) -> None:
    watcher = Watcher(GAME)
    block = (line + b"\n") * 650  # what one read of the terminal gives at most
    best = min(_time_flood(watcher, block) for _ in range(3))
    assert best < 0.5, f"{best * 1000:.0f} ms for 100,000 lines"  # 0.1 s on an idle machine; these share theirs


def _time_flood(watcher: Watcher, block: bytes) -> float:
    begun = time.process_time()
    for _ in range(100_000 // 650):
        assert watcher.feed(block) == []
    return time.process_time() - begun
