"""`innkeeper schedules`: what is done with a server at its times."""

import re
from datetime import datetime
from typing import Annotated, Any

import typer

from innkeeper.cli.call import Call, verb
from innkeeper.cli.failures import CommandFailed
from innkeeper.cli.finding import ServerName, find_server, pick
from innkeeper.cli.output import moment
from innkeeper.cli.servers import Limit, Sure, confirm

schedules = typer.Typer(help="What is done with a server at its times.", no_args_is_help=True)

ScheduleName = Annotated[str, typer.Argument(metavar="SCHEDULE", help="Its name, its id, or the beginning of its id.")]
EveryOption = Annotated[
    str | None, typer.Option("--every", metavar="TIME", help="Again and again: 15m, 6h or 3d, say.")
]
At = Annotated[str | None, typer.Option("--at", metavar="HH:MM", help="The time of day, with --every in days.")]
CronOption = Annotated[
    str | None,
    typer.Option("--cron", metavar="EXPRESSION", help="Minute, hour, day of month, month, day of week."),
]
AfterOption = Annotated[
    str | None, typer.Option("--after", metavar="SCHEDULE", help="When a run of another schedule has ended.")
]
Delay = Annotated[int | None, typer.Option("--delay", metavar="SECONDS", min=0, help="So long after, with --after.")]
On = Annotated[
    str | None, typer.Option("--on", metavar="MOMENT", help="At one moment: 2026-12-24T18:00, in your own time.")
]
Do = Annotated[
    str | None, typer.Option("--do", metavar="ACT", help="start, stop, restart, kill, backup, verify or update.")
]
Commands = Annotated[
    list[str], typer.Option("--command", "-c", metavar="LINE", help="Type this on the console, as often as needed.")
]
Zone = Annotated[str | None, typer.Option("--zone", help="The time zone of its clock, like Europe/Berlin; else UTC.")]
OnlyOnce = Annotated[bool | None, typer.Option("--only-once/--for-ever", help="Remove it after its run.")]
MakeUp = Annotated[
    bool | None, typer.Option("--make-up/--skip", help="What becomes of a run that was missed; it is skipped else.")
]
_INTERVAL = re.compile(r"(\d{1,6})([mhd])")
_UNITS = {"m": "minutes", "h": "hours", "d": "days"}


@verb(schedules, "ls")
def list_schedules(call: Call, server: ServerName) -> None:
    """List the schedules of a server."""
    item = find_server(call.client, server)
    found = _all(call, item)
    names = {one["id"]: one["name"] for one in found}
    rows = [
        (
            one["name"],
            "yes" if one["enabled"] else "no",
            _when(one, names),
            _what(one),
            moment(one["next_at"]),
            moment(one["last_at"]),
            one["id"],
        )
        for one in found
    ]
    headings = ("name", "enabled", "when", "what", "next", "last", "id")
    call.out.table(found, headings, rows, empty=f"{item['name']} has no schedule.")


@verb(schedules, "create")
def create_schedule(
    call: Call,
    server: ServerName,
    name: Annotated[str, typer.Argument(help="What it is to be called.")],
    every: EveryOption = None,
    at: At = None,
    cron: CronOption = None,
    after: AfterOption = None,
    delay: Delay = None,
    on: On = None,
    do: Do = None,
    commands: Commands = [],  # noqa: B006 - typer needs a list
    zone: Zone = None,
    only_once: OnlyOnce = None,
    make_up: MakeUp = None,
    disabled: Annotated[bool, typer.Option("--disabled", help="Do not begin with it yet.")] = False,
) -> None:
    """Make a schedule: say when by one of --every, --cron, --after, --on, and what by --do or --command."""
    item = find_server(call.client, server)
    body = _changes(call, item, every, at, cron, after, delay, on, do, commands, zone, only_once, make_up)
    for field, options in (("trigger", "--every, --cron, --after and --on"), ("act", "--do and --command")):
        if field not in body:
            raise typer.BadParameter(f"one of {options} is needed")
    made = call.client.post(f"/servers/{item['id']}/schedules", body | {"name": name, "enabled": not disabled})
    _tell(call, made)


@verb(schedules, "set")
def change_schedule(
    call: Call,
    server: ServerName,
    schedule: ScheduleName,
    name: Annotated[str | None, typer.Option(help="What it is to be called.")] = None,
    every: EveryOption = None,
    at: At = None,
    cron: CronOption = None,
    after: AfterOption = None,
    delay: Delay = None,
    on: On = None,
    do: Do = None,
    commands: Commands = [],  # noqa: B006 - typer needs a list
    zone: Zone = None,
    only_once: OnlyOnce = None,
    make_up: MakeUp = None,
    enabled: Annotated[bool | None, typer.Option("--enable/--disable", help="Whether it runs.")] = None,
) -> None:
    """Change a schedule; it runs on your behalf from then on. What is left out stays."""
    item = find_server(call.client, server)
    known = _one(call, item, schedule)
    body = _changes(call, item, every, at, cron, after, delay, on, do, commands, zone, only_once, make_up)
    body |= {key: value for key, value in (("name", name), ("enabled", enabled)) if value is not None}
    _tell(call, call.client.patch(f"/servers/{item['id']}/schedules/{known['id']}", body))


@verb(schedules, "delete")
def delete_schedule(call: Call, server: ServerName, schedule: ScheduleName, yes: Sure = False) -> None:
    """Delete a schedule with what is known of its runs. Those that wait for it are disabled."""
    item = find_server(call.client, server)
    known = _one(call, item, schedule)
    confirm(call, f"Delete the schedule {known['name']} of {item['name']}?", yes)
    call.client.delete(f"/servers/{item['id']}/schedules/{known['id']}")
    call.out.result({}, f"{known['name']} is deleted.")


@verb(schedules, "run")
def run_schedule(call: Call, server: ServerName, schedule: ScheduleName) -> None:
    """Run a schedule now, beside its times."""
    item = find_server(call.client, server)
    known = _one(call, item, schedule)
    run = call.client.post(f"/servers/{item['id']}/schedules/{known['id']}/run")
    call.out.result(run, f"{known['name']} runs; see `innkeeper schedules runs`.")


@verb(schedules, "runs")
def list_runs(call: Call, server: ServerName, schedule: ScheduleName, limit: Limit = 20) -> None:
    """List the runs of a schedule that are still known, newest first."""
    item = find_server(call.client, server)
    known = _one(call, item, schedule)
    found = call.client.pages(f"/servers/{item['id']}/schedules/{known['id']}/runs", limit=limit)
    rows = [
        (moment(run["due_at"]), run["state"], run["reason"], moment(run["finished_at"]), run["cause"], run["id"])
        for run in found
    ]
    headings = ("due", "state", "reason", "ended", "cause", "id")
    call.out.table(found, headings, rows, empty=f"{known['name']} has not run.")


@verb(schedules, "next")
def list_upcoming(call: Call, server: ServerName, schedule: ScheduleName, limit: Limit = 5) -> None:
    """List the next moments at which a schedule is due, in your own time."""
    item = find_server(call.client, server)
    known = _one(call, item, schedule)
    path = f"/servers/{item['id']}/schedules/{known['id']}/upcoming"
    found = call.client.get(path, count=limit)["items"]
    rows = [(moment(at),) for at in found]
    call.out.table(found, ("due",), rows, empty=f"When {known['name']} is due next is not known.")


def _changes(
    call: Call,
    item: dict[str, Any],
    every: str | None,
    at: str | None,
    cron: str | None,
    after: str | None,
    delay: int | None,
    on: str | None,
    do: str | None,
    commands: list[str],
    zone: str | None,
    only_once: bool | None,
    make_up: bool | None,
) -> dict[str, Any]:
    """Return what was said of a schedule, as the API takes it."""
    triggers = [
        *([_interval(every, at)] if every is not None else []),
        *([{"kind": "cron", "expression": cron}] if cron is not None else []),
        *([{"kind": "after", "schedule": _one(call, item, after)["id"], "delay_s": delay or 0}] if after else []),
        *([{"kind": "once", "at": _moment(on)}] if on is not None else []),
    ]
    if len(triggers) > 1:
        raise typer.BadParameter("only one of --every, --cron, --after and --on can be given")
    if do is not None and commands:
        raise typer.BadParameter("only one of --do and --command can be given")
    act = {"kind": do} if do is not None else {"kind": "command", "command": "\n".join(commands)}
    said: dict[str, Any] = {"trigger": triggers[0]} if triggers else {}
    said |= {"act": act} if do is not None or commands else {}
    said |= {"zone": zone} if zone is not None else {}
    said |= {"once": only_once} if only_once is not None else {}
    said |= {"missed": "run" if make_up else "skip"} if make_up is not None else {}
    return said


def _interval(text: str, at: str | None) -> dict[str, Any]:
    found = _INTERVAL.fullmatch(text)
    if found is None:
        raise typer.BadParameter(f"{text!r} is no interval: it has to be like 15m, 6h or 3d")
    trigger = {"kind": "every", "count": int(found[1]), "unit": _UNITS[found[2]]}
    return trigger | ({"at": at} if at is not None else {})


def _moment(text: str) -> str:
    try:
        return datetime.fromisoformat(text).astimezone().isoformat()
    except (ValueError, OverflowError) as error:
        raise CommandFailed(
            f"{text!r} is no time: it has to be like 2026-12-24T18:00.", code="time_is_invalid", kind="invalid"
        ) from error


def _all(call: Call, item: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = call.client.get(f"/servers/{item['id']}/schedules")["items"]
    return found


def _one(call: Call, item: dict[str, Any], wanted: str) -> dict[str, Any]:
    return pick(_all(call, item), wanted, "schedule")


def _tell(call: Call, item: dict[str, Any]) -> None:
    due = f"is due at {moment(item['next_at'])}" if item["next_at"] else "is not due by itself"
    call.out.result(item, f"{item['name']} {due if item['enabled'] else 'is disabled'}.")


def _when(item: dict[str, Any], names: dict[str, str]) -> str:
    trigger = item["trigger"]
    match trigger["kind"]:
        case "every":
            at = f" at {trigger['at']}" if trigger["unit"] == "days" else ""
            return f"every {trigger['count']} {trigger['unit']}{at} ({item['zone']})"
        case "cron":
            return f"{trigger['expression']} ({item['zone']})"
        case "after":
            return f"{trigger['delay_s']} s after {names.get(trigger['schedule'], 'one that is gone')}"
        case _:
            return f"on {moment(trigger['at'])}"


def _what(item: dict[str, Any]) -> str:
    act = item["act"]
    return "; ".join(act["command"].splitlines()) if act["kind"] == "command" else act["kind"]
