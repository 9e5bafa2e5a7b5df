"""The PostgreSQL of tests: fresh databases, and nothing left of it afterwards."""

import stat
from pathlib import Path

import asyncpg
import psutil
import pytest

from innkeeper.testing.postgres import PostgresServer


@pytest.mark.slow
async def test_it_serves_fresh_databases_and_leaves_neither_process_nor_file() -> None:
    with PostgresServer() as server:
        pid = server.pid
        assert pid is not None
        assert psutil.Process(pid).uids().effective != 0
        one, two = server.create_database(), server.create_database()
        assert one != two
        home = Path(one.partition("?host=")[2])
        connection = await asyncpg.connect(one)
        await connection.execute("CREATE TABLE mine (id integer)")
        other = await asyncpg.connect(two)
        assert await other.fetchval("SELECT count(*) FROM pg_tables WHERE tablename = 'mine'") == 0
        await other.close()
        server.drop_database(one)
        assert connection.is_closed() or await _is_lost(connection)
        assert not [net for net in psutil.Process(pid).net_connections("inet") if net.status == psutil.CONN_LISTEN]
        assert stat.S_IMODE(home.stat().st_mode) == 0o700
    assert not psutil.pid_exists(pid)
    assert not home.exists()


async def _is_lost(connection: asyncpg.Connection) -> bool:
    with pytest.raises((asyncpg.PostgresConnectionError, asyncpg.AdminShutdownError, asyncpg.InterfaceError)):
        await connection.execute("SELECT 1")
    return True
