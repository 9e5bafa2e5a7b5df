"""Databases for tests, of which one process opens thousands: cheap to make and cheap to ask.

The schema is laid out once and copied as a file; a statement is compiled once, whichever database it is meant for.
Knows the engine's kind and no table.
"""

import tempfile
from pathlib import Path
from typing import Any

from sqlalchemy.engine import Dialect
from sqlalchemy.ext.asyncio import AsyncEngine

from innkeeper.kit.tasks import in_thread
from innkeeper.storage.database import Database, announce_to_nobody
from innkeeper.storage.engines import open_engine
from innkeeper.storage.upgrades import upgrade

_empty: list[bytes] = []
_dialects: dict[str, Dialect] = {}
_compiled: dict[Any, Any] = {}


async def fresh_database(file: Path) -> Database:
    """Return an open SQLite database in `file`, upgraded and empty; whoever asked awaits its `aclose()`."""
    if not _empty:
        _empty.append(await _laid_out())
    await in_thread(file.write_bytes, _empty[0])
    return Database(compiling_once(open_engine(f"sqlite:///{file}")), announce_to_nobody)


def compiling_once(engine: AsyncEngine) -> AsyncEngine:
    """Return the engine such that it compiles no statement which another of its kind compiled before.

    SQLAlchemy keeps compiled statements by dialect, so the engines take one dialect, too.
    """
    engine.sync_engine.dialect = _dialects.setdefault(engine.dialect.name, engine.dialect)
    return engine.execution_options(compiled_cache=_compiled)


async def _laid_out() -> bytes:
    with tempfile.TemporaryDirectory(prefix="innkeeper-") as folder:
        file = Path(folder) / "empty.db"
        await upgrade(f"sqlite:///{file}")
        return file.read_bytes()
