"""`innkeeper house`: what the house is set to, seen and set while it runs."""

from typing import Annotated, Any

import typer

from innkeeper.cli.call import Call, verb
from innkeeper.cli.values import NO_BOUND, assignments, boolean

house = typer.Typer(help="What the house is set to, obeyed while it runs.", no_args_is_help=True)


@verb(house, "show")
def show_house(call: Call) -> None:
    """Show what the house is set to."""
    found = call.client.get("/house")
    call.out.facts(found, {name: _shown(value) for name, value in found.items()})


@verb(house, "set")
def set_house(
    call: Call,
    settings: Annotated[
        list[str],
        typer.Argument(
            metavar="NAME=VALUE...",
            help="What is to be set; lists have commas between, none takes a bound away, no value empties a list.",
        ),
    ],
) -> None:
    """Set something otherwise, for every panel and from now on."""
    given, known = assignments(settings), call.client.get("/house")
    changes = {name: _value(text, known.get(name)) for name, text in given.items()}
    changed = call.client.patch("/house", changes)
    call.out.facts(changed, {name: _shown(changed[name]) for name in changes})


def _value(text: str, known: Any) -> Any:
    """Return a value in the type of the one that there is; what fits none is left for the API to refuse."""
    match known:
        case bool():
            return boolean(text)
        case list():
            return [item.strip() for item in text.split(",")] if text else []
        case str():
            return text
        case _:
            return None if text == NO_BOUND else int(text) if text.isdecimal() else text


def _shown(value: Any) -> str:
    match value:
        case None | []:
            return NO_BOUND
        case bool():
            return "yes" if value else "no"
        case list():
            return ", ".join(map(str, value))
        case _:
            return str(value)
