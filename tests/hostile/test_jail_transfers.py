"""A file of 1 GiB down, and a quarter of it up: the serving process holds a few parts of it, never the file."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.hostile.house import Game, House

SIZE = 1 << 30
UPLOADED = SIZE // 4
"""All of which has to reach the disk."""
MOST_MIB = 16


@contextmanager
def grows_little(house: House) -> Iterator[None]:
    """Look at the highest memory that the process has within the block, by the kernel's own account."""
    process = Path(f"/proc/{house.process.pid}")
    (process / "clear_refs").write_text("5")
    before = _mib(process, "VmRSS")
    yield
    most = _mib(process, "VmHWM")
    assert most - before < MOST_MIB, f"{before:.1f} → {most:.1f} MiB"


def _mib(process: Path, what: str) -> float:
    lines = dict(line.split(":", 1) for line in (process / "status").read_text().splitlines())
    return int(lines[what].split()[0]) / 1024


def head(house: House, game: Game, method: str, name: str) -> bytes:
    """Return the head of a request that is the last on its connection."""
    lines = [
        f"{method} {game.path}/files/content?path={name} HTTP/1.1",
        "Host: x",
        "Connection: close",
        f"Authorization: Bearer {house.key}",
        *([f"Content-Length: {UPLOADED}"] if method == "PUT" else []),
    ]
    return "\r\n".join([*lines, "", ""]).encode()


@pytest.mark.slow
def test_a_file_of_a_gibibyte_is_never_held_in_memory(house: House, game: Game) -> None:
    sparse = game.folder / "sparse.bin"
    with sparse.open("wb") as file:
        file.truncate(SIZE)
    try:
        with grows_little(house), house.raw() as connection:
            connection.settimeout(60)
            connection.sendall(head(house, game, "GET", "sparse.bin"))
            buffer, came, beginning = bytearray(1 << 20), 0, b""
            while count := connection.recv_into(buffer):
                beginning = beginning or bytes(buffer[:4096])
                came += count
            assert beginning.startswith(b"HTTP/1.1 200")
            assert came == SIZE + beginning.index(b"\r\n\r\n") + 4
        with grows_little(house), house.raw() as connection, sparse.open("rb") as file:
            connection.settimeout(60)
            connection.sendall(head(house, game, "PUT", "whole.bin"))
            connection.sendfile(file, count=UPLOADED)
            assert connection.recv(4096).startswith(b"HTTP/1.1 204")
        assert (game.folder / "whole.bin").stat().st_size == UPLOADED
    finally:
        sparse.unlink()
        (game.folder / "whole.bin").unlink(missing_ok=True)
