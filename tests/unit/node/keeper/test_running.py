"""A game runs under its keeper: console in, console out, and numbers that hold whatever happens to the daemon."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
import uvloop

from innkeeper.node.console.journal import Block, JournalReader
from innkeeper.node.keeper.client import (
    Ended,
    Exited,
    Failed,
    KeeperLink,
    Lagged,
    LaunchFailed,
    Never,
    NotRunning,
    RequestRefused,
    Running,
    Zygote,
    inspect,
)

FLOOD = """
sys.stdin.readline()
data = b"".join(b"line %06d %s\\n" % (n, b"x" * 86) for n in range({count}))
while data:
    data = data[os.write(1, data):]
"""


async def test_what_the_game_prints_is_numbered_and_its_exit_code_is_told(server):
    await server.start(["sh", "-c", "echo one; read word; echo got $word; exit 3"])
    link = await server.link()
    assert (link.hello.run_id, link.hello.state) == ("run-1", "running")
    await server.printed(b"one\n")
    await link.send(b"hello\n")
    events = [event async for together in link.blocks for event in together]
    assert b"".join(event.payload for event in events if isinstance(event, Block)).endswith(b"got hello\n")
    assert isinstance(events[-1], Exited) and (events[-1].code, events[-1].signal) == (3, None)
    link.close()
    assert server.output() == b"one\ngot hello\n"
    assert isinstance(inspect(server.keep), Ended)


async def test_the_end_is_known_after_nobody_listened(server):
    await server.start(["sh", "-c", "echo bye; kill -TERM $$"])
    ended = await server.exited()
    assert (ended.code, ended.signal) == (None, signal.SIGTERM)
    with pytest.raises(NotRunning):
        await server.link()


async def test_numbers_go_on_in_the_next_run(server):
    for run in range(3):
        await server.start(["sh", "-c", f"echo run {run}; echo more"], run_id=f"run-{run}")
        await server.exited()
    assert server.output() == b"run 0\nmore\nrun 1\nmore\nrun 2\nmore\n"
    assert JournalReader(server.journal).next_seq == 7


async def test_a_command_that_does_not_exist_is_named(server):
    with pytest.raises(LaunchFailed, match=r"^no-such-java: No such file or directory$") as caught:
        await server.start(["no-such-java", "-jar", "x"])
    assert caught.value.errno == 2
    assert inspect(server.keep) == Failed("run-1", "no-such-java: No such file or directory")


async def test_a_missing_working_folder_is_named(server):
    with pytest.raises(LaunchFailed, match="/no/such/folder: No such file or directory"):
        await server.start(["true"], cwd="/no/such/folder")


@pytest.mark.slow
async def test_a_second_keeper_for_the_same_server_is_impossible(server):
    await server.start(["sleep", "1000"])
    with pytest.raises(LaunchFailed, match="running already"):
        await server.start(["sleep", "1000"], run_id="run-2")
    assert isinstance(inspect(server.keep), Running)
    assert server.state["run_id"] == "run-1"


async def test_a_server_that_never_ran(server):
    assert inspect(server.keep) == Never()


async def test_a_prompt_without_newline_is_a_line_of_its_own(server):
    await server.start(["sh", "-c", "printf 'name? '; read name; echo hi $name"])
    await server.printed(b"name? ")
    link = await server.link()
    await link.send(b"Ann\n")
    link.close()
    await server.exited()
    blocks = JournalReader(server.journal).read(0)
    assert [line for block in blocks for line in block.lines()] == [b"name? ", b"hi Ann"]


async def test_a_hundred_thousand_lines_at_once_arrive_whole_and_in_order(server):
    await server.python(FLOOD.format(count=100_000))
    link = await server.link()
    await link.send(b"go\n")
    seen: list[bytes] = []
    reader = JournalReader(server.journal)
    async for events in link.blocks:
        for event in events:
            if isinstance(event, Lagged):
                while len(seen) < event.next_seq - 1:
                    for block in reader.read(len(seen)):
                        seen += block.up_to(1 << 30).lines()[: event.next_seq - 1 - len(seen)]
            elif isinstance(event, Block):
                assert event.first_seq == len(seen) + 1
                seen += event.lines()
    link.close()
    assert seen == [b"line %06d %s" % (n, b"x" * 86) for n in range(100_000)]
    assert server.output() == b"\n".join(seen) + b"\n"


CLIENT = """
import asyncio, sys
from pathlib import Path
from innkeeper.node.keeper.client import KeeperLink
async def main():
    link = await KeeperLink.connect(Path(sys.argv[1]))
    async for events in link.blocks:
        print(len(events), flush=True)
asyncio.run(main())
"""


async def test_daemons_killed_again_and_again_while_output_flows_lose_and_repeat_nothing(server):
    await server.python(
        "n = 0\nwhile not os.path.exists(sys.argv[1]):\n os.write(1, b'tick %d\\n' % n)\n n += 1\n"
        " if n % 1000 == 0: time.sleep(0.01)\n",
        str(server.keep / "enough"),
    )
    for _ in range(4):
        daemon = await asyncio.create_subprocess_exec(
            sys.executable, "-c", CLIENT, str(server.keep), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        assert daemon.stdout is not None
        await daemon.stdout.readline()
        daemon.kill()
        await daemon.wait()
    (server.keep / "enough").touch()
    assert (await server.exited()).code == 0
    output = server.output()
    assert output == b"".join(b"tick %d\n" % n for n in range(output.count(b"\n")))


async def test_a_client_that_does_not_read_is_told_what_it_missed_and_holds_up_nobody(server):
    await server.python(FLOOD.format(count=60_000))
    slow = await server.link()
    assert slow._transport is not None
    slow._transport.pause_reading()
    quick = await server.link()
    await quick.send(b"go\n")
    async for events in quick.blocks:
        if isinstance(events[-1], Exited):
            break
    quick.close()
    slow._transport.resume_reading()
    events = [event async for together in slow.blocks for event in together]
    slow.close()
    assert any(isinstance(event, Lagged) for event in events)
    blocks = [event for event in events if isinstance(event, Block)]
    lagged = [event for event in events if isinstance(event, Lagged)][-1]
    assert all(block.next_seq <= lagged.next_seq or block.first_seq >= lagged.next_seq for block in blocks)
    assert isinstance(events[-1], Exited)


async def test_hostile_output_is_kept_byte_for_byte(server):
    hostile = b"\x00\xff\xfe\x1b[31m\r\x03\x04\x1a" * 20_000 + b"\n\n\x00\n" + "é".encode() * 30_000
    (server.keep / "hostile").write_bytes(hostile)
    await server.start(["cat", str(server.keep / "hostile")])
    await server.exited()
    assert server.output() == hostile


async def test_control_characters_typed_are_characters_and_long_lines_stay_whole(server):
    typed = b"\x03\x04\x1a\x7f" + b"y" * 20_000 + b"\n"
    await server.python("data = sys.stdin.buffer.readline()\nprint(len(data), data[:4])")
    link = await server.link()
    await link.send(typed)
    link.close()
    assert (await server.exited()).code == 0
    assert server.output() == b"%d %r\n" % (len(typed), typed[:4])


@pytest.mark.slow
async def test_input_that_nobody_reads_is_refused(server):
    await server.start(["sleep", "1000"])
    link = await server.link()
    with pytest.raises(RequestRefused, match="does not read its console"):
        for _ in range(20):
            await link.send(b"z" * 60_000)
    link.close()


async def test_the_last_words_of_a_game_that_leaves_children_behind_are_kept(server):
    program = "if os.fork() == 0:\n os.setsid(); signal.signal(signal.SIGHUP, signal.SIG_IGN); time.sleep(1000)\n"
    await server.python(program + "os.write(1, b'w' * 30000 + b'\\nlast words'); os._exit(7)")
    assert (await server.exited()).code == 7
    assert server.output() == b"w" * 30000 + b"\nlast words"


async def test_a_keep_folder_with_a_very_long_path(tmp_path: Path, zygote):
    keep = tmp_path / ("k" * 120) / ("l" * 120)
    keep.mkdir(parents=True)
    spec = {"run_id": "r", "argv": ["cat"], "env": {"PATH": "/bin:/usr/bin"}}
    (keep / "spec.json").write_bytes(msgspec.json.encode(spec))
    await zygote.spawn(keep, tmp_path / "journal")
    link = await KeeperLink.connect(keep)
    await link.kill()
    link.close()


async def test_signals_go_to_the_game_alone(server):
    hear = "signal.signal(signal.SIGUSR1, lambda *_: os.write(1, b'usr1\\n'))"
    await server.python(f"{hear}\nprint('up', flush=True)\nwhile True: time.sleep(1)")
    await server.printed(b"up\n")
    link = await server.link()
    await link.signal(signal.SIGUSR1)
    await server.printed(b"usr1\n")
    await link.signal(signal.SIGTERM)
    link.close()
    assert (await server.exited()).signal == signal.SIGTERM


async def test_the_keeper_is_nobodys_child_and_outlives_its_zygote(server, zygote):
    await server.start(["cat"])
    await zygote.quit()
    keeper = server.state["keeper_pid"]
    fields = Path(f"/proc/{keeper}/stat").read_text().rpartition(")")[2].split()
    assert int(fields[3]) != os.getsid(0)
    link = await server.link()
    await link.send(b"still here\n")
    await server.printed(b"still here\n")
    link.close()


def test_a_link_works_on_uvloop_too(tmp_path: Path):
    async def live() -> list[object]:
        zygote, keep = Zygote(tmp_path / "node"), tmp_path / "keep"
        keep.mkdir()
        spec = {"run_id": "r", "argv": ["sh", "-c", "read x; echo $x"], "env": {"PATH": "/bin:/usr/bin"}}
        (keep / "spec.json").write_bytes(msgspec.json.encode(spec))
        await zygote.spawn(keep, tmp_path / "journal")
        link = await KeeperLink.connect(keep)
        await link.send(b"word\n")
        told = [event async for together in link.blocks for event in together]
        link.close()
        await zygote.quit()
        return told

    block, exited = uvloop.run(live())
    assert isinstance(block, Block) and block.payload == b"word\n"
    assert isinstance(exited, Exited) and exited.code == 0
