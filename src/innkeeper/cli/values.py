"""Values that people type, as the API takes them."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

import typer

from innkeeper.cli.failures import CommandFailed
from innkeeper.cli.finding import find, pick

if TYPE_CHECKING:
    from innkeeper.cli.client import Client

NO_BOUND = "none"
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_BOOLEANS = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}


def assignments(texts: Iterable[str]) -> dict[str, str]:
    """Return NAME=VALUE texts by name."""
    found: dict[str, str] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise CommandFailed(f"{text!r} is not NAME=VALUE.", code="property_is_invalid", kind="invalid")
        found[name] = value
    return found


def typed(given: dict[str, str], package: dict[str, Any]) -> dict[str, Any]:
    """Return values in the types of a package's properties; what fits none is left for the API to refuse."""
    kinds = {item["name"].lower(): item["type"] for item in package["properties"]}
    return {name: _typed(value, kinds.get(name.lower(), "string")) for name, value in given.items()}


def _typed(value: str, kind: str) -> Any:
    try:
        match kind:
            case "integer":
                return int(value)
            case "float":
                return float(value)
            case "boolean":
                return boolean(value)
            case _:
                return value
    except ValueError:
        return value


def boolean(text: str) -> bool | str:
    """Return yes or no as a truth value; what is neither is left for the API to refuse."""
    return _BOOLEANS.get(text.lower(), text)


def instant(text: str | None) -> str | None:
    """Return an instant for the API: RFC 3339 or local time as given, or so long ago ("90s", "15m", "2h", "3d")."""
    if not text:
        return None
    if text[:-1].isdigit() and text[-1] in _UNITS:
        return (datetime.now(UTC) - timedelta(seconds=int(text[:-1]) * _UNITS[text[-1]])).isoformat()
    try:
        return datetime.fromisoformat(text).astimezone().isoformat()
    except (ValueError, OverflowError) as error:
        raise CommandFailed(
            f"{text!r} is no time: it has to be like 15m, 2h or 2026-11-21T20:00.",
            code="time_is_invalid",
            kind="invalid",
        ) from error


def in_days(days: int | None) -> str | None:
    """Return the instant so many days from now."""
    return (datetime.now(UTC) + timedelta(days=days)).isoformat() if days is not None else None


def bound(text: str | None) -> int | str | None:
    """Return a bound as a number, NO_BOUND where it is taken away, None where it stays."""
    if text is None or text == NO_BOUND:
        return text
    if not text.isdecimal():
        raise typer.BadParameter(f"{text!r} is neither a number nor {NO_BOUND}")
    return int(text)


def find_account(client: "Client", wanted: str) -> str:
    """Return the id of the account with that id or username; names need the right to list accounts."""
    try:
        return str(UUID(wanted))
    except ValueError:
        pass
    me = client.get("/me")["account"]
    if me["username"].lower() == wanted.lower():
        return str(me["id"])
    try:
        accounts = client.pages("/accounts")
    except CommandFailed as error:
        if error.kind != "forbidden":
            raise
        raise CommandFailed(
            f"Only who may list accounts can name {wanted!r}: give the account's id.",
            code=error.code,
            kind=error.kind,
            data=error.data,
        ) from error
    lowered = [account | {"username": account["username"].lower()} for account in accounts]
    return str(pick(lowered, wanted.lower(), "account", name="username")["id"])


def find_node(client: "Client", wanted: str) -> str:
    """Return the id of the node with that id or name."""
    try:
        return str(UUID(wanted))
    except ValueError:
        return str(find(client, "/nodes", wanted, "node")["id"])
