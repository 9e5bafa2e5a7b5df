"""The least that brings a game's output to many sockets: a terminal's bytes, written to each as they stand.

    python -m bench.limits.fanout SUBSCRIBERS   prints its port; then hands each line of its input to the game

No frames, no journal, no numbers, nobody who may be slow: reading waits for the slowest.
"""

import asyncio
import os
import subprocess
import sys
import tty
from pathlib import Path
from typing import Any

import uvloop

READ = 64 * 1024
FULL = 1 << 20
TALKER = Path(__file__).parents[1] / "games" / "talker.py"


class Sink(asyncio.Protocol):
    """One connection to be written to."""

    def __init__(self, fanout: "Fanout") -> None:
        self._fanout = fanout

    def connection_made(self, transport: Any) -> None:
        transport.set_write_buffer_limits(FULL)
        self._fanout.transports.append(transport)

    def pause_writing(self) -> None:
        self._fanout.full += 1
        self._fanout.turn()

    def resume_writing(self) -> None:
        self._fanout.full -= 1
        self._fanout.turn()

    def connection_lost(self, _: Exception | None) -> None:
        os._exit(0)


class Fanout:
    """Copies what the game prints to everybody."""

    def __init__(self, terminal: int) -> None:
        self.transports: list[Any] = []
        self.full = 0
        self._terminal = terminal
        self._reading = False

    def turn(self) -> None:
        """Read, unless somebody has not taken what came before."""
        wanted = self.full == 0
        if wanted != self._reading:
            self._reading = wanted
            loop = asyncio.get_running_loop()
            if wanted:
                loop.add_reader(self._terminal, self._copy)
            else:
                loop.remove_reader(self._terminal)

    def _copy(self) -> None:
        pieces: list[bytes] = []
        size = 0
        try:
            while size < READ:  # the kernel gives 4 KiB at most
                pieces.append(os.read(self._terminal, READ))
                size += len(pieces[-1])
        except BlockingIOError:
            pass
        except OSError:
            os._exit(0)
        data = b"".join(pieces)
        for transport in self.transports:
            transport.write(data)


async def main() -> None:
    """Do it until a client hangs up."""
    ours, theirs = os.openpty()
    tty.setraw(theirs)
    game = subprocess.Popen(
        [sys.executable, "-S", TALKER], stdin=theirs, stdout=theirs, stderr=subprocess.DEVNULL, start_new_session=True
    )
    os.close(theirs)
    os.set_blocking(ours, False)
    fanout = Fanout(ours)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Sink(fanout), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    fanout.turn()
    while line := await asyncio.to_thread(sys.stdin.readline):
        os.write(ours, line.encode())
    game.kill()
    os._exit(0)


if __name__ == "__main__":
    uvloop.run(main())
