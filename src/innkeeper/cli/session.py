"""`innkeeper login`, `logout` and `whoami`."""

import platform
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from innkeeper.cli.call import Call, verb
from innkeeper.cli.failures import CommandFailed
from innkeeper.cli.output import moment, note
from innkeeper.cli.profiles import DEFAULT_PROFILE, Place, Profile, check_url, find_place
from innkeeper.cli.values import in_days

if TYPE_CHECKING:
    from innkeeper.cli.client import Client


def register(app: typer.Typer) -> None:
    """Give `app` these commands."""
    verb(app, "login")(login)
    verb(app, "logout")(logout)
    verb(app, "whoami")(whoami)


def login(
    call: Call,
    address: Annotated[str, typer.Argument(metavar="URL", help="Address of the Innkeeper.")],
    username: Annotated[
        str | None, typer.Option("--username", "-u", help="Who signs in; asked for if not given.")
    ] = None,
    password_file: Annotated[Path | None, typer.Option(help="File with the password; else it is asked for.")] = None,
    code: Annotated[
        str | None, typer.Option(help="A one-time or recovery code; asked for if it is needed and not given.")
    ] = None,
    days: Annotated[int | None, typer.Option(min=1, help="How long the key holds; until logout if not given.")] = None,
) -> None:
    """Sign in and keep a key for later commands; with --key or --key-file that key is kept.

    By password, an API key of its own is made for this computer; `innkeeper logout` ends it.
    """
    from innkeeper.cli.client import Client

    url = check_url(address)
    name = call.wishes.profile or DEFAULT_PROFILE
    profiles = call.profiles
    kept = profiles.read()
    if call.wishes.key or call.wishes.key_file:
        key = find_place(
            call.wishes.__class__(url=url, key=call.wishes.key, key_file=call.wishes.key_file), profiles
        ).key
        with Client(Place(url, key)) as client:
            account = client.get("/me")["account"]
        profile = Profile(url=url, key=key or "", username=account["username"])
    else:
        with Client(Place(url, None)) as client:
            client.get("/status")
            profile, account = _by_password(client, username, password_file, code, days)
    kept.profiles[name] = profile
    kept.current = name
    profiles.write(kept)
    call.out.result(
        {"profile": name, "url": url, "account": account},
        f"Signed in to {url} as {account['username']} (profile {name}).",
    )


def _by_password(
    client: "Client", username: str | None, password_file: Path | None, code: str | None, days: int | None
) -> tuple[Profile, dict[str, Any]]:
    from innkeeper.cli.client import Client

    username = username or ask("Username", hidden=False)
    if password_file is not None:
        try:
            password = password_file.read_text().rstrip("\r\n")
        except (OSError, UnicodeDecodeError) as error:
            raise CommandFailed(f"The password cannot be read from {password_file}: {error}.") from error
    else:
        password = ask("Password", hidden=True)
    url = client.place.url
    session = _session(client, {"username": username, "password": password}, code)
    with Client(Place(url, session["token"])) as signed_in:
        try:
            made = signed_in.post(
                "/keys", {"name": f"innkeeper on {platform.node()}"[:100] or "innkeeper", "expires_at": in_days(days)}
            )
        finally:
            signed_in.delete("/sessions/current")
    account = session["account"]
    return Profile(url=url, key=made["secret"], key_id=made["key"]["id"], username=account["username"]), account


def _session(client: "Client", who: dict[str, str], code: str | None) -> dict[str, Any]:
    """Sign in, asking for a code where one is needed."""
    session: dict[str, Any]
    try:
        session = client.post("/sessions", who if code is None else who | {"code": code})
    except CommandFailed as error:
        if error.code != "second_factor_is_missing" or code is not None:
            raise
        session = client.post("/sessions", who | {"code": ask("Code", hidden=False)})
    return session


def ask(what: str, *, hidden: bool) -> str:
    """Return what somebody types, or the next line of what is piped in; raise CommandFailed where there is none."""
    if not sys.stdin.isatty():
        line = sys.stdin.readline().rstrip("\r\n")
        if not line:
            raise CommandFailed(
                f"The {what.lower()} is missing: there is no terminal to ask at.", code="not_given", kind="invalid"
            )
        return line
    return str(typer.prompt(what, hide_input=hidden, err=True))


def logout(call: Call) -> None:
    """Forget a profile, and end the key that signing in made."""
    from innkeeper.cli.client import Client

    profiles = call.profiles
    kept = profiles.read()
    name = call.wishes.profile or kept.current
    profile = kept.profiles.pop(name, None)
    if profile is None:
        raise CommandFailed(f"There is no profile {name!r}.", code="no_such_profile", kind="not_found")
    if profile.key_id:
        try:
            with Client(Place(profile.url, profile.key)) as client:
                client.delete(f"/keys/{profile.key_id}")
        except CommandFailed as error:
            if error.kind not in ("unauthenticated", "not_found"):
                note(f"The key could not be ended: {error.message}")
    if kept.current == name:
        kept.current = next(iter(kept.profiles), DEFAULT_PROFILE)
    profiles.write(kept)
    call.out.result({"profile": name, "url": profile.url}, f"Signed out of {profile.url}.")


def whoami(call: Call) -> None:
    """Say which Innkeeper is meant, and who you are there."""
    me = call.client.get("/me")
    account = me["account"]
    call.out.facts(
        {"url": call.place.url, "profile": call.place.profile, **me},
        {
            "address": call.place.url,
            "profile": call.place.profile,
            "account": account["username"] + (" (superuser)" if account["superuser"] else ""),
            "id": account["id"],
            "key ends": moment(me["expires_at"]),
            "may": ", ".join(me["permissions"]) or "nothing beside its own servers",
        },
    )
