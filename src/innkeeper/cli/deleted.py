"""`innkeeper servers delete | deleted | restore | purge`: servers that go, and those that can be brought back."""

from typing import Annotated

import typer

from innkeeper.cli.call import Call, verb
from innkeeper.cli.finding import ServerName, find, find_server
from innkeeper.cli.output import moment
from innkeeper.cli.servers import Sure, confirm, servers
from innkeeper.cli.waiting import wait_for

Wait = Annotated[bool, typer.Option("--wait/--no-wait", help="Wait until it is done; fail if it fails.")]
Purge = Annotated[bool, typer.Option("--purge", help="Do not keep it for a while: delete its files now.")]


@verb(servers, "delete")
def delete_server(call: Call, server: ServerName, purge: Purge = False, yes: Sure = False, wait: Wait = True) -> None:
    """Delete a server with all its files. It is killed if it runs.

    Where the house keeps deleted servers for a while, an administrator can bring it back until then.
    """
    item = find_server(call.client, server)
    confirm(call, f"Delete {item['name']} ({item['id']}) with all its files?", yes)
    operation = call.client.delete(f"/servers/{item['id']}", **({"purge": "true"} if purge else {}))
    if wait:
        operation = wait_for(call.client, operation, item["name"], quiet=call.out.as_json)
    call.out.result({"operation": operation}, f"{item['name']} is {'deleted' if wait else 'being deleted'}.")


@verb(servers, "deleted")
def list_deleted(call: Call) -> None:
    """List the servers that were deleted and can be brought back."""
    found = call.client.pages("/servers/deleted")
    rows = [
        (
            item["name"],
            (item["owner"] or {}).get("username"),
            item["node"]["name"],
            moment(item["deleted_at"]),
            moment(item["purge_at"]),
            item["id"],
        )
        for item in found
    ]
    headings = ("name", "owner", "node", "deleted", "kept until", "id")
    call.out.table(found, headings, rows, empty="No deleted server is kept.")


@verb(servers, "restore")
def restore_server(call: Call, server: ServerName) -> None:
    """Bring a deleted server back: with its port, its files and all who could use it, but stopped."""
    item = find(call.client, "/servers/deleted", server, "server")
    restored = call.client.post(f"/servers/{item['id']}/restore")
    call.out.result(restored, f"{restored['name']} is back, and {restored['state']}.")


@verb(servers, "purge")
def purge_server(call: Call, server: ServerName, yes: Sure = False, wait: Wait = True) -> None:
    """Delete the files of a deleted server before its time; then nobody can bring it back."""
    item = find(call.client, "/servers/deleted", server, "server")
    confirm(call, f"Delete all files of {item['name']} ({item['id']})?", yes)
    operation = call.client.delete(f"/servers/deleted/{item['id']}")
    if wait:
        operation = wait_for(call.client, operation, item["name"], quiet=call.out.as_json)
    call.out.result({"operation": operation}, f"{item['name']} is {'gone' if wait else 'being deleted'}.")
