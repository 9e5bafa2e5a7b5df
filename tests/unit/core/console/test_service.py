"""What may be typed on a console and who may; reading back and searching."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from innkeeper.core.access.errors import PermissionIsMissing
from innkeeper.core.console.model import Block
from innkeeper.core.console.service import MAX_COMMAND_BYTES, check_command
from innkeeper.core.servers.errors import CommandIsInvalid, ConsoleIsNotRead, NoSuchServer, ServerIsNotRunning
from innkeeper.core.servers.lifecycle import ALIVE, ENDED, State
from innkeeper.testing.products import House
from tests.unit.core.conftest import server_in


@pytest.mark.parametrize(
    "line",
    [
        "",
        " ",
        "\t",
        "say a\nop eve",
        "say a\rop eve",
        "say \x00",
        "say \x1b[2J",
        "say \x7f",
        "say \x85op eve",
        "say \x9b2J",
        "say \u2028op eve",
        "say \u2029",
        "say \ud800",
        "x" * (MAX_COMMAND_BYTES + 1),
        "é" * (MAX_COMMAND_BYTES // 2) + "x",
    ],
)
def test_what_is_not_one_line_of_a_game_is_refused(line: str) -> None:
    with pytest.raises(CommandIsInvalid):
        check_command(line)


@pytest.mark.parametrize(
    "line", ["say hi", "  say hi", "/op Ä😀", "x" * MAX_COMMAND_BYTES, "é" * (MAX_COMMAND_BYTES // 2)]
)
def test_what_is_one_line_passes(line: str) -> None:
    check_command(line)


@given(st.text())
def test_what_passes_is_one_line_to_whoever_reads_it(line: str) -> None:
    try:
        check_command(line)
    except CommandIsInvalid:
        return
    assert line.splitlines() == [line]
    assert len(line.encode()) <= MAX_COMMAND_BYTES


async def test_a_command_is_typed_and_noted(house: House) -> None:
    server = await house.server(start=True)
    await house.product.console.command(house.actor(house.root), server, "say hi")
    assert house.gateway.console(server.server.uuid).typed == ["say hi"]
    entry = (await house.product.activity.of_server(server.server.id, None, 1)).items[0]
    assert (entry.action, entry.account_id, entry.data) == ("console.command", house.root.id, {"line": "say hi"})


@pytest.mark.parametrize("state", sorted(set(State) - ENDED))
async def test_only_a_live_game_takes_commands(house: House, state: State) -> None:
    server = await server_in(house, state, power="off")
    if state in ALIVE:
        await house.product.console.command(house.actor(house.root), server, "stop")
    else:
        with pytest.raises(ServerIsNotRunning):
            await house.product.console.command(house.actor(house.root), server, "stop")


async def test_a_command_that_was_not_read_is_not_noted(house: House) -> None:
    server = await house.server(start=True)
    house.gateway.deaf = True
    with pytest.raises(ConsoleIsNotRead):
        await house.product.console.command(house.actor(house.root), server, "say hi")
    actions = [entry.action for entry in (await house.product.activity.of_server(server.server.id, None, 10)).items]
    assert "console.command" not in actions


async def test_reading_and_writing_are_permissions_of_their_own(house: House) -> None:
    guest, console = await house.account("guest"), house.product.console
    server = await house.server(start=True)
    with pytest.raises(NoSuchServer):
        console.follow(house.actor(guest), server)
    await house.share(server, guest, "server.view", "console.write")
    reader = house.actor(guest)
    await console.command(reader, server, "say hi")
    for attempt in (
        console.last_lines(reader, server, 5),
        console.read(reader, server, 0, 5),
        console.search(reader, server, text="x", since_us=None, until_us=None, after_seq=0, limit=5),
    ):
        with pytest.raises(PermissionIsMissing):
            await attempt
    with pytest.raises(PermissionIsMissing):
        console.follow(reader, server)
    await house.share(server, guest, "server.view", "console.read")
    with pytest.raises(PermissionIsMissing):
        await console.command(house.actor(guest), server, "say hi")
    async with console.follow(house.actor(guest), server):
        assert await console.last_seq(house.actor(guest), server) == 0
    with pytest.raises(PermissionIsMissing):
        await console.last_lines(house.actor(guest), server, 5)
    await house.share(server, guest, "server.view", "logs.read")
    assert await console.last_lines(house.actor(guest), server, 5) == []
    assert await console.last_seq(house.actor(guest), server) == 0
    with pytest.raises(PermissionIsMissing):
        console.follow(house.actor(guest), server)


@pytest.mark.parametrize(("permissions", "first"), [(["console.read"], 6), (["console.read", "logs.read"], 1)])
async def test_who_may_only_follow_resumes_no_further_back_than_a_tail_reaches(
    house: House, permissions: list[str], first: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("innkeeper.core.console.service.MAX_TAIL", 5)
    guest, server = await house.account("guest"), await house.server(start=True)
    await house.share(server, guest, "server.view", *permissions)
    house.gateway.say(server.server.uuid, *(str(number) for number in range(1, 11)))
    async with house.product.console.follow(house.actor(guest), server, resume_from=0) as subscription:
        assert (await subscription.next())[0].block.after(first - 1).lines()[0] == str(first)  # type: ignore[union-attr]
        assert subscription.skipped == 0


async def test_a_negative_tail_is_none(house: House) -> None:
    server = await house.server(start=True)
    house.gateway.say(server.server.uuid, "before")
    async with house.product.console.follow(house.actor(house.root), server, tail=-5) as subscription:
        house.gateway.say(server.server.uuid, "after")
        assert [entry.block.lines() for entry in await subscription.next()] == [["after"]]


async def test_the_last_lines_are_cut_to_their_number(house: House) -> None:
    server, root = await house.server(), house.actor(house.root)
    assert await house.product.console.last_lines(root, server, 5) == []
    house.gateway.say(server.server.uuid, "1", "2", "3")
    house.gateway.say(server.server.uuid, "4", "5")
    for count, expected in (
        (1, ["5"]),
        (3, ["3", "4", "5"]),
        (5, ["1", "2", "3", "4", "5"]),
        (50, ["1", "2", "3", "4", "5"]),
    ):
        blocks = await house.product.console.last_lines(root, server, count)
        assert [line for block in blocks for line in block.lines()] == expected


async def test_reading_back_in_parts_gives_every_line_once(house: House) -> None:
    server, root = await house.server(), house.actor(house.root)
    for number in range(0, 30, 3):
        house.gateway.say(server.server.uuid, *(f"{line}" for line in range(number + 1, number + 4)))
    found: list[str] = []
    after: int | None = 0
    while after is not None:
        blocks, after = await house.product.console.read(root, server, after, 4)
        assert sum(block.count for block in blocks) <= 4
        found += [line for block in blocks for line in block.lines()]
    assert found == [f"{line}" for line in range(1, 31)]


async def test_searching_finds_words_in_any_case_and_goes_on_where_it_was_cut(house: House) -> None:
    server, root = await house.server(), house.actor(house.root)
    house.gateway.say(server.server.uuid, "Alice joined", "Bob joined", "alice left")
    search = house.product.console.search
    found, more = await search(root, server, text="ALICE", since_us=None, until_us=None, after_seq=0, limit=1)
    assert ([line.seq for line in found], more) == ([1], 1)
    found, more = await search(root, server, text="ALICE", since_us=None, until_us=None, after_seq=1, limit=1)
    assert ([line.text for line in found], more) == (["alice left"], None)


# -- blocks ---------------------------------------------------------------------------------------------------------

PAYLOADS = st.lists(st.binary(max_size=5).map(lambda line: line.replace(b"\n", b"")), min_size=1).map(b"\n".join)


@given(PAYLOADS, st.booleans(), st.integers(-3, 12))
def test_a_block_cut_after_a_line_holds_exactly_the_lines_after_it(payload: bytes, ends: bool, offset: int) -> None:
    payload = payload + b"\n" if ends else payload or b"?"
    block = Block(100, 0, payload)
    pieces = payload.split(b"\n")
    lines = list(enumerate(pieces if pieces[-1] else pieces[:-1], 100))
    assert (block.count, block.last_seq) == (len(lines), lines[-1][0])
    seq = 100 + offset
    cut = block.after(seq)
    expected = [text for number, text in lines if number > seq]
    if cut is None:
        assert expected == []
    else:
        assert [cut.first_seq, cut.last_seq] == [max(seq + 1, 100), block.last_seq]
        assert (cut.payload.split(b"\n") if cut.payload[-1:] != b"\n" else cut.payload.split(b"\n")[:-1]) == expected


def test_bytes_that_are_no_text_are_shown_as_such() -> None:
    assert Block(1, 0, b"\xff\nok\n> ").lines() == ["\ufffd", "ok", "> "]
