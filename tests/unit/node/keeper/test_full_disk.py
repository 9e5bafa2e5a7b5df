"""A full disk stops neither the game nor the record of its end."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from innkeeper.node.keeper.client import Ended, inspect
from tests.unit.node.keeper.conftest import Server, until

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a tiny disk")


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    place = tmp_path / "disk"
    place.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tiny", place], capture_output=True, check=False)
    if done.returncode:
        pytest.skip(f"nothing can be mounted here: {done.stderr.decode()}")
    yield place
    subprocess.run(["umount", "-l", place], check=True)


async def test_a_game_prints_on_while_the_disk_is_full_and_its_end_is_recorded(disk, zygote):
    server = Server(disk / "server", zygote)
    try:
        await server.python("for n in range(10000): os.write(1, b'%05d %s\\n' % (n, b'f' * 93))\nos._exit(4)")
        assert (await server.exited()).code == 4
        found = inspect(server.keep)
        assert isinstance(found, Ended) and "bytes of output could not be kept" in found.notes[-1]
        kept = server.output().splitlines()
        assert kept == [b"%05d %s" % (n, b"f" * 93) for n in range(len(kept))] and len(kept) > 100
    finally:
        await server.end()


async def test_output_that_waited_for_room_comes_when_there_is_room_again(disk, tmp_path, zygote):
    server = Server(disk / "server", zygote)
    try:
        ballast = disk / "ballast"
        done = tmp_path / "done"
        await server.python(
            "sys.stdin.readline()\nfor n in range(1000): print('%099d' % n, flush=True)\n"
            f"os.mkdir({str(done)!r})\nsys.stdin.readline()"
        )
        free = os.statvfs(disk).f_bavail * os.statvfs(disk).f_bsize
        ballast.write_bytes(b"b" * (free - 8192))
        link = await server.link()
        await link.send(b"\n")
        await until(done.exists)
        assert b"%099d" % 999 not in server.output()
        ballast.unlink()
        await server.printed(b"%099d" % 999)
        assert server.output() == b"".join(b"%099d\n" % n for n in range(1000))
        await link.send(b"\n")
        link.close()
        assert (await server.exited()).code == 0
    finally:
        await server.end()
