"""A whole node's store of backups, checked and collected as an administrator asks, with a blob damaged meanwhile."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from innkeeper.bus.inprocess import InProcessBus
from innkeeper.node.backups.leases import leased
from innkeeper.node.main import stop_all_servers
from innkeeper.wire import messages as wire
from tests.unit.node.backups.test_jobs import Backups, job
from tests.unit.node.fakes import FakePanel
from tests.unit.node.test_node import SERVER


@pytest.fixture
async def inn(bus: InProcessBus, panel: FakePanel, tmp_path: Path) -> AsyncIterator[Backups]:
    inn = Backups(bus, panel, tmp_path / "data")
    await inn.listen()
    await inn.open()
    yield inn
    await inn.close()
    await stop_all_servers(inn.data)
    await panel.close()


async def tended(inn: Backups, deed: wire.StoreDeed) -> wire.StoreRun:
    """Have the store checked or collected; return what came of it."""
    assert isinstance(answer := await inn.ask(wire.TendStore(deed=deed)), wire.StoreReport), answer
    return await ended(inn, deed)


async def ended(inn: Backups, deed: wire.StoreDeed) -> wire.StoreRun:
    async with asyncio.timeout(20):
        while True:
            report = await inn.ask(wire.ReadStore())
            run: wire.StoreRun | None = report.check if deed == "check" else report.collection
            if run is not None and run.ended_us is not None:
                return run
            await asyncio.sleep(0.02)  # nothing tells of its end but a look


def damage(inn: Backups) -> str:
    """Break the head of the one backup; return the name of its blob."""
    (blob,) = (inn.data / "backups" / "snapshots").iterdir()
    data = bytearray(blob.read_bytes())
    data[20] ^= 4
    blob.write_bytes(data)
    return blob.name


async def test_a_store_that_was_never_looked_at_says_where_it_is(inn: Backups) -> None:
    assert await inn.ask(wire.ReadStore()) == wire.StoreReport(
        where=f"the directory {inn.data}/backups", check=None, collection=None
    )


async def test_a_sound_store_is_checked_and_collected(inn: Backups) -> None:
    await inn.ordered("install")
    made, kept = job(), job()
    await inn.do(made)
    (inn.files / "new").write_bytes(b"n" * 1000)
    await inn.do(kept)
    await inn.do(job("forget", backup=made.backup))
    assert (await tended(inn, "check")).problems == []
    assert (await tended(inn, "collect")).failure == ""
    await inn.do(job("forget", backup=kept.backup))
    freed = await tended(inn, "collect")
    assert (freed.failure, freed.removed, freed.freed_bytes > 0) == ("", 1, True)


async def test_a_damaged_backup_of_a_server_that_is_gone_is_told_and_discarded_and_then_all_is_freed(
    inn: Backups,
) -> None:
    await inn.ordered("install")
    (inn.files / "world").write_bytes(b"w" * 100_000)
    await inn.do(job())
    name = damage(inn)
    await inn.close()
    # Without what the node remembers, nothing but the blob says whose backup it is.
    for leftover in (inn.data / "backup-cache").iterdir():
        leftover.unlink()
    await inn.open()
    await inn.done(wire.Remove(server=SERVER))

    checked = await tended(inn, "check")
    assert checked.problems == [f"The head of snapshots/{name} is not what was stored"]
    assert checked.problems_count == 1
    collected = await tended(inn, "collect")
    assert (collected.failure, collected.removed) == (checked.problems[0], 0)
    assert list((inn.data / "backups" / "packs").iterdir())

    await inn.done(wire.DiscardBackup(snapshot=f"snapshots/{name}"))
    assert (await tended(inn, "check")).problems == []
    assert (await tended(inn, "collect")).removed == 1
    assert not list((inn.data / "backups" / "packs").iterdir())


async def test_a_backup_that_can_be_read_is_not_discarded(inn: Backups) -> None:
    await inn.ordered("install")
    made = await inn.do(job())
    assert made.result is not None
    assert (await inn.refused(wire.DiscardBackup(snapshot=made.result.snapshot))).code == "backup_is_readable"
    assert (await inn.refused(wire.DiscardBackup(snapshot="../packs"))).code == "no_such_backup"
    await inn.do(job("verify", backup=made.id))


async def test_only_one_of_checks_and_collections_goes_on_at_a_time(inn: Backups) -> None:
    await inn.ordered("install")
    await inn.do(job())
    assert inn.node is not None
    store = inn.node._jobs._repository()._store
    with leased(store, "exclusive", lambda: False):  # a collection by somebody else, for which a check waits
        begun = await inn.ask(wire.TendStore(deed="check"))
        assert begun.check.ended_us is None
        assert (await inn.refused(wire.TendStore(deed="collect"))).code == "backup_store_is_busy"
        assert (await inn.refused(wire.TendStore(deed="check"))).code == "backup_store_is_busy"
    await ended(inn, "check")
    assert (await tended(inn, "collect")).failure == ""


async def test_a_node_that_is_closed_ends_a_check_that_waits(inn: Backups) -> None:
    await inn.ordered("install")
    await inn.do(job())
    assert inn.node is not None
    store = inn.node._jobs._repository()._store
    with leased(store, "exclusive", lambda: False):
        await inn.ask(wire.TendStore(deed="check"))
        async with asyncio.timeout(20):
            await inn.close()
