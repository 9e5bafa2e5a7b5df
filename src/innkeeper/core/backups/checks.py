"""What may be asked of backups: names, paths, rules. Knows no server and no store."""

import posixpath

from innkeeper.core.backups.errors import BackupNameIsInvalid, BackupPathsAreInvalid, BackupPolicyIsInvalid
from innkeeper.core.backups.model import BackupPolicy
from innkeeper.kit.lines import NOT_IN_A_LINE

MOST_PATHS = 100
MOST_EXCLUSIONS = 100
LONGEST_EXCLUSION = 500
MOST_LINES = 20
LONGEST_LINE = 1000
_BOUNDS = {
    "keep_last": (1, 10_000),
    "keep_days": (1, 36_500),
    "keep_daily": (0, 10_000),
    "keep_weekly": (0, 10_000),
    "keep_monthly": (0, 10_000),
}


def check_name(name: str) -> None:
    """Raise BackupNameIsInvalid unless a backup may be called so; it may have no name."""
    if len(name) > 100 or NOT_IN_A_LINE.search(name):
        raise BackupNameIsInvalid


def check_paths(paths: tuple[str, ...]) -> tuple[str, ...]:
    """Return paths below a server's folder, each without needless parts; raise BackupPathsAreInvalid."""
    if not 1 <= len(paths) <= MOST_PATHS:
        raise BackupPathsAreInvalid
    found = []
    for path in paths:
        plain = posixpath.normpath(path.strip("/"))
        if plain in ("", ".", "..") or plain.startswith("../") or "\0" in plain or len(plain) > 4000:
            raise BackupPathsAreInvalid(path=path[:200])
        found.append(plain)
    return tuple(found)


def check_policy(policy: BackupPolicy) -> None:
    """Raise BackupPolicyIsInvalid, naming the field, unless rules can be so."""
    for field, (least, most) in _BOUNDS.items():
        value = getattr(policy, field)
        if value is not None and not least <= value <= most:
            raise BackupPolicyIsInvalid(f"{field} is a number from {least} to {most:,}.", field=field)
    if len(policy.exclusions) > MOST_EXCLUSIONS:
        raise BackupPolicyIsInvalid(f"At most {MOST_EXCLUSIONS} patterns are left out.", field="exclusions")
    for pattern in policy.exclusions:
        parts = pattern.removeprefix("!").split("/")
        if not pattern.strip() or len(pattern) > LONGEST_EXCLUSION or NOT_IN_A_LINE.search(pattern) or ".." in parts:
            raise BackupPolicyIsInvalid(f"{pattern[:100]!r} is no pattern of what is left out.", field="exclusions")
    for field in ("before", "after"):
        lines = getattr(policy, field).splitlines()
        if len(lines) > MOST_LINES or any(len(line) > LONGEST_LINE or NOT_IN_A_LINE.search(line) for line in lines):
            raise BackupPolicyIsInvalid(f"{field} is up to {MOST_LINES} lines for the console.", field=field)
