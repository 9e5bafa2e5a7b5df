"""Crafty's backups as a view of ours: a server's rules for them, and each finished one as a file of a name.

The name says when a backup was made and which it is (`2026-11-21_17-21-52_12.zip`), so that it is found again by it.
There is no such file: a store keeps what all backups have in common once.
"""

import re
from collections.abc import Iterable
from datetime import UTC
from typing import Any

import msgspec

from innkeeper.core.backups.model import Backup, BackupPolicy
from innkeeper.panel.dialects.crafty.errors import HasNoMeaning
from innkeeper.panel.dialects.crafty.views import human_size

_NAME = re.compile(r"\d{4}-\d\d-\d\d_\d\d-\d\d-\d\d_(\d{1,15})(?:\.zip)?")


def name_of(backup: Backup) -> str:
    """Return the file name by which a backup goes."""
    return f"{backup.created_at.astimezone(UTC):%Y-%m-%d_%H-%M-%S}_{backup.id}.zip"


def id_of(name: str) -> int | None:
    """Return the id of the backup that goes by a name, or a path that ends with it; None where it is none."""
    found = _NAME.fullmatch(name.rsplit("/", 1)[-1])
    return int(found[1]) if found else None


def rules(policy: BackupPolicy, path: str, backups: Iterable[Backup]) -> dict[str, Any]:
    """Return how a server's backups are made, and beside what the original tells, which there are."""
    return {
        "backup_path": path,
        "excluded_dirs": ",".join(policy.exclusions) or None,
        "max_backups": policy.keep_last or 0,
        "server_id": policy.server_id,
        "compress": True,
        "shutdown": policy.stop_first,
        "before": policy.before,
        "after": policy.after,
        "backup_list": [
            {"path": name_of(backup), "size": human_size(backup.bytes or 0)} for backup in backups if backup.good
        ],
    }


def changed(policy: BackupPolicy, path: str, body: dict[str, Any], exclusions: tuple[str, ...]) -> BackupPolicy:
    """Return the rules as a body, which keeps to BACKUP_PATCH, asks for them; raise HasNoMeaning."""
    if body.get("compress") is False:
        raise HasNoMeaning("compress: all backups are.", field="compress")
    if body.get("backup_path", path) != path:
        raise HasNoMeaning("backup_path: where backups are kept is the house's to say.", field="backup_path")
    names = {"shutdown": "stop_first", "backup_before": "before", "backup_after": "after"}
    given: dict[str, Any] = {new: body[old] for old, new in names.items() if old in body}
    if "max_backups" in body:
        given["keep_last"] = body["max_backups"] or None
    if "exclusions" in body:
        given["exclusions"] = exclusions
    return msgspec.structs.replace(policy, **given)
