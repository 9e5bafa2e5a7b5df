"""Which backups a policy keeps, and which have had their time: a pure function of rows, rules and the moment.

    newest first   ■ ■ ■ ■ ■ ■ ■ ■ ■ ■
    keep_last 3    K K K
    keep_daily 4   K     K   K   K            the newest of each day that has one
    keep_monthly 2 K                 K        and so on: what any rule keeps is kept

Deletes nothing, knows no store. What is locked, or the only good one left, has never had its time.
"""

from collections.abc import Callable, Hashable, Sequence
from datetime import UTC, datetime, timedelta, tzinfo

from innkeeper.core.backups.model import Backup, BackupPolicy

SAFETY_KEPT = 3
"""Of the backups that were made before restores, the newest are kept; no other rule speaks of them."""
FAILED_KEPT = 10
"""Of those that failed, so many rows are kept to be read."""


def expired(backups: Sequence[Backup], policy: BackupPolicy, now: datetime, zone: tzinfo = UTC) -> list[Backup]:
    """Return which of a server's backups are to be deleted at `now`, newest first; days are those of `zone`."""
    known = sorted(backups, key=lambda backup: (backup.created_at, backup.id), reverse=True)
    done = [backup for backup in known if backup.state == "done" and backup.cause != "clone"]
    failed = [backup for backup in known if backup.state == "failed"]
    kept = _kept([backup for backup in done if backup.cause != "before_restore"], policy, now, zone)
    kept |= {backup.id for backup in [one for one in done if one.cause == "before_restore"][:SAFETY_KEPT]}
    kept |= {backup.id for backup in failed[:FAILED_KEPT]}
    kept |= {backup.id for backup in known if backup.locked or backup.job_id is not None}
    kept |= {backup.id for backup in [one for one in done if one.good][:1]}
    # What was kept before a restore is what somebody wanted to be rid of.
    kept |= {backup.id for backup in [one for one in done if one.good and one.cause != "before_restore"][:1]}
    eligible = {backup.id for backup in (*done, *failed)} - kept
    return [backup for backup in known if backup.id in eligible]


def _kept(backups: list[Backup], policy: BackupPolicy, now: datetime, zone: tzinfo) -> set[int]:
    if policy.keeps_all:
        return {backup.id for backup in backups}
    # One that was found damaged must stand neither for one of the last nor for its day where another could.
    good = [backup for backup in backups if backup.good]
    kept = _last(backups, good, policy.keep_last or 0)
    if policy.keep_days is not None:
        since = now - timedelta(days=policy.keep_days)
        kept |= {backup.id for backup in backups if backup.created_at >= since}
    for count, period in (
        (policy.keep_daily, _day),
        (policy.keep_weekly, _week),
        (policy.keep_monthly, _month),
    ):
        kept |= _newest_of_each(good, count, period, zone)
    return kept


def _last(backups: list[Backup], good: list[Backup], count: int) -> set[int]:
    """Return the last `count` good ones, and what lies between them."""
    if not count:
        return set()
    oldest = good[count - 1] if len(good) >= count else None
    return {backup.id for backup in (backups[: backups.index(oldest) + 1] if oldest is not None else backups)}


def _newest_of_each(
    backups: list[Backup], count: int, period: Callable[[datetime], Hashable], zone: tzinfo
) -> set[int]:
    found: dict[Hashable, int] = {}
    for backup in backups:
        found.setdefault(period(backup.created_at.astimezone(zone)), backup.id)
        if len(found) > count:
            break
    return set(list(found.values())[:count])


def _day(moment: datetime) -> Hashable:
    return moment.date()


def _week(moment: datetime) -> Hashable:
    return moment.isocalendar()[:2]


def _month(moment: datetime) -> Hashable:
    return (moment.year, moment.month)
