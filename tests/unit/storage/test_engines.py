"""The URLs an administrator may write, and what is never repeated of them."""

from pathlib import Path

import pytest

from innkeeper.storage.database import Database
from innkeeper.storage.engines import make_sqlite_file, parse_url
from innkeeper.storage.errors import DatabaseIsUnavailable, UrlIsInvalid


@pytest.mark.parametrize(
    ("url", "driver", "database"),
    [
        ("sqlite:///innkeeper.db", "sqlite+aiosqlite", "innkeeper.db"),
        ("sqlite:////var/lib/innkeeper/panel.db", "sqlite+aiosqlite", "/var/lib/innkeeper/panel.db"),
        ("postgresql://keeper:s3cret@db.example:5433/inn", "postgresql+asyncpg", "inn"),
        ("postgres://keeper@db.example/inn", "postgresql+asyncpg", "inn"),
        ("postgresql:///inn?host=/run/postgresql", "postgresql+asyncpg", "inn"),
    ],
)
def test_a_url_gets_its_driver(url: str, driver: str, database: str) -> None:
    parsed = parse_url(url)
    assert (parsed.drivername, parsed.database) == (driver, database)


def test_a_password_with_escapes_is_read() -> None:
    assert parse_url("postgresql://keeper:p%40ss%2Fword@db.example/inn").password == "p@ss/word"


def test_sslmode_is_told_to_the_driver_in_its_own_word() -> None:
    assert dict(parse_url("postgresql://db.example/inn?sslmode=verify-full").query) == {"ssl": "verify-full"}


@pytest.mark.parametrize(
    "url",
    [
        "",
        "s3cret",
        "sqlite://",
        "sqlite:///:memory:",
        "mysql://keeper:s3cret@db.example/inn",
        "postgresql://keeper:s3cret@db.example",
        "postgresql://keeper:s3cret@db.example/inn?options=-cx",
        "postgresql://keeper:s3cret@db.example:port/inn",
        "keeper:s3cret@db.example/inn",
    ],
)
def test_a_url_that_is_not_understood_is_refused_without_being_repeated(url: str) -> None:
    with pytest.raises(UrlIsInvalid) as refused:
        parse_url(url)
    assert "s3cret" not in str(refused.value)
    assert refused.value.__cause__ is None


async def test_a_database_that_does_not_exist_is_not_made_by_opening_it(sqlite_url: str, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    with pytest.raises(DatabaseIsUnavailable):
        await Database.open(sqlite_url)
    assert list((tmp_path / "data").iterdir()) == []


async def test_a_server_that_is_not_there_is_unavailable_and_its_password_not_told(tmp_path: Path) -> None:
    with pytest.raises(DatabaseIsUnavailable) as refused:
        await Database.open(f"postgresql://keeper:s3cret@/inn?host={tmp_path}")
    assert "s3cret" not in str(refused.value) + str(refused.value.__cause__)


async def test_the_file_belongs_to_its_owner_alone(database: Database, tmp_path: Path) -> None:
    async with database.works() as work:
        await work.settings.put_if_absent("name", "value")
        modes = {path.name: path.stat().st_mode & 0o777 for path in (tmp_path / "data").iterdir()}
    assert modes == {"innkeeper.db": 0o600, "innkeeper.db-wal": 0o600, "innkeeper.db-shm": 0o600}


def test_a_file_that_exists_is_left_as_it_is(sqlite_url: str, tmp_path: Path) -> None:
    make_sqlite_file(sqlite_url)
    path = tmp_path / "data" / "innkeeper.db"
    path.write_bytes(b"kept")
    path.chmod(0o640)
    make_sqlite_file(sqlite_url)
    assert (path.read_bytes(), path.stat().st_mode & 0o777) == (b"kept", 0o640)
