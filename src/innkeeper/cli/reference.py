"""Write the reference of the command line from the commands themselves.

    python -m innkeeper.cli.reference docs/reference/cli.md

A test compares the file with this, so that it never drifts.
"""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer.main

from innkeeper.cli.application import app
from innkeeper.cli.call import COMMON

_HEAD = """# Command line

Generated from the commands (`python -m innkeeper.cli.reference docs/reference/cli.md`); do not edit.

Commands end with status 0 when what was asked is done, 1 when it is not (the reason is on standard error), 2 when
the command line is not understood.

"""

_CONNECTION = """## Connection

Commands that speak to an Innkeeper, marked *client*, take these options as well. The first of the following that names
an address counts: `--url`; `--profile`; `--data`; `INNKEEPER_URL`; the current profile (`innkeeper login`); the
installation in `INNKEEPER_DATA`, else in `var/innkeeper`. A key given apart (`--key`, `--key-file`, `INNKEEPER_KEY`,
`INNKEEPER_KEY_FILE`) goes with any of them; a key kept in a profile or a data folder is sent to that address only.

Profiles are kept in `$XDG_CONFIG_HOME/innkeeper/client.toml` (else `~/.config/innkeeper/client.toml`), readable by
their owner only. A key given by `--key` can be seen by others on the same host in the list of processes.

With `--json` there is one JSON document on standard output and nothing else; errors are the API's error object on
standard error. Without it, text that games and players have chosen is shown without its control characters and escape
sequences; on a terminal, `console` and `logs` keep its colours.

"""


def reference() -> str:
    """Return the whole reference as Markdown."""
    root: Any = typer.main.get_command(app)
    parts = [_HEAD, _CONNECTION]
    sample = root.commands["status"]
    parts += [_option(parameter) for parameter in sample.params if parameter.name in COMMON]
    for path, command in _commands(root, ["innkeeper"]):
        parts.append("\n" + _section(path, command))
    return "".join(parts)


def _commands(group: Any, path: list[str]) -> Iterator[tuple[list[str], Any]]:
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from _commands(command, [*path, name])
        else:
            yield [*path, name], command


def _section(path: list[str], command: Any) -> str:
    own = [parameter for parameter in command.params if parameter.name not in COMMON and parameter.name != "help"]
    client = len(own) < len(command.params) and any(parameter.name in COMMON for parameter in command.params)
    arguments = [parameter for parameter in own if parameter.param_type_name == "argument"]
    usage = " ".join([*path, *(_argument_name(argument) for argument in arguments)])
    lines = [f"## {' '.join(path)}\n\n", f"    {usage}\n\n", "*client* · " if client else "", _text(command.help), "\n"]
    if own:
        lines.append("\n")
    lines += [f"- `{_argument_name(argument)}`: {_text(argument.help)}\n" for argument in arguments]
    lines += [_option(parameter) for parameter in own if parameter.param_type_name != "argument"]
    return "".join(lines)


def _argument_name(argument: Any) -> str:
    name = (argument.metavar or argument.name.upper()).strip("[]")
    return name if argument.required else f"[{name}]"


def _option(option: Any) -> str:
    names = ", ".join(f"`{name}`" for name in [*option.opts, *option.secondary_opts])
    value = "" if option.is_flag else f" {option.metavar or option.name.upper()}"
    details = [_text(option.help)]
    default = option.default
    if default is not None and not option.is_flag and default not in ("", [], ()) and not callable(default):
        details.append(f"Default: `{default}`.")
    if option.envvar:
        details.append(f"Environment: `{option.envvar}`.")
    return f"- {names}{value}: {' '.join(part for part in details if part)}\n"


def _text(text: str | None) -> str:
    return " ".join((text or "").split())


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(reference())
