"""Patterns of what a snapshot leaves out."""

import time

import pytest

from innkeeper.node.backups.errors import ExclusionIsInvalid
from innkeeper.node.backups.exclusions import MAX_PATTERNS, Exclusions


def left_out(patterns: list[str], path: str) -> bool:
    is_folder = path.endswith("/")
    parts = [part.encode() for part in path.strip("/").split("/")]
    return Exclusions(patterns).leave_out(parts, is_folder=is_folder)


@pytest.mark.parametrize(
    ("pattern", "yes", "no"),
    [
        ("*.log", ["a.log", "logs/a.log", ".log"], ["a.log.gz", "log"]),
        ("cache", ["cache", "cache/", "a/b/cache/"], ["cached", "a/cache2"]),
        ("cache/", ["cache/", "a/cache/"], ["cache", "a/cache"]),
        ("/cache", ["cache", "cache/"], ["a/cache"]),
        ("world/*.tmp", ["world/a.tmp"], ["a/world/a.tmp", "world/b/a.tmp"]),
        ("world/**/x", ["world/x", "world/a/x", "world/a/b/x"], ["x", "world/xx"]),
        ("**/dynmap/tiles", ["dynmap/tiles/", "plugins/dynmap/tiles/"], ["dynmap/a/tiles"]),
        ("/plugins/**", ["plugins/a", "plugins/a/b"], ["a/plugins/b"]),
        ("r.?.0.mca", ["r.1.0.mca", "region/r.x.0.mca"], ["r.11.0.mca", "r..0.mca"]),
        ("[a-c]x[!0-9]", ["axe", "bxe"], ["dxe", "ax1"]),
        ("[]]", ["]"], ["["]),
        (r"\*", ["*"], ["a"]),
        (r"\#a", ["#a"], ["a"]),
        (r"\!a", ["!a"], ["a"]),
        ("#a", [], ["#a", "a"]),
        ("", [], ["a"]),
        ("ä*", ["äb"], ["a"]),
    ],
)
def test_a_pattern_leaves_out_what_it_names_and_nothing_else(pattern: str, yes: list[str], no: list[str]) -> None:
    assert [path for path in yes if not left_out([pattern], path)] == []
    assert [path for path in no if left_out([pattern], path)] == []


def test_the_last_pattern_that_matches_decides() -> None:
    assert not left_out(["*.log", "!latest.log"], "logs/latest.log")
    assert left_out(["*.log", "!latest.log"], "logs/old.log")
    assert left_out(["!latest.log", "*.log"], "latest.log")


@pytest.mark.parametrize("pattern", ["..", "a/../b", "/", "a\0b", "[abc", "a\\", "x" * 2000, "!"])
def test_what_is_no_pattern_is_refused_with_its_text(pattern: str) -> None:
    with pytest.raises(ExclusionIsInvalid):
        Exclusions([pattern])


def test_there_is_a_limit_to_their_number() -> None:
    with pytest.raises(ExclusionIsInvalid):
        Exclusions(["a"] * (MAX_PATTERNS + 1))


def test_no_pattern_hangs() -> None:
    begun = time.process_time()
    assert not left_out(["*a" * 400 + "b"], "a" * 255)
    assert not left_out(["**/" * 100 + "*a" * 100 + "b/c"], "/".join(["a" * 100] * 40))
    assert time.process_time() - begun < 5
