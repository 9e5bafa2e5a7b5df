"""Append console output to the journal, numbered; survive torn tails and full disks.

The one writer of a journal is its server's keeper (whose lock keeps a second one out). Refuses to know terminals and
sockets, and never reads but to recover. Standard library only, and cheap to import.

What cannot be written now waits in memory, without numbers; what does not fit there either is counted, and a line of
the journal later confesses how much was lost. So a number, once given, is a line that can be read again.
"""

# pathlib and contextlib would cost every keeper memory.
# ruff: noqa: PTH103, PTH108, PTH116, SIM105
from __future__ import annotations

import errno
import os
import time
from collections import deque

from innkeeper.node.console.record import (
    HEADER,
    MAX_PAYLOAD_BYTES,
    BadRecord,
    Block,
    count_lines,
    pack_header,
    parse_record,
    segment_name,
    segment_seq,
)

DEFAULT_SEGMENT_BYTES = 8 << 20
DEFAULT_RETAIN_BYTES = 256 << 20
DEFAULT_PENDING_BYTES = 4 << 20
SEALED_FROM_BYTES = 256 << 10


class JournalWriter:
    """The open journal of one server; make it with `open`.

    `next_seq` is the number the next line will get; `pending_bytes` is what waits for room on the disk.
    """

    def __init__(
        self, directory: str, segment_bytes: int, retain_bytes: int, retain_seconds: float | None, pending_limit: int
    ) -> None:
        self._directory = directory
        self._segment_bytes = segment_bytes
        self._retain_bytes = retain_bytes
        self._retain_seconds = retain_seconds
        self._pending_limit = pending_limit
        self._pending: deque[tuple[int, bytes]] = deque()
        self._lost_bytes = 0
        self._why_lost = ""
        self._fd = -1
        self._size = 0
        self._current_seq = 0
        self._closed_segments: deque[tuple[int, int]] = deque()  # (first_seq, bytes)
        self._closed_bytes = 0
        self.pending_bytes = 0
        self.next_seq = 1

    @classmethod
    def open(
        cls,
        directory: str,
        *,
        segment_bytes: int = DEFAULT_SEGMENT_BYTES,
        retain_bytes: int = DEFAULT_RETAIN_BYTES,
        retain_seconds: float | None = None,
        pending_limit: int = DEFAULT_PENDING_BYTES,
    ) -> JournalWriter:
        """Open the journal in `directory`, made where missing; cut off a torn tail and go on numbering after it.

        `segment_bytes`: a new file is begun past it. `retain_bytes`, `retain_seconds`: the oldest files go past them,
        never the one being written. `pending_limit`: bytes kept in memory while the disk takes none.
        Raises OSError where the directory cannot be made or read.
        """
        os.makedirs(directory, mode=0o700, exist_ok=True)
        writer = cls(directory, segment_bytes, retain_bytes, retain_seconds, pending_limit)
        writer._recover()
        return writer

    def append(self, time_us: int, payload: bytes) -> list[Block]:
        """Write `payload` and return what now stands in the journal: normally one block, none while the disk is full.

        After a full disk it is everything that waited, in order. Each payload gets numbers of its own: one without a
        newline at its end is a partial line.
        """
        if not payload:
            return []
        if not self._pending and not self._lost_bytes:
            try:
                if len(payload) <= MAX_PAYLOAD_BYTES:
                    return [self._write(time_us, payload)]
            except OSError as error:
                self._why_lost = error.strerror or str(error)
        self._postpone(time_us, payload)
        return self.retry()

    def retry(self) -> list[Block]:
        """Try to write what waits; return the blocks that now stand in the journal."""
        written: list[Block] = []
        try:
            while self._pending:
                written.append(self._write(*self._pending[0]))
                self.pending_bytes -= len(self._pending.popleft()[1])
            if self._lost_bytes:
                written.append(self._write(time.time_ns() // 1000, self._confession()))
                self._lost_bytes = 0
        except OSError as error:
            self._why_lost = error.strerror or str(error)
        return written

    def sync(self) -> None:
        """Have the disk hold what was written. Raises OSError."""
        if self._fd >= 0:
            os.fdatasync(self._fd)

    def seal(self) -> None:
        """Begin another file unless this one is small: who opens the journal next reads through the last one.

        Raises OSError.
        """
        if self._fd >= 0 and self._size >= SEALED_FROM_BYTES:
            self._rotate()

    def close(self) -> None:
        """Close the file; what still waits for room is lost."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def drop_old(self) -> None:
        """Delete the oldest files past what is to be retained. Raises OSError."""
        while self._closed_segments:
            first_seq, size = self._closed_segments[0]
            path = self._path(first_seq)
            if self._closed_bytes + self._size <= self._retain_bytes and not self._is_too_old(path):
                return
            try:
                os.unlink(path)
            except FileNotFoundError:
                pass
            self._closed_segments.popleft()
            self._closed_bytes -= size

    def _write(self, time_us: int, payload: bytes) -> Block:
        first_seq = self.next_seq
        size = HEADER.size + len(payload)
        if self._fd < 0:
            self._begin_segment()
        elif self._size + size > self._segment_bytes and self._size:
            self._rotate()
        try:
            done = os.writev(self._fd, (pack_header(first_seq, time_us, payload), payload))
        except OSError:
            self._cut()
            raise
        if done < size:
            self._cut()
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self._size += size
        self.next_seq = first_seq + count_lines(payload)
        return Block(first_seq, time_us, payload)

    def _cut(self) -> None:
        """Take back a half-written record; where even that fails, begin another file."""
        try:
            os.ftruncate(self._fd, self._size)
        except OSError:
            self._retire_segment()

    def _rotate(self) -> None:
        self._retire_segment()
        self._begin_segment()
        self.drop_old()

    def _retire_segment(self) -> None:
        os.close(self._fd)
        self._fd = -1
        self._closed_segments.append((self._current_seq, self._size))
        self._closed_bytes += self._size

    def _begin_segment(self) -> None:
        # O_TRUNC: an empty or wholly torn file of that number may be left from a full disk.
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_TRUNC | os.O_CLOEXEC
        self._fd = os.open(self._path(self.next_seq), flags, 0o600)
        self._current_seq = self.next_seq
        self._size = 0
        if self._closed_segments and self._closed_segments[-1][0] == self.next_seq:
            self._closed_bytes -= self._closed_segments.pop()[1]

    def _postpone(self, time_us: int, payload: bytes) -> None:
        for start in range(0, len(payload), MAX_PAYLOAD_BYTES):
            piece = payload[start : start + MAX_PAYLOAD_BYTES]
            # Once something is lost everything after it is, until there is room again: one gap, in one place.
            if self._lost_bytes or self.pending_bytes + len(piece) > self._pending_limit:
                self._lost_bytes += len(piece)
            else:
                self._pending.append((time_us, piece))
                self.pending_bytes += len(piece)

    def _confession(self) -> bytes:
        return f"[innkeeper] {self._lost_bytes} bytes of console output could not be kept: {self._why_lost}\n".encode()

    def _path(self, first_seq: int) -> str:
        return f"{self._directory}/{segment_name(first_seq)}"

    def _is_too_old(self, path: str) -> bool:
        if self._retain_seconds is None:
            return False
        try:
            return os.stat(path).st_mtime < time.time() - self._retain_seconds
        except FileNotFoundError:
            return True

    def _recover(self) -> None:
        seqs = sorted(seq for name in os.listdir(self._directory) if (seq := segment_seq(name)) is not None)
        if not seqs:
            return
        for seq in seqs[:-1]:
            size = os.stat(self._path(seq)).st_size
            self._closed_segments.append((seq, size))
            self._closed_bytes += size
        self._current_seq = self.next_seq = seqs[-1]
        self._fd = os.open(self._path(seqs[-1]), os.O_RDWR | os.O_APPEND | os.O_CLOEXEC)
        self._size = self._scan(self._fd)
        if os.fstat(self._fd).st_size > self._size:
            os.ftruncate(self._fd, self._size)
        self.drop_old()

    def _scan(self, fd: int) -> int:
        """Set `next_seq` after the last whole record, and return where it ends."""
        data = os.pread(fd, os.fstat(fd).st_size, 0)
        end = 0
        while end < len(data):
            try:
                block, after = parse_record(data, end)
            except BadRecord:
                break
            if block.first_seq != self.next_seq:
                break
            self.next_seq, end = block.next_seq, after
        return end
