"""What a node answers fits into a message, whatever the games print."""

from pathlib import Path
from uuid import UUID

import pytest

from innkeeper.node.asks import MAX_TAIL_LINES, Journal
from innkeeper.node.console.journal import JournalReader, JournalWriter
from innkeeper.wire import messages as wire
from innkeeper.wire.bus import MAX_PAYLOAD_BYTES
from innkeeper.wire.codec import encode

SERVER = UUID(int=1)
LINES = 60_000
NOW_US = 1_800_000_000_000_000


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    """The journal of a game that printed one short line at a time."""
    writer = JournalWriter.open(str(tmp_path))
    for number in range(LINES):
        writer.append(NOW_US + number, b"line\n")
    writer.close()
    return Journal(JournalReader(tmp_path), JournalReader(tmp_path))


async def test_a_console_of_many_short_lines_is_read_to_its_end_in_messages_that_fit(journal: Journal) -> None:
    after, reads = 0, 0
    while True:
        read = await journal.read(wire.ReadConsole(server=SERVER, after_seq=after))
        assert len(encode(read)) <= MAX_PAYLOAD_BYTES
        if not read.blocks:
            break
        assert read.blocks[0].first_seq == after + 1
        assert read.next_seq == LINES + 1
        after, reads = read.blocks[-1].first_seq, reads + 1
    assert (after, reads > 1) == (LINES, True)


async def test_the_last_of_many_short_lines_are_as_many_as_fit_a_message(journal: Journal) -> None:
    read = await journal.read(wire.ReadConsole(server=SERVER, tail=MAX_TAIL_LINES))
    assert len(encode(read)) <= MAX_PAYLOAD_BYTES
    seqs = [block.first_seq for block in read.blocks]
    assert seqs == list(range(LINES - len(seqs) + 1, LINES + 1))
    assert len(seqs) > 10_000
