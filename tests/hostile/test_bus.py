"""The bus: who speaks on it for somebody else is refused and written down, and nothing falls over.

What is refused here guards against mistakes; who may publish on the bus is for its own users and permissions to say.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from uuid import UUID, uuid4

import httpx
import pytest

from innkeeper.bus.nats import NatsBus
from innkeeper.testing.nats_server import NatsServer
from innkeeper.wire import messages as wire
from innkeeper.wire.bus import BusError
from innkeeper.wire.codec import decode, encode
from tests.hostile.house import API, START_S

WITHIN = timedelta(seconds=5)
FACTS = wire.NodeFacts(
    version="0",
    hostname="impostor",
    system="x",
    cpus=1,
    memory_mib=1,
    disk_mib=1,
    disk_free_mib=1,
    runtimes=["process"],
    tools={},
)
GARBAGE = (
    b"",
    b"\x00",
    b"\xff" * 100,
    b"{}",
    b"\xc1",
    b"\x80",
    b"\x93" * 5000,
    b"\xdd\xff\xff\xff\xff",
    os.urandom(1000),
    b"A" * 900_000,
)


class PanelOnBus:
    """A panel by itself, reached over NATS."""

    def __init__(self, folder: Path, bus: str) -> None:
        self.log_file = folder / "panel.log"
        self._ready = folder / "panel.ready"
        self._folder, self._bus = folder, bus

    def start(self) -> None:
        """Start it and return once it serves."""
        arguments = [
            "panel",
            "--data",
            str(self._folder / "panel"),
            "--database",
            f"sqlite:///{self._folder}/panel.db",
            "--upgrade",
            "--bus",
            self._bus,
            "--listen",
            "127.0.0.1:0",
            "--ready-file",
            str(self._ready),
        ]
        with self.log_file.open("wb") as log:
            self.process = subprocess.Popen([sys.executable, "-m", "innkeeper", *arguments], stdout=log, stderr=log)
        deadline = time.monotonic() + START_S
        while not self._ready.exists():
            assert self.process.poll() is None and time.monotonic() < deadline, self.log
            time.sleep(0.02)
        told = json.loads(self._ready.read_text())
        self.client = httpx.Client(
            base_url=told["url"], headers={"Authorization": f"Bearer {told['api_key']}"}, trust_env=False, timeout=60
        )

    @property
    def log(self) -> str:
        """What it has logged."""
        return self.log_file.read_text(errors="replace")

    def close(self) -> None:
        """End it."""
        if hasattr(self, "client"):
            self.client.close()
        self.process.terminate()
        self.process.wait(60)

    def alive(self) -> None:
        """Assert that it lives and answers."""
        assert self.process.poll() is None, self.log[-3000:]
        assert self.client.get(f"{API}/servers").status_code == 200


@pytest.fixture
async def broker() -> AsyncIterator[NatsServer]:
    async with NatsServer() as broker:
        yield broker


@pytest.fixture
async def panel(broker: NatsServer, tmp_path: Path) -> AsyncIterator[PanelOnBus]:
    panel = PanelOnBus(tmp_path, broker.url)
    try:
        panel.start()
        yield panel
    finally:
        panel.close()


@pytest.fixture
async def bus(broker: NatsServer, panel: PanelOnBus) -> AsyncIterator[NatsBus]:
    bus = await open_bus(broker.url)
    yield bus
    await bus.aclose()


async def open_bus(url: str) -> NatsBus:
    return await NatsBus.connect(url)


async def enrolled(bus: NatsBus, panel: PanelOnBus, name: str) -> tuple[UUID, str]:
    """Enrol a node as its administrator would; return it with its secret."""
    token = panel.client.post(f"{API}/nodes/tokens").json()["token"]
    enrol = wire.Enrol(token=token, name=name, facts=FACTS, address="127.0.0.1", public_host="")
    answer = decode(await bus.request(wire.PANEL_ENROL, encode(enrol), WITHIN), wire.Enrolled)
    with pytest.raises(Exception):  # noqa: B017 - a token is good once
        decode(await bus.request(wire.PANEL_ENROL, encode(enrol), WITHIN), wire.Enrolled)
    return answer.node, answer.secret


async def test_impostors_are_refused_and_written_down(bus: NatsBus, panel: PanelOnBus) -> None:
    node, secret = await enrolled(bus, panel, "own")
    other, other_secret = await enrolled(bus, panel, "other")
    for who, proof in ((node, "wrong"), (node, other_secret), (other, secret), (uuid4(), secret), (node, "")):
        answer = await bus.request(
            wire.PANEL_HELLO, encode(wire.Hello(node=who, secret=proof, session="x", facts=FACTS)), WITHIN
        )
        assert isinstance(decode(answer, wire.Welcome | wire.Refusal), wire.Refusal)
    assert "node.greeting.refused" in panel.log
    assert secret not in panel.log and other_secret not in panel.log
    serving = await bus.serve(wire.node_ask(node), _obedient, name="a node that is played")
    welcome = await bus.request(
        wire.PANEL_HELLO, encode(wire.Hello(node=node, secret=secret, session="x", facts=FACTS)), WITHIN
    )
    assert isinstance(decode(welcome, wire.Welcome | wire.Refusal), wire.Welcome)

    made = await _server_on(panel, node)
    await serving.close()
    stolen = wire.ObservedServer(uuid=made, generation=1, phase="running")
    report = wire.Report(node=other, session="x", number=1, complete=False, servers=[stolen])
    await bus.request(wire.PANEL_REPORT, encode(report), WITHIN)
    assert panel.client.get(f"{API}/servers/{made}").json()["state"] != "running"
    assert "node.report.foreign_server" in panel.log
    nobodys = wire.Report(
        node=other,
        session="x",
        number=2,
        complete=False,
        servers=[wire.ObservedServer(uuid=uuid4(), generation=1, phase="running")],
    )
    await bus.request(wire.PANEL_REPORT, encode(nobodys), WITHIN)
    assert "node.report.unknown_server" in panel.log
    panel.alive()


async def _obedient(payload: bytes) -> bytes:
    """Answer as a node that does all it is asked."""
    asked = decode(payload, wire.Ask)
    return encode(wire.PortFound(port=25000) if isinstance(asked, wire.FindPort) else wire.Done())


async def _server_on(panel: PanelOnBus, node: UUID) -> UUID:
    """Make a server on a node that we play."""
    async with httpx.AsyncClient(
        base_url=panel.client.base_url, headers=panel.client.headers, trust_env=False
    ) as client:
        body = {"name": "kept", "package": "custom", "node": str(node), "properties": {"command": "true"}}
        made = await client.post(f"{API}/servers", json=body)
    assert made.status_code == 201, made.text
    return UUID(made.json()["server"]["id"])


async def test_garbage_on_every_subject_changes_nothing(bus: NatsBus, panel: PanelOnBus) -> None:
    node, _ = await enrolled(bus, panel, "own")
    for payload in GARBAGE:
        for subject in (wire.PANEL_ENROL, wire.PANEL_HELLO, wire.PANEL_REPORT):
            try:
                answer = await bus.request(subject, payload, WITHIN)
            except BusError:
                continue
            assert isinstance(decode(answer, wire.Refusal), wire.Refusal)
        for subject in (wire.PANEL_NOTES, wire.node_samples(node), wire.node_console(node, uuid4())):
            await bus.publish(subject, payload)
    for at in (0, -1, 1 << 62, -(1 << 62)):
        await bus.publish(wire.node_samples(node), encode(wire.Samples(node=node, at_us=at, servers=[])))
    await bus.request(
        wire.PANEL_REPORT, encode(wire.Report(node=node, session="x", number=1, complete=True, servers=[])), WITHIN
    )
    panel.alive()
    assert panel.client.get(f"{API}/nodes").json()["items"][0]["name"] == "own"
