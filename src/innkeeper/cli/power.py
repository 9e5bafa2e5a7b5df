"""`innkeeper servers start | stop | restart | kill | reinstall | suspend | unsuspend | create`.

They wait for the end of what they ask, and say how it stands meanwhile; `--no-wait` returns at once.
"""

import time
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

import typer

from innkeeper.cli.call import Call, verb
from innkeeper.cli.failures import CommandFailed
from innkeeper.cli.finding import ServerName, find_server
from innkeeper.cli.servers import (
    Cpu,
    Disk,
    Memory,
    Port,
    Properties,
    address_of,
    owner_and_node,
    servers,
)
from innkeeper.cli.values import assignments, typed
from innkeeper.cli.waiting import wait_for

Wait = Annotated[bool, typer.Option("--wait/--no-wait", help="Wait until it is done; fail if it fails.")]
Source = Annotated[
    str | None,
    typer.Option(
        "--from", "--upload", metavar="PATH", help="The server's files: a folder or a zip or tar archive here."
    ),
]
ARCHIVE = "archive"
"""The property that names the uploaded archive a package is installed from."""


@verb(servers, "start")
def start_server(
    call: Call,
    server: ServerName,
    own_credits: Annotated[bool, typer.Option("--own-credits", help="Pay for it yourself while it is on.")] = False,
    wait: Wait = True,
) -> None:
    """Start a stopped server."""
    item = find_server(call.client, server)
    operation = call.client.post(f"/servers/{item['id']}/start", {"own_credits": own_credits})
    finish(call, item, operation, wait=wait)


def _power(name: str, help_text: str) -> None:
    def work(call: Call, server: ServerName, wait: Wait = True) -> None:
        item = find_server(call.client, server)
        operation = call.client.post(f"/servers/{item['id']}/{name}")
        finish(call, item, operation, wait=wait)

    work.__doc__ = help_text
    work.__name__ = name
    verb(servers, name)(work)


_power("stop", "Stop a server in order.")
_power("restart", "Stop a running server and start it again.")
_power("kill", "End a server at once, whatever it is doing. What it has not saved is lost.")
_power("reinstall", "Install a stopped server anew; its files are kept.")


@verb(servers, "suspend")
def suspend(call: Call, server: ServerName, reason: Annotated[str, typer.Option(help="Why.")] = "") -> None:
    """Stop a server and forbid it to run."""
    item = find_server(call.client, server)
    call.out.result(
        call.client.post(f"/servers/{item['id']}/suspend", {"reason": reason}), f"{item['name']} is suspended."
    )


@verb(servers, "unsuspend")
def unsuspend(call: Call, server: ServerName) -> None:
    """Let a suspended server run again; it is not started by this."""
    item = find_server(call.client, server)
    call.out.result(call.client.post(f"/servers/{item['id']}/unsuspend"), f"{item['name']} may run again.")


@verb(servers, "create")
def create(
    call: Call,
    name: Annotated[str, typer.Argument(help="What it is to be called.")],
    package: Annotated[str, typer.Option("--package", help="Its game; see `innkeeper packages ls`.")] = "minecraft",
    runtime: Annotated[str | None, typer.Option(help="The program that runs the game.")] = None,
    version: Annotated[str | None, typer.Option(help="The game's version.")] = None,
    properties: Properties = [],  # noqa: B006 - typer needs a list
    command: Annotated[
        str | None, typer.Option(metavar="COMMAND", help="What a custom server runs, as one text.")
    ] = None,
    source: Source = None,
    description: Annotated[str, typer.Option(help="What it is for.")] = "",
    memory: Memory = None,
    cpu: Cpu = None,
    disk: Disk = None,
    port: Port = None,
    address: Annotated[str | None, typer.Option(help="The address it listens on; else the node's.")] = None,
    node: Annotated[str | None, typer.Option(help="The node that keeps it: name or id.")] = None,
    region: Annotated[str | None, typer.Option(help="Where it is to be; see `innkeeper regions ls`.")] = None,
    plan: Annotated[
        str | None, typer.Option(help="What it is sold as, in place of limits; see `innkeeper plans ls`.")
    ] = None,
    billing: Annotated[str, typer.Option(help="How its plan is paid for: hourly or monthly.")] = "hourly",
    addons: Annotated[
        list[str], typer.Option("--addon", metavar="NAME[=VERSION]", help="What extends it, as often as needed.")
    ] = [],  # noqa: B006 - typer needs a list
    owner: Annotated[str | None, typer.Option(help="Whose it is to be: username or id; else yours.")] = None,
    start: Annotated[bool, typer.Option("--start", help="Start it once it is installed.")] = False,
    wait: Wait = True,
) -> None:
    """Make a server and install it."""
    client = call.client
    given = assignments(properties)
    if command is not None:
        given["command"] = command
    files = None
    if source is not None:
        from innkeeper.cli.uploading import check_source

        files = check_source(source)
        if not wait:
            raise typer.BadParameter("files from here are sent once there is a server: it cannot go with --no-wait")
    draft: dict[str, Any] = {
        "name": name,
        "package": package,
        "description": description,
        "start": start and files is None,
    }
    draft |= {
        key: value
        for key, value in (
            ("runtime", runtime),
            ("version", version),
            ("port", port),
            ("address", address),
            ("region", region),
            ("plan", plan),
        )
        if value is not None
    }
    draft |= {"billing_type": billing, "addons": {name: version or None for name, _, version in map(_halves, addons)}}
    draft |= owner_and_node(call, owner, node)
    if given or files is not None:
        known = client.get(f"/packages/{quote(package, safe='')}")
        if files is not None and all(item["name"] != ARCHIVE for item in known["properties"]):
            raise CommandFailed(
                f"{package} is not installed from an archive: put files with `innkeeper files put`.",
                code="no_archive_wanted",
                kind="invalid",
            )
        draft["properties"] = typed(given, known)
    limits = {"memory_mib": memory, "cpu_percent": cpu, "disk_mib": disk}
    draft["limits"] = {key: value for key, value in limits.items() if value is not None}
    made = client.post("/servers", draft)
    server, operation = made["server"], made["operation"]
    if wait:
        operation = wait_for(client, operation, name, quiet=call.out.as_json)
        if files is not None:
            operation = _install_from(call, server, files)
            if start:
                operation = client.post(f"/servers/{server['id']}/start")
        elif start:
            operation = _start_after(call, server["id"], operation)
    finish(call, server, operation, wait=wait)


def _halves(text: str) -> tuple[str, str, str]:
    return text.partition("=")


def _install_from(call: Call, server: dict[str, Any], source: Path) -> dict[str, Any]:
    """Send files of this host and install them; return the installation, ended."""
    from innkeeper.cli.uploading import send_archive

    name = send_archive(call, server["id"], source)
    call.client.patch(f"/servers/{server['id']}", {"properties": {ARCHIVE: name}})
    operation = call.client.post(f"/servers/{server['id']}/reinstall")
    return wait_for(call.client, operation, server["name"], quiet=call.out.as_json)


def _start_after(call: Call, server: str, installation: dict[str, Any]) -> dict[str, Any]:
    """Return the start that follows an installation, once there is one."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        newest = call.client.get(f"/servers/{server}/operations", limit=1)["items"]
        if newest and newest[0]["id"] != installation["id"]:
            found: dict[str, Any] = newest[0]
            return found
        time.sleep(0.1)
    raise CommandFailed("It is installed, but was not started.", code="not_started")


def finish(call: Call, item: dict[str, Any], operation: dict[str, Any], *, wait: bool) -> None:
    """Wait for an operation where that is wanted, and say how the server is."""
    if wait:
        operation = wait_for(call.client, operation, item["name"], quiet=call.out.as_json)
        item = call.client.get(f"/servers/{item['id']}")
        where = f" at {address_of(item)}" if item["state"] == "running" and address_of(item) else ""
        text = f"{item['name']} is {item['state']}{where}."
    else:
        text = f"{item['name']}: {operation['verb']} was asked for (operation {operation['id']})."
    call.out.result({"server": item, "operation": operation}, text)
