"""A live console on a terminal: lines scroll above an input line, with a history for each server.

Leaving it never touches the server. What the panel says of itself is dimmed and begins with a dash.
"""

import os
import sys
from contextlib import AbstractContextManager, aclosing, nullcontext
from pathlib import Path
from typing import Any

from prompt_toolkit import PromptSession
from prompt_toolkit.formatted_text import FormattedText
from prompt_toolkit.history import FileHistory, History, InMemoryHistory
from prompt_toolkit.input.vt100 import Vt100Input
from prompt_toolkit.patch_stdout import patch_stdout

from innkeeper.cli.call import Call
from innkeeper.cli.failures import CommandFailed
from innkeeper.cli.output import console_line
from innkeeper.cli.stream import Back, ConsoleStream, Event, Lines, Lost, Refused, Seen, Skipped
from innkeeper.cli.text import plain
from innkeeper.kit.tasks import TaskSet

_DIM, _RED, _RESET = "\x1b[2m", "\x1b[31m", "\x1b[0m"


class AlwaysRaw(Vt100Input):
    """A keyboard that stays ours while lines are printed and between two input lines.

    Were the terminal cooked meanwhile, a Ctrl-D or Ctrl-C pressed just then would be its driver's, and lost.
    """

    def cooked_mode(self) -> AbstractContextManager[None]:
        return nullcontext()


class Terminal:
    """One person at one server's console."""

    def __init__(self, call: Call, item: dict[str, Any], *, tail: int, times: bool) -> None:
        self._name = plain(item["name"])
        self._state = str(item["state"])
        self._stream = ConsoleStream(call.client, item["id"], tail=tail)
        self._times = times
        self._failure: CommandFailed | None = None
        self._session: PromptSession[str] = PromptSession(
            history=_history(call.folder / "history", item["id"]),
            bottom_toolbar=self._toolbar,
            input=AlwaysRaw(sys.stdin),
        )

    async def run(self) -> None:
        """Show lines and take commands until the person leaves; raise CommandFailed once they may not be here."""
        await self._stream.open()
        with patch_stdout(raw=True), self._session.app.input.raw_mode():
            tasks = TaskSet("console").start_set()
            try:
                tasks.start(self._read(), name=f"console of {self._name}")
                await self._take_commands()
            finally:
                await tasks.aclose()
        if self._failure is not None:
            raise self._failure

    async def _take_commands(self) -> None:
        while self._failure is None:
            try:
                line = await self._session.prompt_async("> ")
            except (EOFError, KeyboardInterrupt):
                return
            if not line.strip():
                continue
            if not await self._stream.send(line):
                self._say(f"not connected: {plain(line)!r} was not typed", _RED)

    async def _read(self) -> None:
        try:
            async with aclosing(self._stream.events()) as events:
                async for event in events:
                    self._show(event)
        except CommandFailed as error:
            self._failure = error
            if self._session.app.is_running:
                self._session.app.exit(exception=EOFError())

    def _show(self, event: Event) -> None:
        match event:
            case Lines(lines):
                sys.stdout.write(
                    "".join(console_line(line.text, line.time if self._times else None) + "\n" for line in lines)
                )
            case Seen(state, reason):
                if state != self._state:
                    self._say(f"{self._name} is {state}" + (f": {plain(reason)}" if reason else ""))
                self._state = state
            case Skipped(count):
                self._say(f"{count} lines are not kept any more")
            case Refused(_, message):
                self._say(plain(message), _RED)
            case Lost(reason):
                self._say(f"connection lost: {plain(reason)} Trying again …", _RED)
            case Back():
                self._say("connected again")
        if self._session.app.is_running:
            self._session.app.invalidate()

    def _say(self, text: str, colour: str = "") -> None:
        sys.stdout.write(f"{_DIM}{colour}— {text}{_RESET}\n")

    def _toolbar(self) -> FormattedText:
        link = "" if self._stream.connected else " · not connected"
        return FormattedText([("", f" {self._name} · {self._state}{link} · Ctrl-D leaves, the server goes on ")])


def _history(folder: Path, server: str) -> History:
    """Return the commands typed before, kept readable by their owner only."""
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        file = folder / server
        os.close(os.open(file, os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600))
    except OSError:
        return InMemoryHistory()
    return FileHistory(file)
