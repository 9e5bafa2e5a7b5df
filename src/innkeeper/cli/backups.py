"""`innkeeper backups`, and `innkeeper servers clone`: backups made, listed, put back, downloaded, kept by rules."""

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from innkeeper.cli.call import Call, verb
from innkeeper.cli.failures import CommandFailed
from innkeeper.cli.files import receive
from innkeeper.cli.finding import ServerName, find_server, pick
from innkeeper.cli.output import moment, size
from innkeeper.cli.power import Wait, finish
from innkeeper.cli.servers import Sure, confirm, servers
from innkeeper.cli.transfer import bar
from innkeeper.cli.waiting import progress_line

backups = typer.Typer(help="Backups of a server.", no_args_is_help=True)
policy = typer.Typer(help="By which rules a server's backups are made and kept.", no_args_is_help=True)
backups.add_typer(policy, name="policy")

BackupName = Annotated[
    str, typer.Argument(metavar="BACKUP", help="Its name, its id, the beginning or the end of its id, or: latest.")
]
NewName = Annotated[str, typer.Argument(metavar="NAME", help="What the new server is called.")]
_AGAIN_S = 0.5


@verb(backups, "ls")
def list_backups(call: Call, server: ServerName) -> None:
    """List a server's backups, newest first."""
    item = find_server(call.client, server)
    found = call.client.get(f"/servers/{item['id']}/backups")["items"]
    rows = [
        (
            one["id"][-8:],
            one["name"],
            moment(one["created_at"]),
            one["state"],
            one["cause"],
            size(one["bytes"]),
            size(one["stored_bytes"]),
            ", ".join(_marks(one)),
        )
        for one in found
    ]
    columns = ("id", "name", "made", "state", "cause", "size", "stored", "")
    call.out.table(found, columns, rows, empty="There are no backups.")


def _marks(one: dict[str, Any]) -> list[str]:
    verified = {True: "verified", False: "DAMAGED", None: ""}[one["verified"]]
    return [mark for mark in ("locked" if one["locked"] else "", verified, one["reason"] or "") if mark]


@verb(backups, "create")
def create_backup(
    call: Call,
    server: ServerName,
    name: Annotated[str, typer.Option(help="What it is called.")] = "",
    wait: Wait = True,
) -> None:
    """Make a backup, whether the game runs or not."""
    item = find_server(call.client, server)
    one = call.client.post(f"/servers/{item['id']}/backups", {"name": name})
    if wait:
        one = _until(call, item, one, lambda now: now["state"] in ("done", "failed"))
        if one["state"] == "failed":
            raise CommandFailed(f"The backup failed: {one['reason']}", code="backup_failed", data={"backup": one})
    made = "is made" if one["state"] == "done" else "is being made"
    text = f"Backup {one['id'][-8:]} of {item['name']} {made}" + (f": {size(one['bytes'])}." if wait else ".")
    call.out.result(one, text)


@verb(backups, "verify")
def verify_backup(call: Call, server: ServerName, backup: BackupName) -> None:
    """Read a backup whole, restore it into scratch and compare."""
    item, one = _find(call, server, backup)
    one = call.client.post(f"/servers/{item['id']}/backups/{one['id']}/verify")
    one = _until(call, item, one, lambda now: not now["verifying"])
    if not one["verified"]:
        raise CommandFailed(f"It is not whole: {one['problem']}", code="backup_is_damaged", data={"backup": one})
    call.out.result(one, f"Backup {one['id'][-8:]} is whole: {one['files']} files, {size(one['bytes'])}.")


@verb(backups, "restore")
def restore_backup(
    call: Call,
    server: ServerName,
    backup: BackupName,
    paths: Annotated[
        list[str] | None, typer.Option("--path", help="Only this file or folder, while the game runs; repeatable.")
    ] = None,
    keep_others: Annotated[bool, typer.Option("--keep-others", help="Leave files that the backup has not.")] = False,
    yes: Sure = False,
    wait: Wait = True,
) -> None:
    """Put a backup in the place of a server's files. What there was is kept as a backup of its own."""
    item, one = _find(call, server, backup)
    what = ", ".join(paths) if paths else "all files"
    confirm(call, f"Put back {what} of {item['name']} as of {moment(one['created_at'])}?", yes)
    body = {"paths": paths or None, "delete_others": not keep_others}
    operation = call.client.post(f"/servers/{item['id']}/backups/{one['id']}/restore", body)
    finish(call, item, operation, wait=wait)


@verb(backups, "get")
def download_backup(
    call: Call,
    server: ServerName,
    backup: BackupName,
    target: Annotated[
        str, typer.Argument(metavar="[TARGET]", help="A file here, .tar.gz, .tar.zst or .zip; - prints a .tar.gz.")
    ] = "",
    path: Annotated[str, typer.Option(help="Only what is at or below this path.")] = "",
) -> None:
    """Download a backup as an archive."""
    item, one = _find(call, server, backup)
    local = Path(target or f"{item['name']}-{one['id'][-8:]}.tar.gz".replace("/", "_"))
    forms = ("tar.gz", "tar.zst", "zip")
    form = next((known for known in forms if local.name.endswith(f".{known}")), None)
    if target == "-":
        form = "tar.gz"
    if form is None:
        raise typer.BadParameter(f"{local.name} ends in none of {', '.join(forms)}", param_hint="TARGET")
    where = f"/servers/{item['id']}/backups/{one['id']}/content"
    with call.client.download(where, form=form, path=path) as (length, parts):
        if target == "-":
            for part in parts:
                sys.stdout.buffer.write(part)
            sys.stdout.buffer.flush()
            return
        with bar(local.name, length, quiet=call.out.as_json) as advance:
            count = receive(local, parts, advance)
    call.out.result({"path": str(local), "size": count}, f"{local}: {size(count)}.")


@verb(backups, "lock")
def lock_backup(call: Call, server: ServerName, backup: BackupName) -> None:
    """Keep a backup whatever the rules say."""
    _change(call, server, backup, "lock", "is locked")


@verb(backups, "unlock")
def unlock_backup(call: Call, server: ServerName, backup: BackupName) -> None:
    """Leave a backup to the rules again."""
    _change(call, server, backup, "unlock", "is locked no more")


@verb(backups, "rm")
def delete_backup(call: Call, server: ServerName, backup: BackupName, yes: Sure = False) -> None:
    """Delete a backup."""
    item, one = _find(call, server, backup)
    confirm(call, f"Delete the backup of {item['name']} as of {moment(one['created_at'])}?", yes)
    call.client.delete(f"/servers/{item['id']}/backups/{one['id']}")
    call.out.result({"id": one["id"]}, "It is deleted.")


@verb(backups, "new-server")
def restore_into_new(call: Call, server: ServerName, backup: BackupName, name: NewName, wait: Wait = True) -> None:
    """Make a new server out of a backup."""
    item, one = _find(call, server, backup)
    made = call.client.post(f"/servers/{item['id']}/backups/{one['id']}/server", {"name": name})
    finish(call, {"id": made["server"], "name": name}, made["operation"], wait=wait)


@verb(servers, "clone")
def clone_server(call: Call, server: ServerName, name: NewName, wait: Wait = True) -> None:
    """Make a new server like another, with its files as they are now."""
    item = find_server(call.client, server)
    made = call.client.post(f"/servers/{item['id']}/clone", {"name": name})
    finish(call, {"id": made["server"], "name": name}, made["operation"], wait=wait)


@verb(policy, "show")
def show_policy(call: Call, server: ServerName) -> None:
    """Show the rules."""
    item = find_server(call.client, server)
    _tell_policy(call, call.client.get(f"/servers/{item['id']}/backups/policy"))


Count = int | None


@verb(policy, "set")
def set_policy(
    call: Call,
    server: ServerName,
    exclude: Annotated[list[str] | None, typer.Option(help="A pattern that is left out; repeatable.")] = None,
    before: Annotated[list[str] | None, typer.Option(help="A console line before a backup; repeatable.")] = None,
    after: Annotated[list[str] | None, typer.Option(help="A console line after it; repeatable.")] = None,
    stop_first: Annotated[
        bool | None, typer.Option("--stop-first/--no-stop-first", help="Stop a running game for it.")
    ] = None,
    keep_last: Annotated[Count, typer.Option(min=0, help="Keep so many; 0: no such rule.")] = None,
    keep_days: Annotated[Count, typer.Option(min=0, help="Keep those of so many days; 0: no such rule.")] = None,
    keep_daily: Annotated[Count, typer.Option(min=0, help="Keep one for each of so many days.")] = None,
    keep_weekly: Annotated[Count, typer.Option(min=0, help="Keep one for each of so many weeks.")] = None,
    keep_monthly: Annotated[Count, typer.Option(min=0, help="Keep one for each of so many months.")] = None,
    verify: Annotated[bool | None, typer.Option("--verify/--no-verify", help="Verify each once it is made.")] = None,
) -> None:
    """Set rules; what is not given stays as it is."""
    item = find_server(call.client, server)
    known = call.client.get(f"/servers/{item['id']}/backups/policy")
    given: dict[str, Any] = {
        "exclusions": exclude,
        "before": "\n".join(before) if before is not None else None,
        "after": "\n".join(after) if after is not None else None,
        "stop_first": stop_first,
        "keep_last": keep_last,
        "keep_days": keep_days,
        "keep_daily": keep_daily,
        "keep_weekly": keep_weekly,
        "keep_monthly": keep_monthly,
        "verify": verify,
    }
    wanted = known | {name: value for name, value in given.items() if value is not None}
    for name in ("keep_last", "keep_days"):
        wanted[name] = wanted[name] or None
    _tell_policy(call, call.client.put(f"/servers/{item['id']}/backups/policy", wanted))


def _tell_policy(call: Call, rules: dict[str, Any]) -> None:
    call.out.facts(
        rules,
        {
            "left out": ", ".join(rules["exclusions"]),
            "before": rules["before"].replace("\n", "; "),
            "after": rules["after"].replace("\n", "; "),
            "stops the game": "yes" if rules["stop_first"] else "no",
            "verified": "each" if rules["verify"] else "on request",
            "keeps the last": rules["keep_last"],
            "keeps days": rules["keep_days"],
            "keeps daily": rules["keep_daily"] or None,
            "keeps weekly": rules["keep_weekly"] or None,
            "keeps monthly": rules["keep_monthly"] or None,
        },
    )


def _find(call: Call, server: str, wanted: str) -> tuple[dict[str, Any], dict[str, Any]]:
    item = find_server(call.client, server)
    known = call.client.get(f"/servers/{item['id']}/backups")["items"]
    done = [one for one in known if one["state"] == "done"]
    if wanted == "latest" and done:
        return item, done[0]
    ending = [one for one in known if len(wanted) >= 4 and str(one["id"]).endswith(wanted)]
    return item, ending[0] if len(ending) == 1 else pick(known, wanted, "backup")


def _until(call: Call, item: dict[str, Any], one: dict[str, Any], reached: Any) -> dict[str, Any]:
    import time

    with progress_line(quiet=call.out.as_json) as show:
        while not reached(one):
            steps = one["steps"][-1:] or [one["reason"] or "waiting"]
            part = f" · {one['fraction']:.0%}" if one["fraction"] is not None else ""
            show(f"{item['name']}: {steps[0]}{part}")
            time.sleep(_AGAIN_S)
            one = call.client.get(f"/servers/{item['id']}/backups/{one['id']}")
    return one


def _change(call: Call, server: str, backup: str, what: str, text: str) -> None:
    item, one = _find(call, server, backup)
    changed = call.client.post(f"/servers/{item['id']}/backups/{one['id']}/{what}")
    call.out.result(changed, f"Backup {one['id'][-8:]} {text}.")
