"""Ids of servers in the dialects' words go there and back, and nothing else comes back."""

from datetime import UTC, datetime
from uuid import UUID, uuid4

from hypothesis import given
from hypothesis import strategies as st

from innkeeper.core.servers.model import Server
from innkeeper.panel.http.dialect_ids import DialectIds

IDS = DialectIds(b"secret")


def a_server(row: int, uuid: UUID) -> Server:
    return Server(
        id=row,
        uuid=uuid,
        owner_id=1,
        node_id=1,
        name="a",
        package="custom",
        runtime="custom",
        version="",
        address="127.0.0.1",
        created_at=datetime(2026, 1, 1, tzinfo=UTC),
    )


@given(st.integers(1, 2**47), st.uuids())
def test_every_id_leads_back_to_its_server(row: int, uuid: UUID) -> None:
    ids = IDS.of(a_server(row, uuid))
    assert IDS.from_exaroton(ids["exaroton"]) == row
    assert IDS.from_pterodactyl(ids["pterodactyl"]) == row
    assert IDS.from_serverflex(ids["serverflex"]) == IDS.from_crafty(str(uuid)) == uuid
    assert IDS.from_crafty(ids["crafty"]) == row
    assert IDS.from_mccoal(ids["mccoal"]) == uuid
    assert len(ids["exaroton"]) == 16
    assert len(ids["mccoal"]) == 22


@given(st.text())
def test_anything_else_is_no_id(text: str) -> None:
    assert IDS.from_exaroton(text) is None
    for decoded in (IDS.from_serverflex(text), IDS.from_mccoal(text)):
        assert decoded is None or str(decoded) == text.lower()
    row = IDS.from_pterodactyl(text)
    assert row is None or row == int(text)


def test_one_server_has_one_spelling() -> None:
    uuid = uuid4()
    assert IDS.from_serverflex(f"{{{uuid}}}") is None
    assert IDS.from_serverflex(uuid.hex) is None
    assert IDS.from_mccoal("A" * 21 + "B") is None  # its last bits are not zero
    assert IDS.from_mccoal("A" * 21 + "\n") is None
    assert IDS.from_pterodactyl("²") is None
