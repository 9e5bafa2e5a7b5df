"""Console lines, in the blocks they were read in."""

import msgspec


class Block(msgspec.Struct, frozen=True):
    """Consecutive lines read in one go.

    `payload` is the game's raw bytes; every line ends with a newline, except that the last may be partial (a prompt).
    """

    first_seq: int
    time_us: int
    payload: bytes

    @property
    def count(self) -> int:
        """How many lines it holds."""
        return self.payload.count(b"\n") + (not self.payload.endswith(b"\n"))

    @property
    def last_seq(self) -> int:
        """The number of its last line."""
        return self.first_seq + self.count - 1

    def lines(self) -> list[str]:
        """Return its lines as text, without line ends; bytes that are no UTF-8 become U+FFFD."""
        lines = self.payload.decode("utf-8", "replace").split("\n")
        if not lines[-1]:
            lines.pop()
        return lines

    def after(self, seq: int) -> "Block | None":
        """Return the part of it whose lines come after `seq`, None when there is none."""
        if seq < self.first_seq:
            return self
        skip = seq - self.first_seq + 1
        start = 0
        for _ in range(skip):
            start = self.payload.find(b"\n", start) + 1
            if start == 0 or start >= len(self.payload):
                return None
        return Block(self.first_seq + skip, self.time_us, self.payload[start:])


class Lines(msgspec.Struct, frozen=True):
    """Blocks from the journal, with the number of the oldest line still kept and of the next line to come."""

    blocks: list[Block]
    first_seq: int
    next_seq: int


class FoundLine(msgspec.Struct, frozen=True):
    """A line that a search found."""

    seq: int
    time_us: int
    text: str
