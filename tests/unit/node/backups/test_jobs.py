"""A whole node makes, verifies, restores and forgets backups of a real game, and a panel that the test plays."""

import os
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest

from innkeeper.bus.inprocess import InProcessBus
from innkeeper.node.backups import jobs, performing, upkeep
from innkeeper.node.keeper.client import KeeperError
from innkeeper.node.main import stop_all_servers
from innkeeper.node.supervisor.runner import ServerRunner
from innkeeper.wire import messages as wire
from innkeeper.wire.codec import encode
from tests.unit.node.fakes import FakePanel
from tests.unit.node.test_node import SERVER, Inn, desired

# It writes all the time, unless it is held; that all is saved is said when the two files are equal.
GAME = """
(n=0; while :; do n=$((n+1)); echo $n > one; sleep 0.01; echo $n > two; done) &
writer=$!; trap "kill -9 $writer" EXIT; echo opened
while read -r line; do
  case "$line" in
    stop) echo saving; exit 0;;
    save-off) kill -STOP $writer;;
    "save-all flush") cp one two; echo "Saved the game";;
    save-on) kill -CONT $writer; echo "saving is on";;
    *) echo "heard $line";;
  esac
done
"""
QUIET = wire.QuietRule(hold=["save-off", "save-all flush"], held="^Saved the game$", timeout_s=10, release=["save-on"])


def game(**changes: Any) -> wire.DesiredServer:
    return msgspec.structs.replace(desired(argv=["bash", "-c", GAME]), **changes)


def job(verb: wire.JobVerb = "backup", **changes: Any) -> wire.Job:
    given = uuid4()
    wanted = wire.Job(id=given, verb=verb, backup=given, quiet=QUIET if verb == "backup" else None)
    return msgspec.structs.replace(wanted, **changes)


class Backups(Inn):
    """The test's end of the bus, for jobs."""

    async def take(self, *jobs: wire.Job, **changes: Any) -> None:
        await self.done(wire.Apply(servers=[game(jobs=list(jobs), **changes)]))

    async def ended(self, wanted: UUID) -> wire.JobReport:
        found: list[wire.JobReport] = []

        def look() -> bool:
            found[:] = [
                report
                for told in self.panel.reports
                for server in told.servers
                for report in server.jobs
                if report.id == wanted and report.state in ("done", "failed")
            ]
            return bool(found)

        await self.panel.until(look)
        return found[-1]

    async def do(self, wanted: wire.Job, **changes: Any) -> wire.JobReport:
        await self.take(wanted, **changes)
        report = await self.ended(wanted.id)
        assert report.state == "done", report
        return report

    async def ordered(self, verb: wire.Verb, **changes: Any) -> wire.OrderReport:
        order = wire.Order(id=uuid4(), verb=verb, **changes)
        await self.done(wire.Apply(servers=[game(order=order)]))

        def look() -> bool:
            return any(
                server.order is not None and server.order.id == order.id and server.order.state in ("done", "failed")
                for told in self.panel.reports
                for server in told.servers
            )

        await self.panel.until(look)
        assert self.seen.order is not None
        return self.seen.order

    async def until_phase(self, phase: wire.Phase) -> None:
        await self.panel.until(lambda: self.seen.phase == phase)

    @property
    def files(self) -> Path:
        return self.data / "servers" / str(SERVER) / "files"

    @property
    def tree(self) -> dict[str, bytes]:
        return {
            str(path.relative_to(self.files)): path.read_bytes() for path in self.files.rglob("*") if path.is_file()
        }


@pytest.fixture
async def inn(bus: InProcessBus, panel: FakePanel, tmp_path: Path) -> AsyncIterator[Backups]:
    inn = Backups(bus, panel, tmp_path / "data")
    await inn.listen()
    await inn.open()
    yield inn
    await inn.close()
    await stop_all_servers(inn.data)
    await panel.close()


async def test_a_running_game_is_held_while_its_files_are_read_and_released_behind_that(inn: Backups) -> None:
    await inn.ordered("start")
    made = await inn.do(job(verify=True))
    assert made.result is not None
    assert (made.result.verified, made.result.files) == (True, 2)
    await inn.until(lambda: b"saving is on" in inn.output)
    await inn.ordered("stop")
    (inn.files / "one").write_text("broken")

    restored = await inn.ordered("restore", restore=wire.Restore(backup=uuid4(), snapshot=made.result.snapshot))
    assert (restored.state, restored.reason) == ("done", None)
    assert inn.tree["one"] == inn.tree["two"], "the game wrote while its files were read"
    assert inn.seen.phase == "stopped"


async def test_a_restore_stops_the_game_keeps_what_there_was_and_starts_it_again(inn: Backups) -> None:
    await inn.ordered("install")
    (inn.files / "world").mkdir()
    (inn.files / "world" / "level").write_bytes(b"level" * 1000)
    made = await inn.do(job())
    assert made.result is not None
    (inn.files / "world" / "level").write_bytes(b"griefed")
    (inn.files / "more").write_text("more")
    await inn.ordered("start")
    before = job()
    restore = wire.Restore(backup=uuid4(), snapshot=made.result.snapshot, before=before)
    assert (await inn.ordered("restore", restore=restore)).state == "done"
    await inn.until_phase("running")
    assert inn.tree["world/level"] == b"level" * 1000
    assert "more" not in inn.tree

    kept = await inn.ended(before.id)
    assert kept.result is not None
    await inn.ordered("stop")
    await inn.ordered("restore", restore=wire.Restore(backup=uuid4(), snapshot=kept.result.snapshot))
    assert (inn.tree["world/level"], inn.tree["more"]) == (b"griefed", b"more")


async def test_single_files_come_back_while_the_game_runs(inn: Backups) -> None:
    await inn.ordered("install")
    (inn.files / "notes").write_text("a")
    (inn.files / "other").write_text("a")
    made = await inn.do(job())
    assert made.result is not None
    (inn.files / "notes").write_text("b")
    (inn.files / "other").write_text("b")
    await inn.ordered("start")
    await inn.do(job("restore", snapshot=made.result.snapshot, paths=["notes"]))
    assert (inn.tree["notes"], inn.tree["other"], inn.seen.phase) == (b"a", b"b", "running")


async def test_a_game_is_stopped_for_a_backup_and_started_again_even_if_that_fails(inn: Backups) -> None:
    await inn.ordered("start")
    first = inn.seen.pid
    await inn.do(job(stop_first=True))
    await inn.until(lambda: inn.seen.phase == "running" and inn.seen.pid != first)
    second = inn.seen.pid
    failing = job(stop_first=True, exclude=[".."])
    await inn.take(failing)
    assert (await inn.ended(failing.id)).state == "failed"
    await inn.until(lambda: inn.seen.phase == "running" and inn.seen.pid != second)


async def test_a_game_that_does_not_say_that_it_saved_fails_the_backup_and_is_released(inn: Backups) -> None:
    await inn.ordered("start")
    quiet = msgspec.structs.replace(QUIET, held="^never$", timeout_s=0.3)
    wanted = job(quiet=quiet, before=["say soon"], after=["say done"])
    await inn.take(wanted)
    report = await inn.ended(wanted.id)
    assert (report.state, report.reason) == ("failed", "the game did not say within 0.3 s that all is saved")
    await inn.until(lambda: b"saving is on" in inn.output and b"heard say done" in inn.output)
    assert b"heard say soon" in inn.output


async def test_a_game_that_need_not_say_that_it_saved_is_backed_up_and_the_backup_says_so(inn: Backups) -> None:
    await inn.ordered("start")
    made = await inn.do(job(quiet=msgspec.structs.replace(QUIET, held="^never$", timeout_s=0.3, required=False)))
    assert made.result is not None
    assert made.result.files == 2
    doubt = "the game did not say within 0.3 s that all is saved"
    assert f"read while the game may have been writing: {doubt}" in made.steps
    await inn.until(lambda: b"saving is on" in inn.output)


async def test_a_restore_of_a_backup_that_is_not_there_leaves_the_game_as_it_was(inn: Backups) -> None:
    await inn.ordered("start")
    await inn.until_phase("running")
    restored = await inn.ordered("restore", restore=wire.Restore(backup=uuid4(), snapshot="0" * 32, before=job()))
    assert (restored.state, restored.reason) == ("failed", f"There is no snapshot {'0' * 32!r}")
    await inn.until_phase("running")


async def test_a_restore_of_a_backup_with_missing_pieces_leaves_the_files_as_they_were(inn: Backups) -> None:
    await inn.ordered("install")
    (inn.files / "level").write_bytes(b"level" * 1000)
    made = await inn.do(job())
    assert made.result is not None
    for pack in (inn.data / "backups" / "packs").iterdir():
        pack.unlink()
    (inn.files / "level").write_bytes(b"newer")
    restored = await inn.ordered("restore", restore=wire.Restore(backup=uuid4(), snapshot=made.result.snapshot))
    assert (restored.state, restored.reason) == ("failed", "the backup is damaged: 1 pieces of it are missing")
    assert inn.tree == {"level": b"newer"}
    assert (await inn.ordered("start")).state == "done"


async def test_a_backup_whose_blob_is_damaged_can_be_forgotten(inn: Backups) -> None:
    await inn.ordered("install")
    made = await inn.do(job())
    assert made.result is not None
    blob = inn.data / "backups" / "snapshots" / made.result.snapshot
    blob.write_bytes(b"rubbish")
    with closing(sqlite3.connect(inn.data / "backup-cache" / "index.sqlite")) as base:
        base.execute("DELETE FROM heads")
        base.commit()
    await inn.do(job("forget", backup=made.id, snapshot=made.result.snapshot))
    assert not blob.exists()


async def test_a_node_that_can_write_nothing_down_fails_its_jobs_and_goes_on(inn: Backups) -> None:
    await inn.ordered("install")
    notes = inn.data / "servers" / str(SERVER) / "jobs.json"
    notes.unlink(missing_ok=True)
    notes.mkdir()
    wanted = job()
    await inn.take(wanted)
    report = await inn.ended(wanted.id)
    assert (report.state, report.reason) == ("failed", "the host failed: Is a directory")
    notes.rmdir()
    await inn.do(job())


async def test_a_game_that_cannot_be_released_at_once_is_released_later(
    inn: Backups, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "OWED_PAUSE_S", 0.01)
    typed, refusals = ServerRunner.send_line, iter([True, True])

    async def send_line(runner: ServerRunner, line: str) -> None:
        if line == "save-on" and next(refusals, False):
            raise KeeperError("its console is full")
        await typed(runner, line)

    monkeypatch.setattr(ServerRunner, "send_line", send_line)
    await inn.ordered("start")
    await inn.do(job())
    await inn.until(lambda: b"saving is on" in inn.output)


async def test_a_game_that_was_stopped_for_a_backup_starts_again_behind_a_restore_that_came_between(
    inn: Backups, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "OWED_PAUSE_S", 0.01)
    await inn.ordered("install")
    made = await inn.do(job())
    assert made.result is not None
    slow = desired(argv=["bash", "-c", GAME.replace("exit 0", "sleep 0.5; exit 0")])
    start = wire.Order(id=uuid4(), verb="start")
    await inn.done(wire.Apply(servers=[msgspec.structs.replace(slow, running=True, order=start)]))
    await inn.until_phase("running")
    stopping = job(stop_first=True)
    await inn.done(wire.Apply(servers=[msgspec.structs.replace(slow, running=True, order=start, jobs=[stopping])]))
    await inn.until_phase("stopping")
    restore = wire.Restore(backup=uuid4(), snapshot=made.result.snapshot)
    order = wire.Order(id=uuid4(), verb="restore", restore=restore)
    await inn.done(wire.Apply(servers=[msgspec.structs.replace(slow, running=True, order=order, jobs=[stopping])]))
    assert (await inn.ended(stopping.id)).state == "done"
    await inn.until_phase("running")


async def test_what_a_forgotten_backup_took_is_free_soon_after(inn: Backups, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upkeep, "COLLECT_AFTER", timedelta(milliseconds=10))
    await inn.close()
    await inn.open()
    await inn.ordered("install")
    (inn.files / "level").write_bytes(b"level" * 1000)
    made = await inn.do(job())
    assert list((inn.data / "backups" / "packs").iterdir())
    await inn.do(job("forget", backup=made.id))
    await inn.until(lambda: not list((inn.data / "backups" / "packs").iterdir()))


async def test_what_cannot_be_kept_is_told(inn: Backups) -> None:
    await inn.ordered("install")
    os.mkfifo(inn.files / "pipe")
    made = await inn.do(job(verify=True))
    assert made.result is not None
    assert (made.result.verified, made.result.problem) == (True, "could not be kept (1): pipe")
    assert "could not be kept (1): pipe" in made.steps


async def test_without_room_to_restore_into_a_backup_is_read_whole_all_the_same(
    inn: Backups, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(performing, "_SPARE", 1 << 60)
    await inn.ordered("install")
    made = await inn.do(job(verify=True))
    assert made.result is not None
    assert made.result.verified
    assert any("too little room" in step for step in made.steps)


async def test_a_repeated_job_is_answered_and_not_repeated(inn: Backups) -> None:
    await inn.ordered("install")
    wanted = job()
    first = await inn.do(wanted)
    again = await inn.do(wanted)
    assert again.result == first.result
    assert len(list((inn.data / "backups" / "snapshots").iterdir())) == 1
    await inn.do(job("forget", backup=wanted.backup))
    assert not list((inn.data / "backups" / "snapshots").iterdir())
    await inn.do(job("forget", backup=wanted.backup))


async def test_forgetting_a_backup_that_is_being_made_ends_it(inn: Backups) -> None:
    await inn.ordered("start")
    slow = job(quiet=msgspec.structs.replace(QUIET, held="^never$", timeout_s=60))
    await inn.take(slow)
    await inn.until(lambda: b"Saved the game" in inn.output)
    await inn.do(job("forget", backup=slow.backup))
    report = await inn.ended(slow.id)
    assert (report.state, report.reason) == ("failed", "the backup was deleted")
    await inn.until(lambda: b"saving is on" in inn.output)


async def test_a_removed_servers_backups_are_forgotten(inn: Backups) -> None:
    await inn.ordered("install")
    await inn.do(job())
    await inn.done(wire.Remove(server=SERVER))
    assert not list((inn.data / "backups" / "snapshots").iterdir())


async def test_a_backups_folder_is_listed_in_answers_that_a_message_carries(inn: Backups) -> None:
    await inn.ordered("install")
    names = [f"{number:04}".ljust(240, "x") for number in range(1000)]
    for name in names:
        (inn.files / name).touch()
    made = await inn.do(job())
    assert made.result is not None
    listed = await inn.ask(wire.ListBackup(server=SERVER, snapshot=made.result.snapshot, limit=1000))
    assert listed.more and len(encode(listed)) <= 512 * 1024
    rest = await inn.ask(
        wire.ListBackup(server=SERVER, snapshot=made.result.snapshot, after=listed.entries[-1].name, limit=1000)
    )
    assert not rest.more and [entry.name for entry in (*listed.entries, *rest.entries)] == names


async def test_a_backup_is_read_as_an_archive_part_by_part(inn: Backups) -> None:
    await inn.ordered("install")
    (inn.files / "big").write_bytes(b"x" * 3_000_000)
    made = await inn.do(job())
    assert made.result is not None
    listed = await inn.ask(wire.ListBackup(server=SERVER, snapshot=made.result.snapshot))
    assert [entry.name for entry in listed.entries] == ["big"]
    begun = await inn.ask(wire.BeginDownload(server=SERVER, snapshot=made.result.snapshot, form="zip"))
    parts: list[bytes] = []
    while (part := await inn.ask(wire.ReadDownload(download=begun.download, number=len(parts)))).data:
        assert part == await inn.ask(wire.ReadDownload(download=begun.download, number=len(parts)))
        parts.append(part.data)
    assert b"".join(parts).startswith(b"PK")
    refusal = await inn.refused(wire.ReadDownload(download=begun.download, number=99))
    assert refusal.code == "download_part_is_wrong"
    await inn.done(wire.EndDownload(download=begun.download))
    refusal = await inn.refused(wire.BeginDownload(server=SERVER, snapshot="0" * 32))
    assert refusal.code == "no_such_backup"


async def test_a_node_that_is_closed_in_the_middle_goes_on_at_its_next_start(inn: Backups) -> None:
    await inn.ordered("start")
    slow = job(quiet=msgspec.structs.replace(QUIET, held="^heard now$", timeout_s=60))
    await inn.take(slow)
    await inn.until(lambda: b"Saved the game" in inn.output)
    await inn.close()
    assert not [report for told in inn.panel.reports for one in told.servers for report in one.jobs if report.result]
    await inn.open()
    await inn.until(lambda: inn.output.count(b"Saved the game") == 2)
    await inn.done(wire.SendLine(server=SERVER, line="now"))
    assert (await inn.ended(slow.id)).state == "done"
    await inn.until(lambda: inn.output.count(b"saving is on") == 2)
