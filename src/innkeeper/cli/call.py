"""What every command that speaks to an Innkeeper has in common: its options, its connection, its failures.

    @verb(servers, "show")
    def show(call: Call, server: ServerName) -> None: ...

The function gets a `Call`; the command gets, beside the function's own parameters, the options of the connection.
"""

import inspect
import sys
from collections.abc import Callable
from contextlib import ExitStack
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from innkeeper.cli.failures import CommandFailed
from innkeeper.cli.output import Output
from innkeeper.cli.profiles import Place, Profiles, Wishes, config_folder, find_place

if TYPE_CHECKING:
    from innkeeper.cli.client import Client

_PANEL = "Connection"
_URL = "Address of the Innkeeper (or INNKEEPER_URL)."
_KEY = "API key (or INNKEEPER_KEY). Others on this host can see it in `ps`; --key-file is better."
_KEY_FILE = "File that holds the API key (or INNKEEPER_KEY_FILE)."
_PROFILE = "Profile made by `innkeeper login` (or INNKEEPER_PROFILE)."
_DATA = "Data folder of an installation on this host: its address and first key are used (or INNKEEPER_DATA)."
_JSON = "Print one JSON document; errors too."
Url = Annotated[str | None, typer.Option("--url", metavar="URL", rich_help_panel=_PANEL, help=_URL)]
Key = Annotated[str | None, typer.Option("--key", metavar="KEY", rich_help_panel=_PANEL, help=_KEY)]
KeyFile = Annotated[Path | None, typer.Option("--key-file", metavar="FILE", rich_help_panel=_PANEL, help=_KEY_FILE)]
ProfileName = Annotated[str | None, typer.Option("--profile", metavar="NAME", rich_help_panel=_PANEL, help=_PROFILE)]
DataFolder = Annotated[Path | None, typer.Option("--data", metavar="FOLDER", rich_help_panel=_PANEL, help=_DATA)]
AsJson = Annotated[bool, typer.Option("--json", rich_help_panel=_PANEL, help=_JSON)]

COMMON: dict[str, tuple[Any, Any]] = {
    "_url": (Url, None),
    "_key": (Key, None),
    "_key_file": (KeyFile, None),
    "_profile": (ProfileName, None),
    "_data": (DataFolder, None),
    "_as_json": (AsJson, False),
}
"""The parameters that `verb` adds; the underscore keeps them apart from the functions' own."""


class Call:
    """One command, called: what it prints with and whom it asks."""

    def __init__(self, wishes: Wishes, *, as_json: bool) -> None:
        self.wishes = wishes
        self.out = Output(as_json=as_json)
        self.exits = ExitStack()

    @cached_property
    def folder(self) -> Path:
        """The folder of this program's settings."""
        return config_folder()

    @cached_property
    def profiles(self) -> Profiles:
        """The kept profiles."""
        return Profiles(self.folder)

    @cached_property
    def place(self) -> Place:
        """The Innkeeper that is meant."""
        return find_place(self.wishes, self.profiles)

    @cached_property
    def client(self) -> "Client":
        """A connection to it."""
        from innkeeper.cli.client import Client

        return self.exits.enter_context(Client(self.place))


def verb(app: typer.Typer, name: str, **details: Any) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Make a function a command of `app`; a CommandFailed becomes a sentence and exit status 1."""

    def decorate(work: Callable[..., None]) -> Callable[..., None]:
        def command(**given: Any) -> None:
            common = {key.removeprefix("_"): given.pop(key) for key in COMMON}
            as_json = common.pop("as_json")
            call = Call(Wishes(**common), as_json=as_json)
            for stream in (sys.stdout, sys.stderr):
                if hasattr(stream, "reconfigure"):
                    stream.reconfigure(errors="backslashreplace")
            try:
                with call.exits:
                    work(call, **given)
            except CommandFailed as error:
                error.tell(as_json=as_json)
                raise SystemExit(1) from error
            except BrokenPipeError as error:
                _forget_output()
                raise SystemExit(1) from error
            except KeyboardInterrupt as error:
                raise SystemExit(130) from error

        own = list(inspect.signature(work).parameters.values())[1:]
        added = [
            inspect.Parameter(key, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=kind)
            for key, (kind, default) in COMMON.items()
        ]
        ours = [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in own]
        command.__signature__ = inspect.Signature([*ours, *added])  # type: ignore[attr-defined]
        command.__annotations__ = {}
        command.__doc__ = work.__doc__
        command.__name__ = work.__name__
        app.command(name, **details)(command)
        return work

    return decorate


def _forget_output() -> None:
    """Have the interpreter flush into nothing at its end: whoever read our output has gone."""
    import os

    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
