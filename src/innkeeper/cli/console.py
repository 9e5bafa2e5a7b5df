"""`innkeeper servers console | logs | search | command`: what a game says, and what it is told.

On a terminal the console is live: lines scroll above an input line. In a pipe it prints lines and types what comes in.
"""

import asyncio
import json
import os
import sys
import threading
import time
from collections.abc import AsyncIterator, Coroutine
from contextlib import aclosing
from typing import TYPE_CHECKING, Annotated, Any

import typer

from innkeeper.cli.call import Call, verb
from innkeeper.cli.failures import CommandFailed
from innkeeper.cli.finding import ServerName, find_server
from innkeeper.cli.output import console_line, note, write
from innkeeper.cli.servers import Limit, servers
from innkeeper.cli.text import plain
from innkeeper.cli.values import instant

if TYPE_CHECKING:
    from innkeeper.cli.stream import ConsoleStream, Line

Tail = Annotated[
    int | None, typer.Option("--tail", "-n", min=0, max=5000, help="How many lines of before are shown first.")
]
Times = Annotated[bool, typer.Option("--times", "-t", help="Print when each line came.")]
_MOST_LINES = 5000


@verb(servers, "command")
def type_command(
    call: Call,
    server: ServerName,
    words: Annotated[list[str], typer.Argument(metavar="COMMAND...", help="The line to type.")],
) -> None:
    """Type one line on a server's console."""
    item = find_server(call.client, server)
    line = " ".join(words)
    call.client.post(f"/servers/{item['id']}/command", {"command": line})
    call.out.result({"server": item["id"], "command": line}, f"{item['name']} was told: {line}")


@verb(servers, "search")
def search(
    call: Call,
    server: ServerName,
    text: Annotated[str, typer.Argument(help="What is looked for, in any case.")],
    since: Annotated[
        str | None, typer.Option(metavar="TIME", help="Only lines from then on: 15m, 2h, 3d, or a date and time.")
    ] = None,
    until: Annotated[str | None, typer.Option(metavar="TIME", help="Only lines before then.")] = None,
    limit: Limit = 500,
) -> None:
    """Search what a server's console has said, oldest lines first."""
    item = find_server(call.client, server)
    found: list[dict[str, Any]] = []
    after: int | None = 0
    while after is not None and len(found) < limit:
        page = call.client.get(
            f"/servers/{item['id']}/console/search",
            text=text,
            since=instant(since),
            until=instant(until),
            after=after,
            limit=min(500, limit - len(found)),
        )
        found += page["items"]
        after = page["next"]
    if call.out.as_json:
        call.out.document(found)
        return
    for line in found:
        write(console_line(line["text"], line["time"]))
    if not found:
        raise CommandFailed(f"{item['name']} has not said {text!r}.", code="not_found", kind="not_found")
    if after is not None:
        note("There is more: see --limit.")


@verb(servers, "logs")
def logs(
    call: Call,
    server: ServerName,
    tail: Annotated[
        int, typer.Option("--tail", "-n", min=1, max=_MOST_LINES, help="How many of the last lines.")
    ] = 200,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on printing lines as they come.")] = False,
    times: Times = False,
) -> None:
    """Print the last lines of a server's console."""
    item = find_server(call.client, server)
    if follow:
        asyncio.run(_pipe(call, item, tail=tail, times=times, reads_input=False, until=None, timeout_s=None))
        return
    found = call.client.get(f"/servers/{item['id']}/console", tail=tail)["items"]
    if call.out.as_json:
        call.out.document(found)
        return
    for line in found:
        write(console_line(line["text"], line["time"] if times else None))


@verb(servers, "console")
def console(
    call: Call,
    server: ServerName,
    tail: Tail = None,
    times: Times = False,
    no_input: Annotated[bool, typer.Option("--no-input", help="Only print; never read standard input.")] = False,
    until: Annotated[str | None, typer.Option(metavar="TEXT", help="End once a new line holds this text.")] = None,
    timeout_s: Annotated[
        float | None, typer.Option("--timeout", metavar="SECONDS", min=0, help="Fail if --until is not seen by then.")
    ] = None,
) -> None:
    """Be at a server's console. Ctrl-C or Ctrl-D leaves; the server is never touched by that.

    In a pipe, lines are printed, and each line of standard input is typed; at its end the command ends as soon as the
    game has been quiet for a second (with --until: when that was seen). --json then prints an object a line.
    """
    item = find_server(call.client, server)
    live = sys.stdin.isatty() and sys.stdout.isatty() and not (no_input or until or call.out.as_json)
    if live:
        from innkeeper.cli.terminal import Terminal

        asyncio.run(Terminal(call, item, tail=50 if tail is None else tail, times=times).run())
        return
    reads_input = not no_input and not sys.stdin.isatty()
    asyncio.run(
        _pipe(call, item, tail=tail or 0, times=times, reads_input=reads_input, until=until, timeout_s=timeout_s)
    )


async def _pipe(
    call: Call,
    item: dict[str, Any],
    *,
    tail: int,
    times: bool,
    reads_input: bool,
    until: str | None,
    timeout_s: float | None,
) -> None:
    from innkeeper.cli.stream import ConsoleStream

    pipe = Pipe(call, item, ConsoleStream(call.client, item["id"], tail=tail), times=times, until=until)
    try:
        async with asyncio.timeout(timeout_s):
            await pipe.run(reads_input=reads_input)
    except TimeoutError as error:
        raise CommandFailed(
            f"{item['name']} has not said {until!r} in time." if until else "The time is over.",
            code="timed_out",
            kind="unavailable",
        ) from error


class Pipe:
    """A console whose lines are printed and whose input is a stream of lines."""

    QUIET_S = 1.0

    def __init__(
        self, call: Call, item: dict[str, Any], stream: "ConsoleStream", *, times: bool, until: str | None
    ) -> None:
        self._call = call
        self._item = item
        self._stream = stream
        self._times = times
        self._until = until
        self._heard = 0.0
        self._newest = 0
        self._over = asyncio.Event()
        self._failure: CommandFailed | BrokenPipeError | None = None

    async def run(self, *, reads_input: bool) -> None:
        """Print until it is over: `until` seen, or input ended and quiet; raise CommandFailed."""
        from innkeeper.kit.tasks import TaskSet

        self._newest = await self._stream.open()
        self._heard = time.monotonic()
        tasks = TaskSet("console").start_set()
        try:
            tasks.start(self._finish(self._read()), name="console output")
            if reads_input:
                tasks.start(self._finish(self._type()), name="console input")
            await self._over.wait()
        finally:
            await tasks.aclose()
        if self._failure is not None:
            raise self._failure

    async def _finish(self, work: Coroutine[Any, Any, bool]) -> None:
        """Do one half of it; that it is over, or why it failed, is told to `run`."""
        try:
            if await work:
                self._over.set()
        except (CommandFailed, BrokenPipeError) as error:
            self._failure = error
            self._over.set()

    async def _read(self) -> bool:
        from innkeeper.cli.stream import Lines, Lost, Refused, Skipped

        async with aclosing(self._stream.events()) as events:
            async for event in events:
                match event:
                    case Lines(lines):
                        self._heard = time.monotonic()
                        for line in lines:
                            self._print(line)
                            if self._until is not None and line.seq > self._newest and self._until in plain(line.text):
                                return True
                    case Skipped(count):
                        note(f"{count} lines are not kept any more.")
                    case Lost(reason):
                        note(f"The connection is lost: {reason} Trying again.")
                    case Refused(_, message):
                        note(message)
        return True

    def _print(self, line: "Line") -> None:
        if self._call.out.as_json:
            write(json.dumps({"seq": line.seq, "time": line.time, "text": line.text}))
        else:
            write(console_line(line.text, line.time if self._times else None))

    async def _type(self) -> bool:
        """Type standard input, line by line; then wait for quiet. Say whether it is over with that."""
        from innkeeper.kit.tasks import in_thread

        path = f"/servers/{self._item['id']}/command"
        async for line in _standard_input():
            if line.strip():
                await in_thread(self._call.client.post, path, {"command": line})
                self._heard = time.monotonic()
        if self._until is not None:
            return False
        while (left := self._heard + self.QUIET_S - time.monotonic()) > 0:  # noqa: ASYNC110 - nothing tells of quiet
            await asyncio.sleep(left)
        return True


async def _standard_input() -> AsyncIterator[str]:
    """Give the lines of standard input. The reading thread is a daemon: nothing waits for a read that never ends."""
    loop = asyncio.get_running_loop()
    queue: asyncio.Queue[bytes] = asyncio.Queue()
    descriptor = sys.stdin.fileno()

    def read() -> None:
        while True:
            try:
                part = os.read(descriptor, 65536)
            except OSError:
                part = b""
            try:
                loop.call_soon_threadsafe(queue.put_nowait, part)
            except RuntimeError:
                return  # the command has ended meanwhile
            if not part:
                return

    threading.Thread(target=read, daemon=True, name="standard input").start()
    rest = b""
    while part := await queue.get():
        *lines, rest = (rest + part).split(b"\n")
        for line in lines:
            yield line.rstrip(b"\r").decode("utf-8", "replace")
    if rest:
        yield rest.decode("utf-8", "replace")
