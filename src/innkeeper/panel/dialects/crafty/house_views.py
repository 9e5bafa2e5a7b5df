"""Crafty's objects of the house itself: its settings, its hosts, what was done, what can be installed.

Which of Crafty's settings are which of ours stands here, and which have no meaning, and why.
"""

from datetime import UTC
from typing import Any

import msgspec

from innkeeper.core.activity.model import Activity
from innkeeper.core.house.model import HouseChanges, HouseSettings
from innkeeper.core.metrics.model import Disk, HostUsage
from innkeeper.panel.dialects.crafty.errors import BodyIsNotAsDue
from innkeeper.panel.dialects.crafty.views import human_size, iso_time, python_list
from innkeeper.panel.product import Product

SETTINGS = {
    "language": "language",
    "cookie_expire": "session_days",
    "history_max_age": "minute_days",
    "stats_update_frequency_seconds": "sample_seconds",
    "virtual_terminal_lines": "terminal_lines",
    "max_log_lines": "log_lines",
    "max_audit_entries": "activity_entries",
    "stream_size_GB": "upload_gib",
    "keywords": "keywords",
    "enable_user_self_delete": "self_deletion",
    "monitored_mounts": "mounts",
    "dir_size_poll_freq_minutes": "disk_minutes",
}
"""Crafty's settings by what they are called here."""
_STARTED = "said when the panel is started; one that runs does not move."
_NOTHING = "there is nothing of the kind here."
MEANINGLESS = {
    "http_port": _STARTED,
    "https_port": _STARTED,
    "show_errors": "faults are never shown, they stand in the log.",
    "delete_default_json": _NOTHING,
    "show_contribute_link": _NOTHING,
    "disabled_language_files": _NOTHING,
    "allow_nsfw_profile_pictures": _NOTHING,
    "reset_secrets_on_next_boot": "every account ends its tokens at /auth/invalidate_tokens, at once.",
    "crafty_logs_delete_after_days": "the panel's log goes to standard error, and is kept by whoever reads it there.",
}
"""Crafty's settings that mean nothing here, and why."""


def config(settings: HouseSettings) -> dict[str, Any]:
    """Return the settings by Crafty's names, those that mean something."""
    return {theirs: getattr(settings, ours) for theirs, ours in SETTINGS.items()}


def changes(asked: dict[str, Any]) -> HouseChanges:
    """Return what is to be set otherwise; raise BodyIsNotAsDue for what cannot be."""
    try:
        return msgspec.convert({SETTINGS[key]: value for key, value in asked.items()}, HouseChanges)
    except msgspec.ValidationError as error:
        told = str(error)
        for theirs, ours in SETTINGS.items():
            told = told.replace(f"$.{ours}", f"$.{theirs}")
        raise BodyIsNotAsDue(told) from error


def host(node_id: int, usage: HostUsage) -> dict[str, Any]:
    """Return what a host uses; the processor's speeds are 0.0 where it does not tell."""
    return {
        "id": node_id,
        "time": iso_time(usage.at),
        "boot_time": f"{usage.booted_at.astimezone(UTC):%Y-%m-%d %H:%M:%S}+00:00",
        "cpu_usage": round(usage.cpu_percent, 2),
        "cpu_cores": usage.cpus,
        "cpu_cur_freq": usage.cpu_mhz or 0.0,
        "cpu_max_freq": usage.cpu_mhz_max or 0.0,
        "mem_percent": _percent(usage.memory_bytes, usage.memory_total_bytes),
        "mem_usage": human_size(usage.memory_bytes),
        "mem_total": human_size(usage.memory_total_bytes),
        "disk_json": python_list(disks(usage)),
    }


def disks(usage: HostUsage) -> list[dict[str, Any]]:
    """Return a host's file systems."""
    return [_disk(disk) for disk in usage.disks]


def _disk(disk: Disk) -> dict[str, Any]:
    return {
        "device": disk.device,
        "total_raw": disk.total_bytes,
        "total": human_size(disk.total_bytes),
        "used_raw": disk.used_bytes,
        "used": human_size(disk.used_bytes),
        "free_raw": disk.free_bytes,
        "free": human_size(disk.free_bytes),
        "percent_used": _percent(disk.used_bytes, disk.used_bytes + disk.free_bytes),
        "fs": disk.filesystem,
        "mount": disk.mount,
    }


def _percent(part: int, whole: int) -> float:
    return round(100 * part / whole, 1) if whole else 0.0


def entry(product: Product, activity: Activity) -> dict[str, Any]:
    """Return something that was done; who is no more has no name."""
    account = product.authority.accounts.get(activity.account_id) if activity.account_id is not None else None
    told = ", ".join(f"{name}: {value}" for name, value in sorted(activity.data.items()))
    return {
        "audit_id": activity.id,
        "created": iso_time(activity.at),
        "user_name": account.username if account is not None else "",
        "user_id": activity.account_id or 0,
        "source_ip": activity.address or "",
        "server_id": activity.server_id or 0,
        "log_msg": f"{activity.action} ({told})" if told else activity.action,
    }


def versions(product: Product) -> dict[str, dict[str, list[str]]] | None:
    """Return the versions that are known of every runtime by package, newest first; None where nothing is known."""
    found = {
        package.name: {
            runtime.name: list(known)
            for runtime in package.runtimes
            if runtime.index is not None and (known := product.offers.versions(package, runtime).versions)
        }
        for package in product.catalog.all()
    }
    return {name: runtimes for name, runtimes in found.items() if runtimes} or None
