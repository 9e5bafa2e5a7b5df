"""Crafty's webhooks as a view of ours, and back: the kinds by their titles, what they are told of by Crafty's names.

The seed and the original call the same events differently; both are understood, and the original's are shown. What ours
can tell beside that is called by our own names.
"""

from collections.abc import Iterable
from typing import Any

from msgspec import UNSET

from innkeeper.core.happenings import KINDS
from innkeeper.core.webhooks.model import Webhook, WebhookChanges, WebhookDraft
from innkeeper.panel.dialects.crafty.errors import Refused

EVENTS = {
    "start_server": "started",
    "stop_server": "stopped",
    "send_command": "command_sent",
    "kill": "killed",
    "crash_detected": "crashed",
    "backup_server": "backup_finished",
    "jar_update": "updated",
}
"""Ours by the original's names, in its order."""
_ALIASES = {
    "server_start": "started",
    "server_stop": "stopped",
    "server_kill": "killed",
    "kill_server": "killed",
    "server_crash": "crashed",
    "server_backup": "backup_finished",
    "server_update": "updated",
    "server_command": "command_sent",
}
_NAMES = {kind: name for name, kind in EVENTS.items()}
_FIELDS = {
    "name": "name",
    "url": "url",
    "bot_name": "bot_name",
    "body": "body",
    "color": "colour",
    "enabled": "enabled",
}


def draft_of(body: dict[str, Any]) -> WebhookDraft:
    """Return the webhook that a body, which keeps to WEBHOOK, asks for; raise Refused."""
    given = {ours: body[theirs] for theirs, ours in _FIELDS.items() if theirs in body}
    for needed in ("webhook_type", "name", "url", "trigger"):
        if needed not in body:
            raise Refused(error="INVALID_JSON_SCHEMA", error_data=f"{needed!r} is a required property")
    return WebhookDraft(kind=body["webhook_type"].lower(), triggers=_kinds(body["trigger"]), **given)


def changes_of(body: dict[str, Any]) -> WebhookChanges:
    """Return what a body asks to be changed; raise Refused."""
    return WebhookChanges(
        kind=body["webhook_type"].lower() if "webhook_type" in body else UNSET,
        triggers=_kinds(body["trigger"]) if "trigger" in body else UNSET,
        **{ours: body[theirs] for theirs, ours in _FIELDS.items() if theirs in body},
    )


def listed(webhook: Webhook) -> dict[str, Any]:
    """Return a webhook as lists show it."""
    return {
        "webhook_type": "JSON" if webhook.kind == "json" else webhook.kind.capitalize(),
        "name": webhook.name,
        "url": webhook.url,
        "bot_name": webhook.bot_name,
        "trigger": "".join(f"{name}," for name in names(webhook.triggers)),
        "body": webhook.body,
        "color": webhook.colour,
        "enabled": webhook.enabled,
    }


def alone(webhook: Webhook) -> dict[str, Any]:
    """Return one webhook: as the original shows it, and below its id as the seed does."""
    shown = listed(webhook)
    return {"id": webhook.id, "server_id": webhook.server_id, **shown, str(webhook.id): shown}


def names(triggers: Iterable[str]) -> list[str]:
    """Return what a webhook is told of, Crafty's own events first."""
    held = set(triggers)
    return [name for name, kind in EVENTS.items() if kind in held] + sorted(held - _NAMES.keys())


def _kinds(triggers: Iterable[str]) -> frozenset[str]:
    found = set()
    for name in triggers:
        kind = EVENTS.get(name) or _ALIASES.get(name) or (name if name in KINDS else None)
        if kind is None:
            known = ", ".join([*EVENTS, *sorted(KINDS - _NAMES.keys())])
            raise Refused(error="UNKNOWN_TRIGGER", error_data=f"There is no trigger {name!r}, but {known}.")
        found.add(kind)
    return frozenset(found)
