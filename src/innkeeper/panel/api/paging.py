"""Pages of lists that are in memory, in the order of their rows."""

from typing import Protocol, TypeVar

from innkeeper.kit.pages import decode_integer_cursor, encode_cursor


class _Row(Protocol):
    @property
    def id(self) -> int: ...


R = TypeVar("R", bound=_Row)


def page_by_id(rows: list[R], cursor: str | None, limit: int) -> tuple[list[R], str | None]:
    """Return at most `limit` rows after the cursor, and the cursor that continues; raise BadCursor."""
    after = decode_integer_cursor(cursor)
    rest = rows if after is None else [row for row in rows if row.id > after]
    return rest[:limit], encode_cursor(rest[limit - 1].id) if len(rest) > limit else None
