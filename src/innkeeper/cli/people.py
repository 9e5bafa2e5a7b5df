"""`innkeeper accounts | keys | roles`: who may do what."""

import secrets
from pathlib import Path
from typing import Annotated, Any

import typer

from innkeeper.cli.call import Call, verb
from innkeeper.cli.failures import CommandFailed
from innkeeper.cli.finding import find, find_server
from innkeeper.cli.output import ago, moment, note
from innkeeper.cli.servers import Sure, confirm
from innkeeper.cli.values import NO_BOUND, assignments, bound, find_account, in_days

accounts = typer.Typer(help="Who may sign in.", no_args_is_help=True)
keys = typer.Typer(help="Your own API keys.", no_args_is_help=True)
roles = typer.Typer(help="Permissions by name, given to accounts.", no_args_is_help=True)

Account = Annotated[str, typer.Argument(metavar="ACCOUNT", help="Its username or id.")]
Key = Annotated[str, typer.Argument(metavar="KEY", help="Its name, its id, or the beginning of its id.")]
Role = Annotated[str, typer.Argument(metavar="ROLE", help="Its name, its id, or the beginning of its id.")]
GivenName = Annotated[str | None, typer.Option(help="The given name of whoever has it.")]
FamilyName = Annotated[str | None, typer.Option(help="The family name of whoever has it.")]
Country = Annotated[str | None, typer.Option(metavar="CODE", help="Its country's two letters (ISO 3166-1).")]
Currency = Annotated[
    str | None, typer.Option(metavar="CODE", help="The three letters (ISO 4217) of what its servers are charged in.")
]
MostServers = Annotated[
    str | None,
    typer.Option(metavar="COUNT", help="How many servers it may own; none: as many as the house allows."),
]
OwnPermissions = Annotated[
    list[str] | None,
    typer.Option("--permission", metavar="NAME", help="A product permission that it has of itself; none: no one."),
]
LimitsOf = Annotated[
    list[str] | None,
    typer.Option(
        "--limit",
        metavar="PERMISSION=COUNT",
        help="How often it may use servers.create, accounts.write or roles.write; none: unlimited.",
    ),
]
Manager = Annotated[
    str | None, typer.Option(metavar="ACCOUNT", help="The account that looks after it; none: nobody does.")
]
Language = Annotated[str | None, typer.Option(metavar="NAME", help="As in en_EN; empty: the house's.")]
Theme = Annotated[str | None, typer.Option(metavar="NAME", help="How pages look to it.")]
Hints = Annotated[bool | None, typer.Option(help="Whether pages explain themselves to it.")]
PasswordFile = Annotated[Path | None, typer.Option(help="File with its password.")]


# -- accounts ---------------------------------------------------------------------------------------------------------


@verb(accounts, "ls")
def list_accounts(call: Call) -> None:
    """List accounts."""
    found = call.client.pages("/accounts")
    rows = [
        (
            item["username"],
            _standing(item),
            item["email"],
            "" if item["most_servers"] is None else item["most_servers"],
            moment(item["created_at"]),
            item["id"],
        )
        for item in found
    ]
    titles = ("username", "standing", "email", "most servers", "made", "id")
    call.out.table(found, titles, rows, empty="There is no account.")


@verb(accounts, "create")
def create_account(
    call: Call,
    username: Annotated[str, typer.Argument(help="Its username.")],
    email: Annotated[str, typer.Option(help="Its e-mail address.")] = "",
    superuser: Annotated[bool, typer.Option("--superuser", help="It may do everything.")] = False,
    given_name: GivenName = None,
    family_name: FamilyName = None,
    country: Country = None,
    currency: Currency = None,
    referral: Annotated[str, typer.Option(metavar="TOKEN", help="Referral token of the account that brought it.")] = "",
    most_servers: MostServers = None,
    permissions: OwnPermissions = None,
    limits: LimitsOf = None,
    manager: Manager = None,
    language: Language = None,
    theme: Theme = None,
    hints: Hints = None,
    password_file: PasswordFile = None,
) -> None:
    """Make an account; without --password-file a random password is made and printed this once."""
    password = password_in(password_file)
    made = call.client.post(
        "/accounts",
        {
            "username": username,
            "email": email,
            "superuser": superuser,
            "given_name": given_name or "",
            "family_name": family_name or "",
            "country": country or "",
            "currency": currency or "",
            "referral": referral,
            "password": password or (chosen := secrets.token_urlsafe(15)),
        }
        | _bounds(most_servers)
        | _powers(call, permissions, limits, manager)
        | _given(language=language, theme=theme, hints=hints),
    )
    shown = None if password else chosen
    call.out.result(
        made | {"password": shown},
        f"{made['username']} may sign in" + (f" with the password {shown}" if shown else "."),
    )


@verb(accounts, "set")
def change_account(
    call: Call,
    account: Account,
    email: Annotated[str | None, typer.Option(help="A new e-mail address.")] = None,
    superuser: Annotated[bool | None, typer.Option(help="Whether it may do everything.")] = None,
    disabled: Annotated[bool | None, typer.Option("--disabled/--enabled", help="Whether it is locked out.")] = None,
    given_name: GivenName = None,
    family_name: FamilyName = None,
    country: Country = None,
    currency: Currency = None,
    most_servers: MostServers = None,
    username: Annotated[str | None, typer.Option(help="A new username.")] = None,
    permissions: OwnPermissions = None,
    limits: LimitsOf = None,
    manager: Manager = None,
    language: Language = None,
    theme: Theme = None,
    hints: Hints = None,
    password_file: PasswordFile = None,
    current_password_file: Annotated[
        Path | None, typer.Option(help="File with your password of now, to change your own.")
    ] = None,
) -> None:
    """Change an account; a new password ends its sessions."""
    changes: dict[str, Any] = _given(
        username=username,
        email=email,
        superuser=superuser,
        disabled=disabled,
        given_name=given_name,
        family_name=family_name,
        country=country,
        currency=currency,
        language=language,
        theme=theme,
        hints=hints,
        password=password_in(password_file),
        current_password=password_in(current_password_file),
    )
    changes |= _bounds(most_servers) | _powers(call, permissions, limits, manager)
    if not changes:
        raise typer.BadParameter("say what is to be changed")
    changed = call.client.patch(f"/accounts/{find_account(call.client, account)}", changes)
    call.out.result(changed, f"{changed['username']} is changed.")


@verb(accounts, "delete")
def delete_account(call: Call, account: Account, yes: Sure = False) -> None:
    """Delete an account that owns no server."""
    found = find_account(call.client, account)
    confirm(call, f"Delete the account {account}?", yes)
    call.client.delete(f"/accounts/{found}")
    call.out.result({"id": found}, f"{account} is deleted.")


@verb(accounts, "show")
def show_account(call: Call, account: Account) -> None:
    """Show an account, what it may of itself, and how much of its limits it used."""
    found = find_account(call.client, account)
    item = call.client.get(f"/accounts/{found}")
    used = call.client.get(f"/accounts/{found}/limits")["used"]
    call.out.facts(
        item | {"used": used},
        {
            "username": item["username"],
            "id": item["id"],
            "standing": _standing(item),
            "email": item["email"],
            "permissions": ", ".join(item["permissions"]) or "those of its roles",
            "used": ", ".join(f"{name} {count} of {item['limits'].get(name, 'any')}" for name, count in used.items()),
            "manager": item["manager"]["username"] if item["manager"] else "",
            "second factor": "on" if item["second_factor"] else "off",
            "last sign-in": " from ".join(filter(None, (moment(item["last_login_at"]), item["last_address"]))),
            "made": moment(item["created_at"]),
        },
    )


@verb(accounts, "end-sessions")
def end_sessions(call: Call, account: Account) -> None:
    """End every session and token of an account; its API keys stay."""
    found = find_account(call.client, account)
    call.client.delete(f"/accounts/{found}/sessions")
    call.out.result({"id": found}, f"Every session of {account} is ended.")


@verb(accounts, "reset-second-factor")
def reset_second_factor(call: Call, account: Account, yes: Sure = False) -> None:
    """Turn off the second factor of somebody who lost it."""
    found = find_account(call.client, account)
    confirm(call, f"Let {account} sign in by password alone?", yes)
    call.client.delete(f"/accounts/{found}/second-factor")
    call.out.result({"id": found}, f"{account} signs in by password alone.")


def _given(**values: Any) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _powers(call: Call, permissions: list[str] | None, limits: list[str] | None, manager: str | None) -> dict[str, Any]:
    """Return what a request carries of what an account may; `none` empties each."""
    found: dict[str, Any] = {}
    if permissions:
        found["permissions"] = [] if permissions == [NO_BOUND] else permissions
    if limits:
        found["limits"] = (
            {} if limits == [NO_BOUND] else {name: _count(text) for name, text in assignments(limits).items()}
        )
    if manager:
        found["manager"] = None if manager == NO_BOUND else find_account(call.client, manager)
    return found


def _count(text: str) -> int:
    if not text.isdecimal():
        raise typer.BadParameter(f"{text!r} is no number")
    return int(text)


def _standing(item: dict[str, Any]) -> str:
    return "disabled" if item["disabled"] else "superuser" if item["superuser"] else "ordinary"


def _bounds(most_servers: str | None) -> dict[str, int | None]:
    """Return what a request carries to say, or to take back, how many servers an account may own."""
    found = bound(most_servers)
    return {} if found is None else {"most_servers": None if found == NO_BOUND else int(found)}


def password_in(file: Path | None) -> str | None:
    """Return the password in a file, None without one; raise CommandFailed."""
    if file is None:
        return None
    try:
        return file.read_text().rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise CommandFailed(f"The password cannot be read from {file}: {error}.") from error


# -- keys -------------------------------------------------------------------------------------------------------------


Whose = Annotated[str | None, typer.Option("--account", metavar="ACCOUNT", help="Whose, if not your own.")]


@verb(keys, "ls")
def list_keys(call: Call, account: Whose = None) -> None:
    """List your API keys."""
    found = call.client.pages("/keys", account=find_account(call.client, account) if account else None)
    rows = [
        (
            item["name"],
            "all of yours" if item["permissions"] is None else ", ".join(item["permissions"]),
            ", ".join(item["networks"]) or "anywhere",
            moment(item["expires_at"]) or "never",
            ago(item["last_used_at"]) or "never",
            item["id"],
        )
        for item in found
    ]
    call.out.table(found, ("name", "may", "from", "ends", "used ago", "id"), rows, empty="There is no key.")


@verb(keys, "create")
def create_key(
    call: Call,
    name: Annotated[str, typer.Argument(help="What it is for.")],
    permissions: Annotated[
        list[str], typer.Option("--permission", metavar="NAME", help="What it carries; all that you may if not given.")
    ] = [],  # noqa: B006
    networks: Annotated[
        list[str], typer.Option("--from", metavar="NETWORK", help="Address or network it may be used from.")
    ] = [],  # noqa: B006
    days: Annotated[int | None, typer.Option(min=1, help="How long it holds; for ever if not given.")] = None,
    account: Whose = None,
) -> None:
    """Make an API key; it is printed this once."""
    made = call.client.post(
        "/keys",
        {
            "name": name,
            "permissions": permissions or None,
            "networks": networks,
            "expires_at": in_days(days),
            "account": find_account(call.client, account) if account else None,
        },
    )
    call.out.result(made, made["secret"])
    if not call.out.as_json:
        note("Keep it: it is not shown again.")


@verb(keys, "revoke")
def revoke_key(call: Call, key: Key) -> None:
    """End one of your API keys at once."""
    item = find(call.client, "/keys", key, "key")
    call.client.delete(f"/keys/{item['id']}")
    call.out.result({"id": item["id"]}, f"The key {item['name']!r} is ended.")


# -- roles ------------------------------------------------------------------------------------------------------------

Permissions = Annotated[
    list[str],
    typer.Option("--permission", metavar="NAME", help="A permission it gives: of the product, or on every server."),
]
Everywhere = Annotated[
    bool | None,
    typer.Option("--all-servers/--named-servers", help="Whether its --permission on servers hold on every server."),
]
Servers = Annotated[
    list[str],
    typer.Option(
        "--server",
        metavar="SERVER=NAMES",
        help="What it gives on one server: permissions with commas between; none: nothing on any.",
    ),
]
Members = Annotated[list[str], typer.Option("--member", metavar="ACCOUNT", help="An account that has it.")]


@verb(roles, "ls")
def list_roles(call: Call) -> None:
    """List roles."""
    found = call.client.pages("/roles")
    rows = [
        (
            item["name"],
            len(item["members"]),
            "every" if item["all_servers"] else len(item["servers"]),
            ", ".join(_gives(item)),
            item["id"],
        )
        for item in found
    ]
    call.out.table(found, ("name", "members", "servers", "permissions", "id"), rows, empty="There is no role.")


@verb(roles, "show")
def show_role(call: Call, role: Role) -> None:
    """Show a role."""
    item = find(call.client, "/roles", role, "role")
    call.out.facts(
        item,
        {
            "name": item["name"],
            "id": item["id"],
            "permissions": ", ".join(item["permissions"]),
            "on every server": "yes" if item["all_servers"] else "no",
            "servers": "\n".join(f"{one['server']}: {', '.join(one['permissions'])}" for one in item["servers"]),
            "members": ", ".join(item["members"]),
            "manager": item["manager"]["username"] if item["manager"] else "",
        },
    )


@verb(roles, "create")
def create_role(
    call: Call,
    name: Annotated[str, typer.Argument(help="What it is called.")],
    permissions: Permissions = [],  # noqa: B006
    everywhere: Everywhere = None,
    servers: Servers = [],  # noqa: B006
    members: Members = [],  # noqa: B006
    manager: Manager = None,
) -> None:
    """Make a role."""
    made = call.client.post(
        "/roles",
        {"name": name, "permissions": permissions, "all_servers": bool(everywhere)}
        | _reach(call, servers, members, manager),
    )
    call.out.result(made, f"The role {made['name']} is made.")


@verb(roles, "set")
def change_role(
    call: Call,
    role: Role,
    name: Annotated[str | None, typer.Option(help="A new name.")] = None,
    permissions: Permissions = [],  # noqa: B006
    everywhere: Everywhere = None,
    servers: Servers = [],  # noqa: B006
    members: Members = [],  # noqa: B006
    manager: Manager = None,
) -> None:
    """Change a role; what is named takes the place of all of its kind."""
    item = find(call.client, "/roles", role, "role")
    changes: dict[str, Any] = _reach(call, servers, members, manager)
    wanted = {"name": name, "permissions": permissions or None, "all_servers": everywhere}
    changes |= {key: value for key, value in wanted.items() if value is not None}
    if not changes:
        raise typer.BadParameter("say what is to be changed")
    changed = call.client.patch(f"/roles/{item['id']}", changes)
    call.out.result(changed, f"The role {changed['name']} is changed.")


@verb(roles, "delete")
def delete_role(call: Call, role: Role, yes: Sure = False) -> None:
    """Delete a role, taking what it gave."""
    item = find(call.client, "/roles", role, "role")
    confirm(call, f"Delete the role {item['name']}?", yes)
    call.client.delete(f"/roles/{item['id']}")
    call.out.result({"id": item["id"]}, f"The role {item['name']} is deleted.")


@verb(roles, "permissions")
def list_permissions(call: Call) -> None:
    """List every permission there is."""
    found = call.client.get("/permissions")
    rows = [(name, kind) for kind in ("server", "product") for name in found[kind]]
    call.out.table(found, ("permission", "on"), rows, empty="There is none.")


def _gives(item: dict[str, Any]) -> list[str]:
    """Return every permission that a role gives anywhere."""
    return sorted({*item["permissions"], *(name for one in item["servers"] for name in one["permissions"])})


def _reach(call: Call, servers: list[str], members: list[str], manager: str | None) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if servers:
        named = {} if servers == [NO_BOUND] else assignments(servers)
        found["servers"] = [
            {
                "server": find_server(call.client, server)["id"],
                "permissions": [name for name in names.split(",") if name],
            }
            for server, names in named.items()
        ]
    if members:
        found["members"] = [] if members == [NO_BOUND] else [find_account(call.client, member) for member in members]
    if manager:
        found["manager"] = None if manager == NO_BOUND else find_account(call.client, manager)
    return found
