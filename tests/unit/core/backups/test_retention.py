"""Rules that keep backups, over any history."""

from datetime import UTC, datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from innkeeper.core.backups.model import Backup, BackupPolicy
from innkeeper.core.backups.retention import FAILED_KEPT, SAFETY_KEPT, expired

NOW = datetime(2026, 7, 1, 12, tzinfo=UTC)


def backup(number: int, at: datetime, **changes: object) -> Backup:
    given = {"state": "done", "snapshot": "s", **changes}
    return Backup(id=number, uuid=UUID(int=number), server_id=1, created_at=at, **given)  # type: ignore[arg-type]


def ids(backups: list[Backup]) -> list[int]:
    return [one.id for one in backups]


def every(step: timedelta, count: int) -> list[Backup]:
    """Return backups, the newest of which has the number 1."""
    return [backup(number + 1, NOW - number * step) for number in range(count)]


def test_without_a_rule_everything_is_kept() -> None:
    assert expired(every(timedelta(days=1), 400), BackupPolicy(server_id=1), NOW) == []


def test_the_last_few_are_kept() -> None:
    assert ids(expired(every(timedelta(hours=1), 6), BackupPolicy(server_id=1, keep_last=4), NOW)) == [5, 6]


def test_those_of_some_days_are_kept() -> None:
    assert ids(expired(every(timedelta(days=1), 5), BackupPolicy(server_id=1, keep_days=2), NOW)) == [4, 5]


def test_days_weeks_and_months_each_keep_their_newest() -> None:
    history = every(timedelta(hours=12), 200)  # two a day, for a hundred days
    policy = BackupPolicy(server_id=1, keep_daily=3, keep_weekly=2, keep_monthly=2)
    gone = set(ids(expired(history, policy, NOW)))
    kept = [one for one in history if one.id not in gone]
    # noon of the last three days; of this week and the last; of July (its only one) and of June, its last.
    assert [one.created_at.strftime("%m-%d %H") for one in kept] == ["07-01 12", "06-30 12", "06-29 12", "06-28 12"]


def test_days_are_those_of_the_zone() -> None:
    late, later = datetime(2026, 6, 30, 21, tzinfo=UTC), datetime(2026, 6, 30, 23, tzinfo=UTC)
    two = [backup(1, late), backup(2, later)]
    policy = BackupPolicy(server_id=1, keep_daily=2)
    assert ids(expired(two, policy, NOW)) == [1]
    assert expired(two, policy, NOW, ZoneInfo("Europe/Berlin")) == []


def test_damaged_ones_are_none_of_the_last_few() -> None:
    five = every(timedelta(hours=1), 5)
    five[0], five[2] = (backup(one.id, one.created_at, verified=False) for one in (five[0], five[2]))
    assert ids(expired(five, BackupPolicy(server_id=1, keep_last=2), NOW)) == [5], "1 and 3 are damaged"


def test_one_before_a_restore_is_not_the_last_good_one() -> None:
    two = [backup(1, NOW - timedelta(days=1), cause="before_restore"), backup(2, NOW - timedelta(days=9))]
    assert expired(two, BackupPolicy(server_id=1, keep_days=7), NOW) == []


def test_a_damaged_one_does_not_stand_for_its_day() -> None:
    two = [backup(1, NOW - timedelta(hours=2)), backup(2, NOW - timedelta(hours=1), verified=False)]
    assert ids(expired(two, BackupPolicy(server_id=1, keep_daily=1), NOW)) == [2]


def test_locked_ones_and_those_a_node_is_at_are_never_deleted() -> None:
    three = [backup(1, NOW - timedelta(days=9), locked=True), backup(2, NOW - timedelta(days=8), job_id=UUID(int=7))]
    assert ids(expired([*three, *every(timedelta(hours=1), 1)], BackupPolicy(server_id=1, keep_days=1), NOW)) == []


def test_of_failures_and_of_those_before_restores_only_the_newest_are_kept() -> None:
    failed = [backup(number, NOW - timedelta(hours=number), state="failed") for number in range(1, 16)]
    safety = [backup(number, NOW - timedelta(hours=number), cause="before_restore") for number in range(20, 30)]
    gone = ids(expired([*failed, *safety], BackupPolicy(server_id=1, keep_last=1), NOW))
    assert gone == [*range(FAILED_KEPT + 1, 16), *range(20 + SAFETY_KEPT, 30)]


histories = st.lists(
    st.builds(
        lambda hours, state, verified, locked, cause: (hours, state, verified, locked, cause),
        st.integers(0, 24 * 900),
        st.sampled_from(["done", "done", "done", "failed", "running"]),
        st.sampled_from([None, True, False]),
        st.booleans(),
        st.sampled_from(["asked", "schedule", "before_restore"]),
    ),
    max_size=60,
)
counts = st.integers(0, 12)
policies = st.builds(
    lambda last, days, daily, weekly, monthly: BackupPolicy(
        server_id=1, keep_last=last, keep_days=days, keep_daily=daily, keep_weekly=weekly, keep_monthly=monthly
    ),
    st.none() | st.integers(1, 12),
    st.none() | st.integers(1, 400),
    counts,
    counts,
    counts,
)


@given(history=histories, policy=policies)
def test_over_any_history_the_last_good_one_and_whatever_a_rule_names_are_kept(
    history: list[tuple[int, str, bool | None, bool, str]], policy: BackupPolicy
) -> None:
    backups = [
        backup(number + 1, NOW - timedelta(hours=hours), state=state, verified=verified, locked=locked, cause=cause)
        for number, (hours, state, verified, locked, cause) in enumerate(history)
    ]
    gone = expired(backups, policy, NOW)
    kept = [one for one in backups if one not in gone]
    assert not any(one.locked or one.state == "running" for one in gone)
    if any(one.good for one in backups):
        assert any(one.good for one in kept)
    ruled = sorted(
        (one for one in backups if one.state == "done" and one.cause != "before_restore"),
        key=lambda one: (one.created_at, one.id),
        reverse=True,
    )
    assert all(one in kept for one in ruled[: policy.keep_last or 0])
    if policy.keep_days is not None:
        assert all(one in kept for one in ruled if one.created_at >= NOW - timedelta(days=policy.keep_days))
    months = {(one.created_at.year, one.created_at.month) for one in ruled if one.good}
    held = {(one.created_at.year, one.created_at.month) for one in kept if one.good}
    assert set(sorted(months, reverse=True)[: policy.keep_monthly]) <= held
    assert expired(kept, policy, NOW) == [], "what is kept stays kept: nothing is lost by looking twice"
