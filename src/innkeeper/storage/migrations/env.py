"""What Alembic runs to migrate: on the connection it was handed, inside the transaction that is open there.

Knows neither URL nor engine: `innkeeper.storage.upgrades` does.
"""

from alembic import context
from sqlalchemy import Connection

from innkeeper.storage.migrations import VERSION_TABLE
from innkeeper.storage.schema import metadata


def run() -> None:
    """Run the revisions that are asked for."""
    connection: Connection = context.config.attributes["connection"]
    context.configure(
        connection=connection,
        target_metadata=metadata,
        version_table=VERSION_TABLE,
        # SQLite changes a column by copying its table.
        render_as_batch=connection.dialect.name == "sqlite",
    )
    with context.begin_transaction():
        context.run_migrations()


run()
