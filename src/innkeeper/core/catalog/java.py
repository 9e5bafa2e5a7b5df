"""Which Java a version needs: what its vendor says, else what its package says of the game's versions.

Knows no node and no Java that is installed anywhere.
"""

import re

from innkeeper.core.catalog.model import Package, Runtime
from innkeeper.core.servers.model import Release

_NUMBERS = re.compile(r"[0-9]{1,9}(\.[0-9]{1,9})*")
JAVA = "java"
"""What a runtime requires that Java runs."""


def java_of(package: Package, runtime: Runtime | None, release: Release | None, version: str) -> int | None:
    """Return the Java major that a version of `runtime` needs; None: none.

    With `runtime` None, what is pinned tells alone whether it needs any.
    """
    if release is not None and release.java is not None:
        return release.java
    needs_it = JAVA in runtime.requires if runtime is not None else release is not None
    if not needs_it or not package.java:
        return None
    game = numbers((release.game_version if release is not None else "") or version)
    # A version that is no number is a preview of what is to come.
    fitting = (rule.major for rule in package.java if game is None or numbers(rule.since) <= game)  # type: ignore[operator]
    return next(fitting, package.java[-1].major)


def numbers(version: str) -> tuple[int, ...] | None:
    """Return the numbers that a version begins with, None where it begins with none: "1.20.1-pre1" is (1, 20, 1)."""
    found = _NUMBERS.match(version)
    return tuple(int(part) for part in found.group().split(".")) if found else None
