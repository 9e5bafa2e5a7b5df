"""A whole node makes, verifies, restores and frees backups in a bucket, of which its environment tells it."""

from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest

from innkeeper.bus.inprocess import InProcessBus
from innkeeper.drivers.blobstores.s3 import S3BlobStore, S3Options
from innkeeper.node.identity import Identity
from innkeeper.node.main import NodeOptions, open_node, stop_all_servers
from innkeeper.node.service import NodeService
from innkeeper.testing.s3_server import S3Server
from innkeeper.wire import messages as wire
from tests.unit.node.backups.test_jobs import Backups, job
from tests.unit.node.backups.test_upkeep import tended
from tests.unit.node.fakes import NODE, FakePanel

WHERE = "backups-of-a-node/house/one"


class InABucket(Backups):
    """The test's end of the bus, of a node that keeps its backups in a bucket."""

    async def open(self) -> NodeService:
        options = NodeOptions(data=self.data, sample_interval=timedelta(milliseconds=50), backups=f"s3://{WHERE}")
        self.node = await open_node(options, self.bus, identity=Identity(NODE, "s3cret"))
        return self.node


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[S3Server]:
    with S3Server() as running:
        running.make_bucket(WHERE.split("/")[0])
        for name, value in (
            ("AWS_ENDPOINT_URL", running.url),
            ("AWS_REGION", "us-east-1"),
            ("AWS_ACCESS_KEY_ID", "key"),
            ("AWS_SECRET_ACCESS_KEY", "secret"),
        ):
            monkeypatch.setenv(name, value)
        yield running


@pytest.fixture
async def inn(server: S3Server, tmp_path: Path) -> AsyncIterator[InABucket]:
    async with InProcessBus() as bus:
        panel = FakePanel(bus)
        await panel.open()
        inn = InABucket(bus, panel, tmp_path / "data")
        await inn.listen()
        await inn.open()
        yield inn
        await inn.close()
        await stop_all_servers(inn.data)
        await panel.close()


def kept(server: S3Server, prefix: str) -> list[str]:
    bucket, _, path = WHERE.partition("/")
    store = S3BlobStore(
        S3Options(
            bucket=bucket,
            prefix=path,
            endpoint=server.url,
            region="us-east-1",
            access_key_id="key",
            secret_access_key="secret",
        )
    )
    return [name for name, _ in store.list(prefix)]


async def test_a_running_games_backup_goes_to_a_bucket_and_comes_back_from_nothing_else(
    inn: InABucket, server: S3Server
) -> None:
    await inn.ordered("start")
    (inn.files / "world").mkdir()
    (inn.files / "world" / "level.dat").write_bytes(content := bytes(range(256)) * 2000)
    wanted = job(verify=True)
    made = await inn.do(wanted)
    assert made.result is not None
    assert (made.result.verified, made.result.files) == (True, 3)
    assert kept(server, "snapshots/") == [f"snapshots/{made.result.snapshot}"]
    assert kept(server, "packs/")
    assert not (inn.data / "backups").exists()
    await inn.ordered("stop")
    await inn.close()
    for cached in (inn.data / "backup-cache").iterdir():
        cached.unlink()
    await inn.open()

    (inn.files / "world" / "level.dat").write_bytes(b"broken")
    (inn.files / "stray").write_bytes(b"new")
    restored = await inn.ordered("restore", restore=wire.Restore(backup=uuid4(), snapshot=made.result.snapshot))
    assert (restored.state, restored.reason) == ("done", None)
    assert inn.tree["world/level.dat"] == content
    assert "stray" not in inn.tree
    assert inn.tree["one"] == inn.tree["two"], "the game wrote while its files were read"

    assert (await tended(inn, "check")).problems == []
    await inn.do(job("forget", backup=wanted.backup))
    assert (await tended(inn, "collect")).removed == len(kept(server, "packs/")) + 1
    assert kept(server, "packs/") == kept(server, "snapshots/") == kept(server, "leases/") == []
