"""`innkeeper files`: the files of a server, streamed both ways."""

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Annotated, Any

import typer

from innkeeper.cli.call import Call, verb
from innkeeper.cli.failures import CommandFailed
from innkeeper.cli.finding import ServerName, find_server
from innkeeper.cli.output import moment, size
from innkeeper.cli.servers import Sure, confirm
from innkeeper.cli.transfer import Advance, bar, parts_of

files = typer.Typer(help="Files of a server.", no_args_is_help=True)

Remote = Annotated[str, typer.Argument(metavar="PATH", help="A path below the server's folder.")]


@verb(files, "ls")
def list_files(
    call: Call,
    server: ServerName,
    path: Annotated[str, typer.Argument(metavar="[PATH]", help="A folder below the server's.")] = "",
) -> None:
    """List a folder."""
    item = find_server(call.client, server)
    found = call.client.pages(f"/servers/{item['id']}/files", path=path)
    rows = [
        (
            entry["name"] + ("/" if entry["kind"] == "directory" else ""),
            entry["kind"],
            size(entry["size"]) if entry["kind"] == "file" else None,
            moment(entry["modified_at"]),
        )
        for entry in found
    ]
    call.out.table(found, ("name", "kind", "size", "changed"), rows, empty="The folder is empty.")


@verb(files, "get")
def get_file(
    call: Call,
    server: ServerName,
    path: Remote,
    target: Annotated[str, typer.Argument(metavar="[TARGET]", help="A file or folder here; - prints it.")] = "",
) -> None:
    """Download a file. What is here already is replaced once all has come."""
    item = find_server(call.client, server)
    name = PurePosixPath(path).name
    if not name or name == "..":
        raise typer.BadParameter(f"{path!r} names no file", param_hint="PATH")
    local = Path(target or name)
    if target and target != "-" and local.is_dir():
        local = local / name
    with call.client.download(f"/servers/{item['id']}/files/content", path=path) as (length, parts):
        if target == "-":
            for part in parts:
                sys.stdout.buffer.write(part)
            sys.stdout.buffer.flush()
            return
        with bar(name, length, quiet=call.out.as_json) as advance:
            count = receive(local, parts, advance)
    call.out.result({"path": str(local), "size": count}, f"{local}: {size(count)}.")


def receive(local: Path, parts: Iterator[bytes], advance: Advance) -> int:
    """Write `parts` to a file here once all of them have come; return how many bytes they were."""
    beside = local.with_name(f".{local.name}.{os.getpid()}.part")
    count = 0
    try:
        with beside.open("xb") as file:
            for part in parts:
                file.write(part)
                count += len(part)
                advance(len(part))
        beside.replace(local)
    except OSError as error:
        raise CommandFailed(f"{local} cannot be written: {error.strerror}.", code="not_written") from error
    finally:
        with contextlib.suppress(OSError):
            beside.unlink(missing_ok=True)
    return count


@verb(files, "put")
def put_file(
    call: Call,
    server: ServerName,
    source: Annotated[str, typer.Argument(help="A file or folder here; - reads standard input.")],
    path: Annotated[str, typer.Argument(metavar="[PATH]", help="Its path there, or a folder there ending in /.")] = "",
) -> None:
    """Upload a file or a folder. A file there is replaced once all has come."""
    item = find_server(call.client, server)
    if source == "-":
        if not path or path.endswith("/"):
            raise typer.BadParameter("say what standard input is to be called there", param_hint="PATH")
        call.client.upload(
            f"/servers/{item['id']}/files/content", parts_of(sys.stdin.buffer, lambda _: None), None, path=path
        )
        call.out.result({"path": path}, f"{path} is written.")
        return
    local = Path(source)
    there = path + local.resolve().name if not path or path.endswith("/") else path
    if local.is_dir():
        from innkeeper.cli.uploading import send_folder

        count = send_folder(call, item["id"], local, there.strip("/"))
        call.out.result({"path": there, "files": count}, f"{there}: {count} files are written.")
        return
    try:
        file = local.open("rb")
    except OSError as error:
        raise CommandFailed(f"{local} cannot be read: {error.strerror}.", code="not_read") from error
    with file:
        length = os.fstat(file.fileno()).st_size
        with bar(local.name, length, quiet=call.out.as_json) as advance:
            call.client.upload(f"/servers/{item['id']}/files/content", parts_of(file, advance), length, path=there)
    call.out.result({"path": there, "size": length}, f"{there}: {size(length)}.")


@verb(files, "mkdir")
def make_directory(call: Call, server: ServerName, path: Remote) -> None:
    """Make a folder, with those above it."""
    _change(call, server, "directory", {"path": path}, f"{path} is made.")


@verb(files, "mv")
def rename(
    call: Call, server: ServerName, path: Remote, target: Annotated[str, typer.Argument(help="Its new path.")]
) -> None:
    """Rename or move a file or folder; never over something."""
    _change(call, server, "rename", {"source": path, "target": target}, f"{path} is {target} now.")


@verb(files, "rm")
def delete_file(call: Call, server: ServerName, path: Remote, yes: Sure = False) -> None:
    """Delete a file, or a folder with all in it."""
    item = find_server(call.client, server)
    confirm(call, f"Delete {path} of {item['name']}, and all in it if it is a folder?", yes)
    call.client.delete(f"/servers/{item['id']}/files", path=path)
    call.out.result({"path": path}, f"{path} is deleted.")


def _change(call: Call, server: str, verb_name: str, body: dict[str, Any], text: str) -> None:
    item = find_server(call.client, server)
    call.client.post(f"/servers/{item['id']}/files/{verb_name}", body)
    call.out.result(body, text)
