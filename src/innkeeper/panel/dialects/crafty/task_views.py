"""Crafty's tasks as a view of schedules, and back.

    interval_type "minutes", "hours"   every so many of them         "" with a cron_string   when it fits
    interval_type "days"               every so many at start_time   "reaction"              `delay` after `parent`

What is done says `command`: `start_server` and its like are what they name, anything else is typed on the console.
Without a command, `action` says it. What a schedule has no place for is kept in its labels and given back word for
word, as long as nobody has changed the schedule by other means. `verify_backup` is ours; the original verifies nothing.
Times are those of UTC.
"""

from collections.abc import Iterable
from datetime import UTC
from typing import Any
from zoneinfo import ZoneInfo

from msgspec import UNSET, UnsetType

from innkeeper.core.schedules.model import (
    Act,
    ActKind,
    After,
    Cron,
    Every,
    Once,
    Schedule,
    ScheduleChanges,
    ScheduleDraft,
    Trigger,
)
from innkeeper.panel.dialects.crafty.errors import BodyIsNotAsDue, Refused
from innkeeper.panel.dialects.crafty.views import us_time

_PREFIX = "crafty."
_LABELLED = ("action", "command", "interval", "start_time", "delay")
_KIND = f"{_PREFIX}kind"
ACTS: dict[str, ActKind] = {
    "start": "start",
    "start_server": "start",
    "stop": "stop",
    "stop_server": "stop",
    "restart": "restart",
    "restart_server": "restart",
    "kill": "kill",
    "kill_server": "kill",
    "backup": "backup",
    "backup_server": "backup",
    "verify_backup": "verify",
    "update": "update",
    "update_executable": "update",
}
_COMMANDS = {kind: name for name, kind in ACTS.items() if "_" in name}
_NEEDED = ("name", "action", "interval_type")
DEFAULTS: dict[str, Any] = {
    "enabled": True,
    "interval": 1,
    "start_time": "00:00",
    "command": "",
    "one_time": False,
    "cron_string": "",
    "parent": None,
    "delay": 0,
}


def draft_of(body: dict[str, Any]) -> ScheduleDraft:
    """Return the schedule that a body, which keeps to TASK, asks for; raise BodyIsNotAsDue, Refused."""
    for name in _NEEDED:
        if name not in body and not (name == "interval_type" and body.get("cron_string")):
            raise BodyIsNotAsDue(f"{name!r} is a required property")
    asked = DEFAULTS | {"interval_type": ""} | body
    act = _act(asked)
    return ScheduleDraft(
        name=asked["name"],
        trigger=_trigger(asked),
        act=act,
        enabled=asked["enabled"],
        once=asked["one_time"],
        labels=_labels(asked, act),
    )


def changes_of(schedule: Schedule, body: dict[str, Any]) -> ScheduleChanges:
    """Return what a body asks to be changed of a schedule; raise Refused."""
    asked = fields(schedule) | body
    of_time = {"interval", "interval_type", "start_time", "cron_string", "parent", "delay"} & body.keys()
    act: Act | UnsetType = _act(asked) if {"action", "command"} & body.keys() else UNSET
    return ScheduleChanges(
        name=body.get("name", UNSET),
        enabled=body.get("enabled", UNSET),
        once=body.get("one_time", UNSET),
        trigger=_trigger(asked) if of_time else UNSET,
        act=act,
        labels=_labels(asked, schedule.act if isinstance(act, UnsetType) else act)
        if body.keys() & _LABELLED
        else UNSET,
    )


def task(schedule: Schedule, server: dict[str, Any], known: Iterable[Schedule]) -> dict[str, Any]:
    """Return a schedule as a task of a server, which is shown as `server`; `known` are all schedules of it."""
    shown_fields = fields(schedule)
    if shown_fields["parent"] not in {one.id for one in known}:
        shown_fields["parent"] = None  # it was deleted
    at = schedule.next_at.astimezone(ZoneInfo(schedule.zone)) if schedule.next_at is not None else None
    # us_time says UTC; the original says the time of the task's own clock.
    shown = us_time(at.replace(tzinfo=UTC)) if at is not None and schedule.enabled else ""
    return {"schedule_id": schedule.id, "server_id": server} | shown_fields | {"next_run": shown}


def fields(schedule: Schedule) -> dict[str, Any]:
    """Return what of a task can be set."""
    labels, trigger, act = schedule.labels, schedule.trigger, schedule.act
    own = labels.get(_KIND) == act.kind
    command = act.command if act.kind == "command" else _COMMANDS[act.kind]
    found: dict[str, Any] = {
        "enabled": schedule.enabled,
        "action": labels.get(f"{_PREFIX}action", "command") if own else act.kind,
        "interval": int(labels.get(f"{_PREFIX}interval", "0")),
        "interval_type": "",
        "start_time": labels.get(f"{_PREFIX}start_time", "00:00"),
        "command": labels.get(f"{_PREFIX}command", "") if own and act.kind != "command" else command,
        "name": schedule.name,
        "one_time": schedule.once,
        "cron_string": "",
        "parent": None,
        "delay": int(labels.get(f"{_PREFIX}delay", "0")),
    }
    match trigger:
        case Every(count=count, unit="days", at=at):
            found |= {"interval": count, "interval_type": "days", "start_time": at}
        case Every(count=count, unit=unit):
            found |= {"interval": count, "interval_type": unit}
        case Cron(expression=expression):
            found["cron_string"] = expression
        case After(schedule_id=parent, delay_s=delay):
            found |= {"interval_type": "reaction", "parent": parent, "delay": delay}
        case Once():
            found["one_time"] = True
    return found


def _trigger(asked: dict[str, Any]) -> Trigger:
    kind = asked["interval_type"]
    if kind == "reaction":
        if asked["parent"] is None:
            raise Refused(error="NO PARENT GIVEN", error_data="A reaction needs a parent, the task that it follows.")
        return After(schedule_id=asked["parent"], delay_s=asked["delay"])
    if asked["cron_string"] or not kind:
        return Cron(expression=asked["cron_string"])
    if kind == "days":
        return Every(count=asked["interval"], unit="days", at=_clock(asked["start_time"]))
    return Every(count=asked["interval"], unit=kind)


def _clock(text: str) -> str:
    """Return a time of day with both its numbers of two digits."""
    hour, _, minute = text.partition(":")
    return f"{hour:0>2}:{minute:0>2}"


def _act(asked: dict[str, Any]) -> Act:
    command = (asked["command"] or "").strip()
    named = ACTS.get(command) or (ACTS.get(asked["action"]) if not command else None)
    if named is not None:
        return Act(kind=named)
    if not command:
        error_data = f"There is no action {asked['action']!r}, and no command."
        raise Refused(error="NO COMMAND GIVEN", error_data=error_data)
    return Act(kind="command", command=command)


def _labels(asked: dict[str, Any], act: Act) -> dict[str, str]:
    given = {name: asked[name] for name in _LABELLED if asked[name] is not None}
    if act.kind == "command":
        given.pop("command", None)  # it is the act's own
    return {f"{_PREFIX}{name}": str(value) for name, value in given.items()} | {_KIND: act.kind}
