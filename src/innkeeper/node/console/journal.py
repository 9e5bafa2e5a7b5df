"""Read a game server's console journal while its keeper writes it: by number, from the end, by text.

The node's side; the keeper imports only `writer`. Blocking file work, fast enough to stay inline for what a viewer
asks; `search` reads up to `SEARCH_BYTES` a call and belongs in a thread. Refuses to know who reads, and why.
Safe beside a writer that appends, begins new files and deletes old ones.
"""

from __future__ import annotations

import os
import re
from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from innkeeper.node.console.record import (
    HEADER,
    MAX_PAYLOAD_BYTES,
    BadRecord,
    Block,
    parse_record,
    segment_name,
    segment_seq,
)
from innkeeper.node.console.writer import JournalWriter

__all__ = ["Block", "Found", "FoundPage", "JournalReader", "JournalWriter", "strip_ansi"]

SEARCH_BYTES = 32 << 20
_INDEX_EVERY_BYTES = 64 << 10
_READ_BYTES = 256 << 10
_ANSI = re.compile(rb"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b\n]*(?:\x07|\x1b\\)|[ -/]*[0-Z\\^-~])")


class Found(NamedTuple):
    """One line found: its number, when it was printed (Unix microseconds), its raw bytes without the newline."""

    seq: int
    time_us: int
    line: bytes


class FoundPage(NamedTuple):
    """What one call of `search` found, oldest first; go on with `after_seq=next_after` unless that is None."""

    found: list[Found]
    next_after: int | None


class _Segment:
    """What is known of one file: how far it was looked at, and where some of its records start."""

    __slots__ = ("first_seq", "indexed_to", "inode", "last_seq", "offsets", "seqs")

    def __init__(self, first_seq: int, inode: int) -> None:
        self.inode = inode
        self.first_seq = first_seq
        self.seqs = [first_seq]
        self.offsets = [0]
        self.indexed_to = 0
        self.last_seq = first_seq - 1


class JournalReader:
    """Reads the journal in `directory`, which need not exist yet."""

    def __init__(self, directory: Path | str) -> None:
        self._directory = Path(directory)
        self._segments: dict[int, _Segment] = {}

    @property
    def first_seq(self) -> int:
        """The number of the oldest line still kept; equals `next_seq` where none is."""
        segments = self._refresh()
        return segments[0] if segments else 1

    @property
    def next_seq(self) -> int:
        """The number that the next line to be printed will get."""
        segments = self._refresh()
        while segments:
            try:
                return self._indexed(segments[-1]).last_seq + 1
            except FileNotFoundError:
                segments = self._refresh()
        return 1

    def read(self, after_seq: int, max_bytes: int = 1 << 20) -> list[Block]:
        """Return the lines after number `after_seq`, oldest first: up to `max_bytes` of records but at least one line.

        The first block starts with line `after_seq` + 1, or with the oldest line still kept where that is later.
        Empty means: nothing after that yet.
        """
        blocks: list[Block] = []
        room = max_bytes
        for block in self._blocks(after_seq):
            room -= HEADER.size  # a quiet game's lines are a block each, and short
            fitting = block.up_to(max(room, 0))
            if blocks and len(fitting.payload) > room:
                break
            blocks.append(fitting)
            room -= len(fitting.payload)
            if fitting is not block:
                break
        return blocks

    def tail(self, lines: int, max_bytes: int = 8 << 20) -> list[Block]:
        """Return the last `lines` lines, of which the oldest blocks are left out past `max_bytes` of records."""
        after = max(self.next_seq - 1 - lines, 0)
        kept: deque[Block] = deque()
        size = 0
        for block in self._blocks(after):
            kept.append(block)
            size += HEADER.size + len(block.payload)
            while size > max_bytes and len(kept) > 1:
                size -= HEADER.size + len(kept.popleft().payload)
        return list(kept)

    def search(
        self,
        text: str | None = None,
        *,
        since_us: int | None = None,
        until_us: int | None = None,
        after_seq: int = 0,
        limit: int = 100,
    ) -> FoundPage:
        """Return lines after `after_seq` that hold `text`, in any case and regardless of colour codes.

        `since_us`, `until_us`: only lines printed in that time, both ends included, Unix microseconds. At most `limit`
        lines, and at most `SEARCH_BYTES` are looked through: a page may be empty and yet have a `next_after`.
        """
        found: list[Found] = []
        holds = _matcher(text) if text else None
        looked_through = 0
        for block in self._blocks(after_seq, since_us):
            if looked_through > SEARCH_BYTES:
                return FoundPage(found, block.first_seq - 1)
            looked_through += len(block.payload)
            if (since_us is not None and block.time_us < since_us) or (
                until_us is not None and block.time_us > until_us
            ):
                continue
            if holds is not None and not holds(block.payload):
                continue
            for seq, line in enumerate(block.lines(), block.first_seq):
                if holds is None or holds(line):
                    if len(found) == limit:
                        return FoundPage(found, found[-1].seq if found else after_seq)
                    found.append(Found(seq, block.time_us, line))
        return FoundPage(found, None)

    def _blocks(self, after_seq: int, since_us: int | None = None) -> Iterator[Block]:
        """Yield what stands after line `after_seq`; leave out files wholly written before `since_us`."""
        done = max(after_seq, 0)
        while segments := self._refresh():
            at = max(bisect_right(segments, done + 1) - 1, 0)
            try:
                if since_us is None or self._path(segments[at]).stat().st_mtime_ns // 1000 >= since_us:
                    for block in self._segment_blocks(segments[at], done):
                        yield block.after(done)
                        done = block.next_seq - 1
            except FileNotFoundError:  # retention was quicker: look again
                continue
            if at + 1 == len(segments):
                return
            # What a machine's crash tore from the end of a file that is no longer written stays missing.
            done = max(done, segments[at + 1] - 1)

    def _segment_blocks(self, first_seq: int, after_seq: int) -> Iterator[Block]:
        segment = self._indexed(first_seq)
        at = max(bisect_right(segment.seqs, after_seq + 1) - 1, 0)
        for block, _ in _records(self._path(first_seq), segment.offsets[at]):
            if block.next_seq > after_seq + 1:
                yield block

    def _indexed(self, first_seq: int) -> _Segment:
        """Return what is known of a file, after looking at what is new in it."""
        path = self._path(first_seq)
        status = path.stat()
        segment = self._segments.get(first_seq)
        if segment is None or segment.inode != status.st_ino or segment.indexed_to > status.st_size:
            segment = self._segments[first_seq] = _Segment(first_seq, status.st_ino)
        if status.st_size > segment.indexed_to:
            for block, end in _records(path, segment.indexed_to):
                if segment.indexed_to - segment.offsets[-1] >= _INDEX_EVERY_BYTES:
                    segment.seqs.append(block.first_seq)
                    segment.offsets.append(segment.indexed_to)
                segment.last_seq = block.next_seq - 1
                segment.indexed_to = end
        return segment

    def _refresh(self) -> list[int]:
        """Return the files there are, by first line."""
        try:
            names = os.listdir(self._directory)
        except FileNotFoundError:
            names = []
        seqs = sorted(seq for name in names if (seq := segment_seq(name)) is not None)
        for gone in self._segments.keys() - set(seqs):
            del self._segments[gone]
        return seqs

    def _path(self, first_seq: int) -> Path:
        return self._directory / segment_name(first_seq)


def _records(path: Path, start: int) -> Iterator[tuple[Block, int]]:
    """Yield each whole record of a file from `start`, and where it ends; stop at what is torn or not yet written."""
    with path.open("rb", buffering=0) as file:
        data, base, offset = b"", start, 0
        while True:
            try:
                block, offset = parse_record(data, offset)
            except BadRecord:
                # A record longer than what is read at once needs a second, larger look.
                wanted = _READ_BYTES if offset or not data else HEADER.size + MAX_PAYLOAD_BYTES
                fresh = os.pread(file.fileno(), wanted, base + offset)
                if len(fresh) <= len(data) - offset:
                    return
                data, base, offset = fresh, base + offset, 0
            else:
                yield block, base + offset


def strip_ansi(text: bytes) -> bytes:
    """Return `text` without terminal control sequences; newlines stay."""
    return _ANSI.sub(b"", text) if b"\x1b" in text else text


def _matcher(text: str) -> Callable[[bytes], bool]:
    if text.isascii():
        needle = text.encode().lower()
        return lambda payload: needle in strip_ansi(payload).lower()
    folded = text.casefold()
    return lambda payload: folded in strip_ansi(payload).decode(errors="replace").casefold()
