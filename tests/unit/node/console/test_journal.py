"""The journal gives back exactly what was written, by number, whatever happens to its files."""

from __future__ import annotations

import os
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from innkeeper.node.console.journal import Block, JournalReader, JournalWriter, strip_ansi
from innkeeper.node.console.record import count_lines


def lines_of(blocks: list[Block]) -> list[bytes]:
    return [line for block in blocks for line in block.lines()]


def whole(reader: JournalReader, max_bytes: int = 1 << 20) -> bytes:
    done, pieces = reader.first_seq - 1, []
    while blocks := reader.read(done, max_bytes):
        for block in blocks:
            assert block.first_seq == done + 1
            done = block.next_seq - 1
            pieces.append(block.payload)
    assert done + 1 == reader.next_seq
    return b"".join(pieces)


def fill(directory: Path, payloads: list[bytes], **options: int) -> JournalWriter:
    writer = JournalWriter.open(str(directory), **options)
    for number, payload in enumerate(payloads):
        writer.append(1000 + number, payload)
    return writer


pieces = st.lists(st.one_of(st.binary(min_size=1, max_size=60), st.sampled_from([b"\n", b"a\n", b"\n\n", b"\x1b[0m"])))


@settings(max_examples=150, deadline=None)
@given(pieces, st.integers(60, 400), st.integers(1, 200), st.data())
def test_any_bytes_in_any_pieces_read_back_exactly(payloads, segment_bytes, max_bytes, data):
    with tempfile.TemporaryDirectory() as folder:
        reader = JournalReader(folder)
        writer = JournalWriter.open(folder, segment_bytes=segment_bytes)
        expected: list[bytes] = []
        for number, payload in enumerate(payloads):
            if data.draw(st.integers(0, 9)) == 0:
                writer.close()
                writer = JournalWriter.open(folder, segment_bytes=segment_bytes)
            (block,) = writer.append(number, payload)
            assert block == Block(len(expected) + 1, number, payload)
            expected += block.lines()
            if data.draw(st.integers(0, 4)) == 0:
                assert reader.next_seq == len(expected) + 1
        writer.close()
        assert whole(reader, max_bytes) == b"".join(payloads)
        after = data.draw(st.integers(0, len(expected) + 1))
        assert lines_of(reader.read(after)) == expected[after:]
        last = data.draw(st.integers(0, len(expected) + 1))
        assert lines_of(reader.tail(last)) == expected[len(expected) - min(last, len(expected)) :]


@given(st.binary(min_size=1, max_size=200))
def test_a_block_counts_its_lines_as_it_splits_them(payload):
    assert count_lines(payload) == len(Block(1, 0, payload).lines())


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.binary(max_size=40))
def test_a_torn_tail_is_cut_off_and_numbering_goes_on(cut, garbage):
    with tempfile.TemporaryDirectory() as folder:
        fill(Path(folder), [b"one\n", b"two\nthree\n", b"four\n"]).close()
        (segment,) = Path(folder).iterdir()
        kept = segment.read_bytes()[: cut % (segment.stat().st_size + 1)]
        segment.write_bytes(kept + garbage)
        before = JournalReader(folder).next_seq
        writer = JournalWriter.open(folder)
        assert writer.next_seq == before
        writer.append(5, b"next\n")
        writer.close()
        assert [*[b"one", b"two", b"three", b"four"][: before - 1], b"next"] == lines_of(JournalReader(folder).read(0))


def test_an_empty_and_a_missing_journal(tmp_path):
    reader = JournalReader(tmp_path / "none")
    assert (reader.first_seq, reader.next_seq, reader.read(0), reader.tail(5)) == (1, 1, [], [])
    assert reader.search("x").found == []
    writer = JournalWriter.open(str(tmp_path / "none"))
    assert (writer.next_seq, writer.append(1, b""), reader.next_seq) == (1, [], 1)
    writer.close()


def test_the_oldest_files_go_and_the_rest_is_read_with_true_numbers(tmp_path):
    writer = fill(tmp_path, [b"line %04d\n" % n for n in range(1, 2001)], segment_bytes=1000, retain_bytes=5000)
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) <= 6000
    reader = JournalReader(tmp_path)
    assert reader.first_seq > 1 and reader.next_seq == 2001
    (first, *_) = reader.read(0)
    assert first.payload == b"line %04d\n" % first.first_seq
    writer.close()
    writer = JournalWriter.open(str(tmp_path), segment_bytes=1000, retain_bytes=1500)
    assert writer.next_seq == 2001
    writer.close()
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) <= 2000


def test_a_sealed_journal_is_gone_on_with_in_another_file_unless_it_is_small(tmp_path):
    for name, count in (("large", 4000), ("small", 40)):
        payloads = [b"%099d\n" % number for number in range(count)]
        writer = fill(tmp_path / name, payloads)
        writer.seal()
        writer.close()
        assert JournalReader(tmp_path / name).next_seq == count + 1
        again = JournalWriter.open(str(tmp_path / name))
        assert again.next_seq == count + 1
        again.append(2, b"more\n")
        again.close()
        assert whole(JournalReader(tmp_path / name)) == b"".join([*payloads, b"more\n"])
        assert len(list((tmp_path / name).iterdir())) == (2 if name == "large" else 1)


def test_files_past_their_age_go(tmp_path):
    fill(tmp_path, [b"x" * 500 + b"\n"] * 10, segment_bytes=1000).close()
    for path in tmp_path.iterdir():
        os.utime(path, (1, 1))
    writer = JournalWriter.open(str(tmp_path), retain_seconds=3600)
    assert len(list(tmp_path.iterdir())) == 1 and writer.next_seq == 11
    writer.close()


def test_a_reader_beside_a_writer_that_rotates_and_deletes_sees_only_true_lines(tmp_path):
    stop = threading.Event()

    def write() -> None:
        writer = JournalWriter.open(str(tmp_path), segment_bytes=20_000, retain_bytes=100_000)
        while not stop.is_set():
            first = writer.next_seq
            writer.append(first, b"".join(b"line %d\n" % n for n in range(first, first + 50)))
        writer.close()

    thread = threading.Thread(target=write)
    thread.start()
    try:
        reader, done = JournalReader(tmp_path), 0
        while done < 50_000:
            for block in reader.read(done, 5000):
                assert block.first_seq > done
                assert block.lines() == [b"line %d" % n for n in range(block.first_seq, block.next_seq)]
                done = block.next_seq - 1
    finally:
        stop.set()
        thread.join()


def test_a_payload_larger_than_a_record_may_be_is_split(tmp_path):
    payload = b"y" * (3 << 20) + b"\n"
    writer = JournalWriter.open(str(tmp_path))
    blocks = writer.append(1, payload)
    writer.close()
    assert b"".join(block.payload for block in blocks) == payload == whole(JournalReader(tmp_path))


def test_search_finds_text_in_any_case_behind_colours_and_by_time(tmp_path):
    texts = [b"Alice joined\n", b"\x1b[31mAL\x1b[0mICE left\n", b"bob said alice\nnothing\n", "ÄPFEL\n".encode()]
    fill(tmp_path, texts).close()
    reader = JournalReader(tmp_path)
    assert [(one.seq, one.time_us) for one in reader.search("aLiCe").found] == [(1, 1000), (2, 1001), (3, 1002)]
    assert reader.search("alice").found[1].line == b"\x1b[31mAL\x1b[0mICE left"
    assert [one.seq for one in reader.search("alice", since_us=1001, until_us=1001).found] == [2]
    assert [one.seq for one in reader.search("äpfel").found] == [5]
    assert [one.seq for one in reader.search(since_us=1002).found] == [3, 4, 5]
    assert reader.search("31m").found == []


def test_search_goes_on_page_by_page(tmp_path):
    fill(tmp_path, [b"hit %d\nmiss\n" % n for n in range(25)], segment_bytes=200).close()
    reader, after, found = JournalReader(tmp_path), 0, []
    while True:
        page = reader.search("HIT", after_seq=after, limit=10)
        found += [one.line for one in page.found]
        assert len(page.found) <= 10
        if page.next_after is None:
            break
        after = page.next_after
    assert found == [b"hit %d" % n for n in range(25)]


def test_search_is_bounded_and_says_where_to_go_on(tmp_path, monkeypatch):
    monkeypatch.setattr("innkeeper.node.console.journal.SEARCH_BYTES", 1000)
    fill(tmp_path, [b"z" * 400 + b"\n"] * 10 + [b"needle\n"]).close()
    reader, after, calls = JournalReader(tmp_path), 0, 0
    while not (page := reader.search("needle", after_seq=after)).found:
        assert page.next_after is not None and page.next_after > after
        after, calls = page.next_after, calls + 1
    assert page.found[0].seq == 11 and calls >= 2


def test_control_sequences_are_stripped_and_newlines_stay():
    assert strip_ansi(b"\x1b]0;title\x07a\x1b[1;31mb\x1b[0m\n\x1b[2Kc\x1b(Bd\x1b]8;;x\x1b\\e") == b"ab\ncde"


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    if os.geteuid() != 0:
        pytest.skip("only root can mount a tiny disk")
    disk = tmp_path / "disk"
    disk.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tiny", disk], capture_output=True, check=False)
    if done.returncode:
        pytest.skip(f"nothing can be mounted here: {done.stderr.decode()}")
    yield disk
    subprocess.run(["umount", "-l", disk], check=True)


def test_a_full_disk_delays_and_what_is_lost_is_confessed(tiny_disk):
    ballast = tiny_disk / "ballast"
    ballast.write_bytes(b"b" * 40_000)
    writer = JournalWriter.open(str(tiny_disk / "journal"), pending_limit=20_000)
    announced: list[Block] = []
    lines = [b"%04d %s\n" % (n, b"l" * 94) for n in range(700)]
    for number, line in enumerate(lines):
        announced += writer.append(number, line)
    assert 0 < writer.pending_bytes <= 20_000 and writer.next_seq - 1 == len(announced) < 300
    ballast.unlink()
    announced += writer.retry()
    announced += writer.append(9, b"after\n")
    writer.close()
    kept = lines_of(announced)
    whole_lines = [line[:-1] for line in lines]
    lost = (len(lines) - (len(kept) - 2)) * 100
    assert kept[:-2] == whole_lines[: len(kept) - 2] and kept[-1] == b"after"
    assert kept[-2].decode() == f"[innkeeper] {lost} bytes of console output could not be kept: No space left on device"
    reader = JournalReader(tiny_disk / "journal")
    assert lines_of(reader.read(0)) == kept
    assert [block.first_seq for block in announced] == list(range(1, len(kept) + 1))
