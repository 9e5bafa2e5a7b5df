"""A person at a terminal, for tests: a pseudo-terminal with a command on it, what it shows and what is typed."""

import asyncio
import contextlib
import fcntl
import os
import re
import struct
import termios
from asyncio.subprocess import Process

_SEQUENCE = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b[ -/]*[0-~]|\r")
_WHERE_AM_I = b"\x1b[6n"


class Person:
    """Sits at a terminal of 200 columns. Use as an async context manager."""

    def __init__(self, command: list[str], environment: dict[str, str]) -> None:
        self._command = command
        self._environment = environment
        self._raw = b""
        self._news = asyncio.Event()
        self._master = -1
        self.process: Process

    async def __aenter__(self) -> "Person":
        self._master, slave = os.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 200, 0, 0))
        try:
            self.process = await asyncio.create_subprocess_exec(
                *self._command, stdin=slave, stdout=slave, stderr=slave, env=self._environment, start_new_session=True
            )
        finally:
            os.close(slave)
        asyncio.get_running_loop().add_reader(self._master, self._read)
        return self

    async def __aexit__(self, *_: object) -> None:
        if self.process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self.process.kill()
        await self.process.wait()
        asyncio.get_running_loop().remove_reader(self._master)
        os.close(self._master)

    @property
    def raw(self) -> str:
        """All that was written to the terminal."""
        return self._raw.decode("utf-8", "replace")

    @property
    def shown(self) -> str:
        """The same without escape sequences."""
        return _SEQUENCE.sub("", self.raw)

    def type(self, text: str) -> None:
        """Press keys."""
        os.write(self._master, text.encode())

    async def sees(self, text: str, *, within_s: float = 30) -> None:
        """Wait until the terminal has shown `text`."""
        try:
            async with asyncio.timeout(within_s):
                while text not in self.shown:
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            raise AssertionError(f"{text!r} was not shown:\n{self.shown}") from None

    async def leaves(self, *, within_s: float = 15) -> int:
        """Wait for the command's end; return its status."""
        async with asyncio.timeout(within_s):
            return await self.process.wait()

    def _read(self) -> None:
        try:
            part = os.read(self._master, 65536)
        except OSError:  # the other side is closed: the command has ended
            part = b""
        if not part:
            asyncio.get_running_loop().remove_reader(self._master)
        for _ in range(part.count(_WHERE_AM_I)):
            os.write(self._master, b"\x1b[1;1R")
        self._raw += part
        self._news.set()
