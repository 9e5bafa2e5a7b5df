"""The game in a Java virtual machine does what its package says."""

import asyncio
import re
import shutil
import signal
import tomllib
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent / "jvm"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("javac") is None, reason="there is no Java development kit here"),
]


async def test_its_heap_grows_and_shrinks_as_it_is_told(tmp_path: Path) -> None:
    package = tomllib.loads((FOLDER / "package.toml").read_text())
    process = await asyncio.create_subprocess_exec(
        *("java", "-Xmx96m", str(FOLDER / "Game.java"), "127.0.0.1", "0"),
        cwd=tmp_path,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    assert process.stdin is not None and process.stdout is not None
    typed, printed = process.stdin, process.stdout

    async def until(pattern: str) -> re.Match[str]:
        async with asyncio.timeout(30):
            while line := (await printed.readline()).decode().rstrip("\n"):
                if found := re.search(pattern, line):
                    return found
        raise AssertionError("the game has ended")

    async def heap() -> int:
        typed.write(b"gc\n")
        return int((await until(r"^Heap: (\d+) of 96 MiB$"))[1])

    try:
        port = int((await until(r"^Listening on 127\.0\.0\.1:(\d+)$"))[1])
        await until(package["console"]["ready"])
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.close()
        await writer.wait_closed()
        before = await heap()
        typed.write(b"say hello\neat 40\n")
        await until(r"^\[Server\] hello$")
        assert before + 40 <= await heap() <= before + 48
        typed.write(b"forget\n")
        assert await heap() <= before + 8
        typed.write(b"eat 500\nlist\nlag 20\n")
        await until("^Out of memory: forgot everything$")
        await until("^There are 0 of a max of 20 players online:$")
        taken = 0.0
        async with asyncio.timeout(20):
            while taken < 20:  # until a tick has been so slow
                typed.write(b"tick query\n")
                found = await until(package["tick"]["pattern"] + "|not run a whole tick")
                taken = float(found["ms"] or 0)
        typed.write(b"stop\n")
        async with asyncio.timeout(10):
            await process.communicate()
        assert process.returncode == 0
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGKILL)
            await process.communicate()
