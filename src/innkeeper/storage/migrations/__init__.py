"""The way of a database to the newest schema, one revision file after the other.

Revisions are numbered ("0001", "0002", …), so that which of two is newer can be told without reading them. HEAD is
said here, so that looking whether a database is up to date costs neither Alembic nor its scripts.
"""

from sqlalchemy import Connection, inspect, text

HEAD = "0001"
VERSION_TABLE = "alembic_version"


def revision_of(connection: Connection) -> str | None:
    """Return the revision a database is at; None where it has none of our tables."""
    if not inspect(connection).has_table(VERSION_TABLE):
        return None
    revision: str | None = connection.execute(text(f"SELECT version_num FROM {VERSION_TABLE}")).scalar_one_or_none()  # noqa: S608
    return revision
