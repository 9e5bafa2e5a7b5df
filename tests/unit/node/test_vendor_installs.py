"""A whole node installs what vendors offer: as the server's own user, through a mirror, and across its own death."""

import asyncio
import hashlib
import os
import random
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest

from innkeeper.bus.inprocess import InProcessBus
from innkeeper.drivers.runtimes.process import FIRST_UID
from innkeeper.node.identity import Identity
from innkeeper.node.java import Javas
from innkeeper.node.main import NodeOptions, open_node
from innkeeper.wire import messages as wire
from innkeeper.wire.codec import decode, encode
from tests.unit.drivers.installers.jars import maker_jar
from tests.unit.node.fakes import DEADLINE_S, NODE, FakePanel
from tests.vendors.serving import Fault, FileServer

SERVER = UUID("0198a000-0000-7000-8000-00000000000b")
NUMBER = 11
PATIENCE = timedelta(seconds=DEADLINE_S)
VENDOR = "files.vendor.example"
JAR = random.Random(2).randbytes(4_000_000)
CHECKOUT = Path(__file__).parents[3]
needs_jdk = pytest.mark.skipif(shutil.which("javac") is None, reason="there is no Java development kit here")
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root gives servers users of their own")


def desired(*steps: dict[str, Any], **changes: Any) -> wire.DesiredServer:
    wanted = wire.DesiredServer(
        uuid=SERVER,
        number=NUMBER,
        generation=1,
        name="The Inn",
        running=False,
        install=list(steps),
        argv=["{java}", "-version"],
        order=wire.Order(id=uuid4(), verb="install"),
    )
    return msgspec.structs.replace(wanted, **changes)


def java_step(*arguments: str, **more: Any) -> dict[str, Any]:
    files = [{"url": f"https://{VENDOR}/installer.jar", "path": "installer.jar"}]
    return {
        "uses": "java",
        "jar": "installer.jar",
        "arguments": list(arguments),
        "downloads": files,
        "remove": ["installer.jar"],
        **more,
    }


class Inn:
    """A node, and the panel that the test plays."""

    def __init__(self, bus: InProcessBus, panel: FakePanel, data: Path, mirror: str) -> None:
        self._bus = bus
        self._panel = panel
        self._mirror = mirror
        self.data = data
        self.close: Callable[[], Any] | None = None
        self.steps: list[str] = []

    @property
    def files(self) -> Path:
        return self.data / "servers" / str(SERVER) / "files"

    @property
    def store(self) -> Path:
        return self.data / "shared" / "downloads"

    async def open(self, **options: Any) -> None:
        chosen = NodeOptions(data=self.data, mirror=self._mirror, **options)
        self.close = (await open_node(chosen, self._bus, identity=Identity(NODE, "s3cret"))).close

    async def apply(self, wanted: wire.DesiredServer) -> wire.OrderReport:
        reply = await self._bus.request(wire.node_ask(NODE), encode(wire.Apply(servers=[wanted])), PATIENCE)
        assert isinstance(decode(reply, wire.Answer), wire.Done)
        assert wanted.order is not None
        return await self.end_of(wanted.order.id)

    async def end_of(self, order: UUID) -> wire.OrderReport:
        def seen() -> wire.OrderReport | None:
            found = self._panel.servers.get(SERVER)
            return found.order if found is not None else None

        await self._panel.until(
            lambda: (one := seen()) is not None and one.id == order and one.state in ("done", "failed")
        )
        found = seen()
        assert found is not None
        return found


@pytest.fixture(scope="module")
def jar(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return maker_jar(tmp_path_factory.mktemp("jar"))


@pytest.fixture
def vendor() -> Iterator[FileServer]:
    with FileServer() as files:
        files.put(VENDOR, "/server.jar", JAR)
        yield files


@pytest.fixture
async def inn(bus: InProcessBus, panel: FakePanel, tmp_path: Path, vendor: FileServer) -> AsyncIterator[Inn]:
    inn = Inn(bus, panel, tmp_path / "data", vendor.url)
    yield inn
    if inn.close is not None:
        await inn.close()


def download_step() -> dict[str, Any]:
    digest = hashlib.sha256(JAR).hexdigest()
    file = {"url": f"https://{VENDOR}/server.jar", "path": "server.jar", "algorithm": "sha256", "digest": digest}
    return {"uses": "download", "files": [{**file, "size": len(JAR)}]}


async def test_a_vendors_file_comes_through_the_mirror_and_belongs_to_the_server(inn: Inn) -> None:
    await inn.open()
    report = await inn.apply(desired(download_step()))
    assert report.state == "done", report
    assert (inn.files / "server.jar").read_bytes() == JAR
    assert (inn.files / "server.jar").stat().st_uid == (FIRST_UID + NUMBER if os.geteuid() == 0 else os.geteuid())


@needs_jdk
@needs_root
async def test_a_vendors_installer_runs_as_the_server_and_sees_nothing_of_the_others(
    inn: Inn, vendor: FileServer, jar: bytes
) -> None:
    vendor.put(VENDOR, "/installer.jar", jar)
    await inn.open()
    major = Javas().majors()[-1]
    step = java_step("who", f"look:{inn.data}/servers", f"look:{inn.store}", "make:lib/a.jar", "keep")
    report = await inn.apply(desired(step, java=major))
    assert report.state == "done", report
    user = FIRST_UID + NUMBER
    said = (inn.files / "said.txt").read_text().splitlines()
    assert f"java {major} home {inn.files}" in said
    assert f"folder {inn.files}" in said
    assert f"Uid: {user} {user} {user} {user}" in said
    assert "NoNewPrivs: 1" in said
    assert "CapEff: 0000000000000000" in said
    assert [line for line in said if line.startswith("look")] == ["look 1", "look closed"]
    assert (inn.files / "lib" / "a.jar").stat().st_uid == user
    assert not (inn.files / "installer.jar").exists()


@needs_jdk
async def test_a_java_that_is_not_there_is_said_at_installation_and_at_start(
    inn: Inn, vendor: FileServer, jar: bytes
) -> None:
    vendor.put(VENDOR, "/installer.jar", jar)
    await inn.open()
    has = " and ".join(str(major) for major in Javas().majors())
    report = await inn.apply(desired(java_step(), java=99))
    assert report.reason is not None and report.reason.endswith(f"Java 99 is needed; this node has {has}")
    assert (await inn.apply(desired(download_step(), java=99))).state == "done"
    start = wire.Order(id=uuid4(), verb="start")
    report = await inn.apply(desired(download_step(), java=99, running=True, order=start))
    assert report.reason is not None and report.reason.endswith(f"Java 99 is needed; this node has {has}")


async def until(reached: Callable[[], bool]) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while not reached():  # noqa: ASYNC110 - another process has no event for us
            await asyncio.sleep(0.01)


async def killed_in_the_middle(inn: Inn, wanted: wire.DesiredServer, mirror: str, reached: Callable[[], bool]) -> None:
    """Have another process install it, and kill that once `reached`."""
    told = inn.data.parent / "desired.json"
    told.write_bytes(msgspec.json.encode(wanted))
    command = [sys.executable, "-m", "tests.unit.node.mortal_node", str(inn.data), mirror, str(told)]
    node = await asyncio.create_subprocess_exec(*command, cwd=CHECKOUT, stderr=subprocess.DEVNULL)
    try:
        await until(lambda: reached() or node.returncode is not None)
        assert node.returncode is None
    finally:
        if node.returncode is None:
            node.kill()
        await node.wait()


async def test_a_node_killed_in_a_download_goes_on_with_it_in_its_next_life(inn: Inn, vendor: FileServer) -> None:
    wanted = desired(download_step())
    vendor.fail(VENDOR, "/server.jar", Fault(pause_s=0.1, pieces=80), times=1)

    def half() -> bool:
        return any(path.stat().st_size > 1_000_000 for path in inn.store.glob("*.part"))

    await killed_in_the_middle(inn, wanted, vendor.url, half)
    assert list(inn.files.iterdir()) == []
    assert wanted.order is not None
    await inn.open()
    assert (await inn.end_of(wanted.order.id)).state == "done"
    assert (inn.files / "server.jar").read_bytes() == JAR
    assert vendor.requests[-1].headers["range"].startswith("bytes=")
    assert [path.name for path in inn.store.iterdir() if ".part" in path.name] == []
    assert [path.name for path in inn.files.iterdir()] == ["server.jar"]


@needs_jdk
async def test_a_node_killed_in_a_vendors_installer_ends_it_and_begins_anew(
    inn: Inn, vendor: FileServer, jar: bytes
) -> None:
    vendor.put(VENDOR, "/installer.jar", jar)
    wanted = desired(java_step("once-hang", "make:done"))
    await killed_in_the_middle(inn, wanted, vendor.url, (inn.files / "half").exists)
    assert wanted.order is not None
    await inn.open()
    report = await inn.end_of(wanted.order.id)
    assert report.state == "done", report
    assert sorted(path.name for path in inn.files.iterdir()) == ["done", "half"]
    assert left_in(inn.files) == []


def left_in(folder: Path) -> list[int]:
    """Give the processes that work in a folder."""
    found = []
    for process in Path("/proc").iterdir():
        try:
            if process.name.isdigit() and (process / "cwd").readlink() == folder:
                found.append(int(process.name))
        except OSError:
            continue
    return found


async def test_a_java_in_a_closed_folder_is_shown_to_the_game_that_is_started_with_it(inn: Inn, tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    program = closed / "jdk" / "bin" / "java"
    program.parent.mkdir(parents=True)
    program.write_text(
        '#!/bin/sh\ncase "$1" in -version) echo \'openjdk version "99.0.1"\' >&2;; *) cat "$0" > ran;; esac\n'
    )
    program.chmod(0o755)
    closed.chmod(0o700)
    await inn.open(javas=[closed])
    assert (await inn.apply(desired())).state == "done"
    start = wire.Order(id=uuid4(), verb="start")
    wanted = desired(argv=["{java}", "-jar", "x.jar"], java=99, running=True, order=start, ready_when="output")
    await inn.apply(wanted)
    await until((inn.files / "ran").exists)


@needs_jdk
async def test_a_vendors_installer_that_takes_too_much_memory_is_said_to(
    inn: Inn, vendor: FileServer, jar: bytes
) -> None:
    vendor.put(VENDOR, "/installer.jar", jar)
    await inn.open()
    report = await inn.apply(desired(java_step(options=["-Xms200m", "-XX:+AlwaysPreTouch"]), memory_mib=100))
    if report.state == "done":
        pytest.skip("memory is not limited here")
    assert report.reason is not None and "more memory than the server may use" in report.reason
