"""The game's terminal as its keeper sees it: output in pieces of whole lines, input that waits its turn.

Refuses to know the journal and the clients. Standard library only, and cheap to import.
"""

from __future__ import annotations

import os
from collections import deque

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

READ_BYTES = 64 << 10
PARTIAL_BYTES = 32 << 10
INPUT_BYTES = 64 << 10
INPUT_PATIENCE = 5.0
_WORTH_ANOTHER_READ = 1024
NOT_READING = "the game does not read its console"
CLOSED = "the game has closed its console"


class Terminal:
    """The master side. `partial_after`: seconds without output after which an unfinished line counts as one."""

    def __init__(self, master: int, partial_after: float) -> None:
        os.set_blocking(master, False)
        self.fd = master
        self.hung_up = False
        self.partial_at: float | None = None
        self._partial_after = partial_after
        self._carry = b""
        self._inputs: deque[tuple[memoryview, float, Callable[[str | None], None]]] = deque()
        self._input_bytes = 0
        self._torn = False

    @property
    def has_input(self) -> bool:
        """Whether input waits for the game."""
        return bool(self._inputs)

    @property
    def input_deadline(self) -> float | None:
        """When the input that waits longest is given up."""
        return self._inputs[0][1] if self._inputs else None

    def read(self) -> bytes:
        """Return what the game has printed, up to READ_BYTES; empty: nothing now."""
        pieces = []
        room = READ_BYTES
        while room > 0:
            try:
                piece = os.read(self.fd, room)
            except BlockingIOError:
                break
            except OSError:
                self.hung_up = True
                break
            pieces.append(piece)
            room -= len(piece)
            # The kernel gives 4 KiB at most; a small piece means that the game is not ahead of us.
            if len(piece) < _WORTH_ANOTHER_READ:
                break
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def take(self, data: bytes, now: float) -> bytes:
        """Return what of the output so far may be journaled as one block; keep an unfinished line a while."""
        if self._carry:
            data = self._carry + data
        cut = data.rfind(b"\n") + 1
        if cut == len(data) or len(data) - cut >= PARTIAL_BYTES:
            self._carry = b""
            self.partial_at = None
            return data
        self._carry = data[cut:]
        self.partial_at = now + self._partial_after
        return data[:cut]

    def take_partial(self) -> bytes:
        """Return the unfinished line, which now counts as one; empty where there is none."""
        carry, self._carry, self.partial_at = self._carry, b"", None
        return carry

    def send(self, data: bytes, now: float, answer: Callable[[str | None], None]) -> None:
        """Queue input and write what goes; `answer` gets None once all is written, or why it was refused."""
        if self._input_bytes + len(data) > INPUT_BYTES:
            answer(NOT_READING)
            return
        self._inputs.append((memoryview(data), now + INPUT_PATIENCE, answer))
        self._input_bytes += len(data)
        self.write(now)

    def write(self, now: float) -> None:
        """Write queued input as far as the game takes it; refuse what has waited too long."""
        while self._inputs:
            data, deadline, answer = self._inputs[0]
            try:
                if self._torn:
                    os.write(self.fd, b"\n")
                    self._torn = False
                written = os.write(self.fd, data) if data else 0
            except BlockingIOError:
                if now < deadline:
                    return
                self._refuse(NOT_READING)
                return
            except OSError:
                self._refuse(CLOSED)
                return
            self._input_bytes -= written
            if written < len(data):
                self._inputs[0] = (data[written:], deadline, answer)
            else:
                self._inputs.popleft()
                answer(None)

    def _refuse(self, why: str) -> None:
        """Refuse all input that waits; of a command half written, keep the other half from joining the next one."""
        head = self._inputs[0][0]
        self._torn = self._torn or (isinstance(head.obj, bytes) and len(head) < len(head.obj))
        refused = list(self._inputs)
        self._inputs.clear()
        self._input_bytes = 0
        for _, _, answer in refused:
            answer(why)
