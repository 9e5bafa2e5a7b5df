"""A node's data folder: modes, owners, one process at a time, and what survives."""

import os
from pathlib import Path
from uuid import UUID

import msgspec
import pytest

from innkeeper.bus.inprocess import InProcessBus
from innkeeper.node.facts import collect_facts, tool_versions
from innkeeper.node.identity import (
    EnrolmentRefused,
    Identity,
    IdentityUnreadable,
    enrol,
    load_identity,
    save_identity,
)
from innkeeper.node.layout import DataFolder, DataFolderInUse, write_private
from innkeeper.wire.messages import DesiredServer, Enrol, Refusal
from tests.unit.node.fakes import FACTS, NODE, FakePanel

SERVER = UUID(int=5)


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o7777


@pytest.fixture
def data(tmp_path: Path) -> DataFolder:
    folder = DataFolder(tmp_path / "data")
    folder.prepare()
    return folder


def desired(**changes: object) -> DesiredServer:
    return DesiredServer(uuid=SERVER, number=5, generation=1, name="Inn", running=True, argv=["sh"], **changes)


def test_only_what_must_be_passed_through_is_open(data: DataFolder) -> None:
    folders = data.make_server(SERVER, None)
    write_private(folders.desired, msgspec.json.encode(desired()))
    assert [mode(path) for path in (data.root, data.servers, data.shared, data.uploads)] == [0o711, 0o711, 0o755, 0o700]
    assert mode(folders.root) == 0o711
    assert mode(folders.files) == 0o750
    assert [mode(path) for path in (folders.keeper, folders.journal, folders.desired)] == [0o700, 0o700, 0o600]


@pytest.mark.skipif(os.geteuid() != 0, reason="giving files away takes root")
def test_a_servers_files_belong_to_its_user(data: DataFolder) -> None:
    files = data.make_server(SERVER, (1_900_000_005, 1_900_000_005)).files
    assert (files.stat().st_uid, files.stat().st_gid) == (1_900_000_005, 1_900_000_005)


def test_what_should_be_is_remembered_and_a_damaged_file_is_skipped(data: DataFolder) -> None:
    write_private(data.make_server(SERVER, None).desired, msgspec.json.encode(desired(environment={"A": "1"})))
    broken = data.make_server(UUID(int=6), None)
    broken.desired.write_text("{")
    assert data.remembered() == [desired(environment={"A": "1"})]


def test_a_second_process_is_kept_out(data: DataFolder) -> None:
    second = DataFolder(data.root)
    data.lock()
    with pytest.raises(DataFolderInUse, match=f"pid {os.getpid()}"):
        second.lock()
    data.unlock()
    second.lock()
    second.unlock()


def test_an_identity_is_kept_and_never_shown(data: DataFolder) -> None:
    assert load_identity(data.identity) is None
    identity = Identity(NODE, "s3cret")
    save_identity(data.identity, identity)
    assert load_identity(data.identity) == identity
    assert mode(data.identity) == 0o600
    assert "s3cret" not in repr(identity)
    data.identity.write_text("{}")
    with pytest.raises(IdentityUnreadable):
        load_identity(data.identity)


async def test_a_token_is_exchanged_for_an_identity(data: DataFolder, bus: InProcessBus, panel: FakePanel) -> None:
    identity = await enrol(bus, Enrol(token="t", name="inn", facts=FACTS), data.identity)
    assert identity == load_identity(data.identity) == Identity(NODE, "s3cret")
    assert [(ask.token, ask.name) for ask in panel.enrols] == [("t", "inn")]


async def test_a_refused_token_leaves_no_identity(data: DataFolder, bus: InProcessBus, panel: FakePanel) -> None:
    panel.refusing = Refusal(code="node_is_unknown", message="the token was used")
    with pytest.raises(EnrolmentRefused, match="was used"):
        await enrol(bus, Enrol(token="t", name="inn", facts=FACTS), data.identity)
    assert load_identity(data.identity) is None


def test_tools_are_found_and_a_broken_one_is_left_out(tmp_path: Path) -> None:
    for name, text in {"node": "echo v22.1.0", "java": "exit 1"}.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{text}\n")
        (tmp_path / name).chmod(0o755)
    assert tool_versions(str(tmp_path)) == {"node": "22.1.0"}


def test_facts_are_those_of_this_host(tmp_path: Path) -> None:
    facts = collect_facts(tmp_path, runtimes=["process"], isolation=["well"], tools={})
    assert facts.cpus >= 1
    assert facts.memory_mib > 100
    assert 0 < facts.disk_free_mib <= facts.disk_mib
