"""What a piece of console output is, on disk and on every wire: the block and its record.

Refuses to know files and sockets. Standard library only, and cheap to import: every keeper process pays for it.

    record = payload length u32 | crc32 u32 | first_seq u64 | time_us u64 | payload      (little-endian)

The checksum covers everything but itself.
"""

from __future__ import annotations

import struct
import zlib

HEADER = struct.Struct("<IIQQ")
_SUMMED = struct.Struct("<IQQ")
MAX_PAYLOAD_BYTES = 1 << 20
SEGMENT_SUFFIX = ".log"


class BadRecord(ValueError):
    """What stands there is not a whole record."""


class Block:
    """Console bytes whose lines have consecutive numbers.

    `first_seq` numbers the first line, from 1; `time_us` is when it was read, in Unix microseconds; `payload` holds
    lines ended by a newline each. A last piece without a newline is a partial line: it counts as a line of its own,
    and what follows it in the game's output is the next line.
    """

    __slots__ = ("first_seq", "payload", "time_us")

    def __init__(self, first_seq: int, time_us: int, payload: bytes) -> None:
        self.first_seq = first_seq
        self.time_us = time_us
        self.payload = payload

    @property
    def count(self) -> int:
        """How many lines."""
        return count_lines(self.payload)

    @property
    def next_seq(self) -> int:
        """The number after the last line's."""
        return self.first_seq + count_lines(self.payload)

    def lines(self) -> list[bytes]:
        """Return the lines without their newlines."""
        lines = self.payload.split(b"\n")
        if not lines[-1]:
            lines.pop()
        return lines

    def after(self, seq: int) -> Block:
        """Return the part after line `seq`, which must be a line of this block or the one before it."""
        skipped = seq + 1 - self.first_seq
        if skipped <= 0:
            return self
        return Block(seq + 1, self.time_us, self.payload.split(b"\n", skipped)[-1])

    def up_to(self, max_bytes: int) -> Block:
        """Return as many whole lines as fit into `max_bytes`, at least one."""
        if len(self.payload) <= max_bytes:
            return self
        cut = self.payload.rfind(b"\n", 0, max_bytes) + 1 or self.payload.find(b"\n") + 1 or len(self.payload)
        return Block(self.first_seq, self.time_us, self.payload[:cut])

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Block):
            return NotImplemented
        return (self.first_seq, self.time_us, self.payload) == (other.first_seq, other.time_us, other.payload)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"Block({self.first_seq}, {self.time_us}, {self.payload[:60]!r}{'...' * (len(self.payload) > 60)})"


def count_lines(payload: bytes) -> int:
    """Return how many lines `payload` holds, a partial one at its end included."""
    return payload.count(b"\n") + (0 if payload.endswith(b"\n") else 1)


def pack_header(first_seq: int, time_us: int, payload: bytes) -> bytes:
    """Return the record header that belongs before `payload`."""
    length = len(payload)
    checksum = zlib.crc32(payload, zlib.crc32(_SUMMED.pack(length, first_seq, time_us)))
    return HEADER.pack(length, checksum, first_seq, time_us)


def parse_header(data: bytes, offset: int) -> tuple[int, int, int]:
    """Return (payload length, first_seq, time_us); raise BadRecord where it cannot be a header."""
    if offset + HEADER.size > len(data):
        raise BadRecord("the header is not whole")
    length, _, first_seq, time_us = HEADER.unpack_from(data, offset)
    if not 0 < length <= MAX_PAYLOAD_BYTES or first_seq == 0:
        raise BadRecord("the header makes no sense")
    return length, first_seq, time_us


def parse_record(data: bytes, offset: int) -> tuple[Block, int]:
    """Return the block at `offset` and where the next record starts; raise BadRecord where none stands whole."""
    length, first_seq, time_us = parse_header(data, offset)
    start = offset + HEADER.size
    payload = data[start : start + length]
    if len(payload) < length:
        raise BadRecord("the payload is not whole")
    checksum = HEADER.unpack_from(data, offset)[1]
    if checksum != zlib.crc32(payload, zlib.crc32(_SUMMED.pack(length, first_seq, time_us))):
        raise BadRecord("the checksum is wrong")
    return Block(first_seq, time_us, payload), start + length


def segment_name(first_seq: int) -> str:
    """Return the file name of the segment that starts with line `first_seq`."""
    return f"{first_seq:020d}{SEGMENT_SUFFIX}"


def segment_seq(name: str) -> int | None:
    """Return the first line's number of the segment file `name`, None where it is none."""
    digits = name.removesuffix(SEGMENT_SUFFIX)
    return int(digits) if len(digits) == 20 and digits.isdecimal() and digits.isascii() and digits != name else None
