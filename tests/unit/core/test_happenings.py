"""What happened is read off what is seen, each thing once, in its order."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from innkeeper.core.happenings import Happening, Sighting, news
from innkeeper.core.servers.lifecycle import State
from innkeeper.core.servers.model import LastExit, Live, OnlinePlayer, Run

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
JEB, NOTCH = OnlinePlayer(name="jeb_", since=NOON), OnlinePlayer(name="Notch", since=NOON + timedelta(seconds=5))


def after(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def seen(state: State = State.RUNNING, **fields: Any) -> Live:
    return Live(state=state, **fields)


def ended(seconds: float, *, clean: bool = False, reason: str = "exit code 1") -> LastExit:
    return LastExit(code=1, signal=None, at=after(seconds), clean=clean, reason=reason)


def told(known: Sighting, live: Live) -> list[Happening]:
    return news(7, known, live, after(100))


def kinds(known: Sighting, live: Live) -> list[str]:
    return [one.kind for one in told(known, live)]


def test_a_start_and_its_readiness_are_told_when_they_are_seen() -> None:
    known = Sighting.of(seen(State.STOPPED))
    starting = seen(State.STARTING, run_id="a", started_at=after(1))
    assert kinds(known, starting) == ["started"]
    ready = seen(run_id="a", started_at=after(1), ready_at=after(2))
    assert kinds(known, ready) == ["started", "ready"]
    assert kinds(known.after(starting), ready) == ["ready"]
    assert kinds(known.after(ready), ready) == []


def test_runs_that_came_and_went_between_two_reports_are_told_in_order() -> None:
    runs = tuple(Run(run_id=str(n), started_at=after(n * 10), ended_at=after(n * 10 + 5)) for n in (1, 2))
    live = seen(State.CRASHED, runs=runs, last_exit=ended(25))
    assert kinds(Sighting(), live) == ["started", "started", "crashed"]
    assert kinds(Sighting().after(live), live) == []


@pytest.mark.parametrize(
    ("end", "kind"),
    [
        (ended(3, clean=True, reason="exit code 0"), ["stopped"]),
        (ended(3), ["crashed"]),
        (ended(3, reason="killed on request"), ["killed"]),
        (ended(3, reason="killed after the stop timed out"), ["killed"]),
        (ended(3, reason="out of memory (the limit is 512 MiB)"), ["out_of_memory", "crashed"]),
    ],
)
def test_ends_are_told_by_what_they_were(end: LastExit, kind: list[str]) -> None:
    known = Sighting.of(seen(last_exit=ended(1)))
    found = told(known, seen(State.STOPPED, last_exit=end))
    assert [one.kind for one in found] == kind
    assert {one.data["reason"] for one in found} == {end.reason}


def test_an_older_end_that_a_late_report_speaks_of_is_not_told_again() -> None:
    known = Sighting.of(seen(last_exit=ended(5)))
    assert kinds(known, seen(last_exit=ended(4))) == []
    assert kinds(known, seen(last_exit=None)) == []


def test_players_come_and_go() -> None:
    known = Sighting.of(seen(players=(JEB,)))
    both = seen(players=(JEB, NOTCH))
    (joined,) = told(known, both)
    assert (joined.kind, joined.data, joined.at) == ("player_joined", {"player": "Notch"}, NOTCH.since)
    (left,) = told(known.after(both), seen(players=(NOTCH,)))
    assert (left.kind, left.data, left.at) == ("player_left", {"player": "jeb_"}, after(100))


def test_whoever_is_on_a_server_that_ends_leaves_with_it() -> None:
    known = Sighting.of(seen(players=(JEB,)))
    found = told(known, seen(State.CRASHED, last_exit=ended(30)))
    assert [(one.kind, one.at) for one in found] == [("player_left", after(30)), ("crashed", after(30))]


def test_somebody_who_comes_again_is_told_again_under_another_key() -> None:
    back = OnlinePlayer(name="jeb_", since=after(60))
    found = told(Sighting.of(seen(players=(JEB,))), seen(players=(back,)))
    assert sorted(one.kind for one in found) == ["player_joined", "player_left"]
    (again,) = (one for one in found if one.kind == "player_joined")
    (first,) = told(Sighting(), seen(players=(JEB,)))
    assert again.key != first.key


def test_the_keys_are_the_same_whoever_reads_them_off() -> None:
    live = seen(run_id="a", started_at=after(1), ready_at=after(2), players=(JEB,), last_exit=ended(0.5))
    assert [one.key for one in news(7, Sighting(), live, after(3))] == [
        one.key for one in news(7, Sighting(), live, after(4))
    ]
