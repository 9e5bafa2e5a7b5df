"""Bring a database to the newest schema: for the command line, and for the first start of an embedded install.

Any number of panels may do it at once: one does the work, the others wait and find it done. Each upgrade is one
transaction, so a failed one leaves the database as it was.
"""

import asyncio
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import structlog
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from innkeeper.kit.tasks import in_thread
from innkeeper.storage import migrations
from innkeeper.storage.engines import make_sqlite_file, open_migrating_engine
from innkeeper.storage.errors import DatabaseIsUnavailable, SchemaIsNewer, UpgradeFailed, cannot_connect, is_passing

if TYPE_CHECKING:
    from alembic.config import Config

log = structlog.get_logger(__name__)

_LOCK_NUMBER = 0x496E6E6B65657065  # "Innkeepe": names the upgrade among the advisory locks of the database
# Alembic hands its context to env.py through a module of its own: one upgrade at a time in a process.
_one_at_a_time = threading.Lock()


async def upgrade(url: str) -> None:
    """Bring the database at `url` to HEAD, made first where it is an SQLite file that does not exist.

    Returns when it is there. Raises UrlIsInvalid, SchemaIsNewer, UpgradeFailed, DatabaseIsUnavailable; OSError where
    the file cannot be made.
    """
    await in_thread(_upgrade, url)


def _upgrade(url: str) -> None:
    make_sqlite_file(url)
    with _one_at_a_time:
        asyncio.run(_migrate(url))


async def _migrate(url: str) -> None:
    engine = open_migrating_engine(url)
    try:
        async with engine.connect() as connection, connection.begin():
            if connection.dialect.name == "postgresql":
                await connection.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": _LOCK_NUMBER})
            await connection.run_sync(_run_revisions)
    except Exception as error:
        if not cannot_connect(error):
            raise
        if isinstance(error, DBAPIError) and not is_passing(error):
            raise UpgradeFailed from error
        raise DatabaseIsUnavailable from error
    finally:
        await engine.dispose()


def configuration() -> "Config":
    """Return Alembic's configuration, without a database: its scripts stand in this package."""
    # Imported only here: most starts find the database up to date, and Alembic takes longer to import than that look.
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config


def _run_revisions(connection: Connection) -> None:
    before = migrations.revision_of(connection)
    if before == migrations.HEAD:
        return
    if before is not None and before > migrations.HEAD:
        raise SchemaIsNewer(f"the database is at {before}, this release knows {migrations.HEAD} at most")
    from alembic import command

    config = configuration()
    config.attributes["connection"] = connection
    command.upgrade(config, migrations.HEAD)
    if connection.dialect.name == "sqlite":
        broken = connection.execute(text("PRAGMA foreign_key_check")).all()
        if broken:
            raise UpgradeFailed(f"the upgrade would leave {len(broken)} rows that refer to nothing")
    log.info("storage.upgraded", before=before, now=migrations.HEAD)
