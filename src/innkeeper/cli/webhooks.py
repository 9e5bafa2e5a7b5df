"""`innkeeper webhooks`: who is told what happens to a server."""

from typing import Annotated, Any

import typer

from innkeeper.cli.call import Call, verb
from innkeeper.cli.failures import CommandFailed
from innkeeper.cli.finding import ServerName, find, find_server
from innkeeper.cli.output import moment, note
from innkeeper.cli.servers import Limit, Sure, confirm

webhooks = typer.Typer(help="Who is told what happens to a server.", no_args_is_help=True)

Webhook = Annotated[str, typer.Argument(metavar="WEBHOOK", help="Its name, its id, or the beginning of its id.")]
Triggers = Annotated[
    list[str],
    typer.Option(
        "--on", metavar="HAPPENING", help="What it is told of: started, crashed, player_joined …; repeatable."
    ),
]
Body = Annotated[str | None, typer.Option(help="A Jinja2 template of the message's text.")]
BotName = Annotated[str | None, typer.Option(help="Who the message is from, where the place shows that.")]
Colour = Annotated[str | None, typer.Option(metavar="#RRGGBB", help="The colour beside the message.")]


@verb(webhooks, "ls")
def list_webhooks(call: Call, server: ServerName) -> None:
    """List a server's webhooks. Their URLs, which are secrets, are shown one by one."""
    item = find_server(call.client, server)
    found = call.client.pages(f"/servers/{item['id']}/webhooks")
    rows = [(one["name"], one["kind"], ", ".join(one["triggers"]), _standing(one), one["id"]) for one in found]
    titles = ("name", "kind", "told of", "standing", "id")
    call.out.table(found, titles, rows, empty="Nobody is told what happens to this server.")


@verb(webhooks, "show")
def show_webhook(call: Call, server: ServerName, webhook: Webhook) -> None:
    """Show a webhook, its URL too."""
    _, one = _find(call, server, webhook)
    call.out.facts(
        one,
        {
            "name": one["name"],
            "id": one["id"],
            "kind": one["kind"],
            "url": one["url"],
            "told of": ", ".join(one["triggers"]),
            "standing": _standing(one),
            "bot name": one["bot_name"],
            "colour": one["colour"],
            "body": one["body"],
        },
    )


@verb(webhooks, "create")
def create_webhook(
    call: Call,
    server: ServerName,
    name: Annotated[str, typer.Argument(help="What it is called.")],
    kind: Annotated[str, typer.Argument(help="discord, slack, teams, mattermost or json.")],
    url: Annotated[str, typer.Argument(help="Where the messages go.")],
    triggers: Triggers,
    body: Body = None,
    bot_name: BotName = None,
    colour: Colour = None,
) -> None:
    """Make a webhook; its secret, by which programs know our messages, is printed this once."""
    item = find_server(call.client, server)
    wanted: dict[str, Any] = {"name": name, "kind": kind, "url": url, "triggers": triggers}
    made = call.client.post(
        f"/servers/{item['id']}/webhooks", wanted | _given(body=body, bot_name=bot_name, colour=colour)
    )
    call.out.result(made, f"{made['name']} is told of {', '.join(made['triggers'])}.")
    if made["kind"] == "json":
        call.out.say(f"Its secret is {made['secret']}")
        note("Keep it: it is not shown again.")


@verb(webhooks, "set")
def change_webhook(
    call: Call,
    server: ServerName,
    webhook: Webhook,
    name: Annotated[str | None, typer.Option(help="A new name.")] = None,
    url: Annotated[str | None, typer.Option(help="Where the messages go.")] = None,
    triggers: Triggers = [],  # noqa: B006
    body: Body = None,
    bot_name: BotName = None,
    colour: Colour = None,
    enabled: Annotated[bool | None, typer.Option("--enabled/--disabled", help="Whether it is told anything.")] = None,
) -> None:
    """Change a webhook; --on names all that it is told of from then on."""
    path, _ = _find(call, server, webhook)
    changes = _given(
        name=name,
        url=url,
        triggers=triggers or None,
        body=body,
        bot_name=bot_name,
        colour=colour,
        enabled=enabled,
    )
    if not changes:
        raise typer.BadParameter("say what is to be changed")
    changed = call.client.patch(path, changes)
    call.out.result(changed, f"{changed['name']} is changed.")


@verb(webhooks, "delete")
def delete_webhook(call: Call, server: ServerName, webhook: Webhook, yes: Sure = False) -> None:
    """Delete a webhook and the messages that wait."""
    path, one = _find(call, server, webhook)
    confirm(call, f"Delete the webhook {one['name']}?", yes)
    call.client.delete(path)
    call.out.result({"id": one["id"]}, f"{one['name']} is deleted.")


@verb(webhooks, "test")
def test_webhook(call: Call, server: ServerName, webhook: Webhook) -> None:
    """Send a message now; fail unless it arrives."""
    path, one = _find(call, server, webhook)
    sent = call.client.post(f"{path}/test")
    if sent["state"] != "done":
        raise CommandFailed(f"It did not arrive: {sent['reason']}.", code="delivery_failed", data=sent)
    call.out.result(sent, f"{one['name']} took it with status {sent['status']}.")


@verb(webhooks, "new-secret")
def renew_secret(call: Call, server: ServerName, webhook: Webhook) -> None:
    """Give a webhook another secret; it is printed this once."""
    path, _ = _find(call, server, webhook)
    made = call.client.post(f"{path}/secret")
    call.out.result(made, made["secret"])


@verb(webhooks, "deliveries")
def list_deliveries(call: Call, server: ServerName, webhook: Webhook, limit: Limit = 20) -> None:
    """List the newest messages and what became of them."""
    path, _ = _find(call, server, webhook)
    found = call.client.pages(f"{path}/deliveries", limit=limit)
    rows = [
        (
            moment(one["created_at"]),
            one["happening"],
            one["state"],
            one["attempts"],
            one["status"],
            one["reason"],
            moment(one["next_at"]),
        )
        for one in found
    ]
    titles = ("made", "happening", "state", "attempts", "status", "reason", "next try")
    call.out.table(found, titles, rows, empty="No message was sent.")


def _find(call: Call, server: str, wanted: str) -> tuple[str, dict[str, Any]]:
    """Return the path of a webhook, and the webhook."""
    path = f"/servers/{find_server(call.client, server)['id']}/webhooks"
    one = find(call.client, path, wanted, "webhook")
    return f"{path}/{one['id']}", one


def _given(**wanted: Any) -> dict[str, Any]:
    return {name: value for name, value in wanted.items() if value is not None}


def _standing(one: dict[str, Any]) -> str:
    if not one["enabled"]:
        return f"disabled: {one['disabled_reason']}" if one["disabled_reason"] else "disabled"
    return f"failing since {moment(one['failing_since'])}" if one["failing_since"] else "well"
