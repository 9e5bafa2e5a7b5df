"""Pages of lists: those in memory, in the order of their rows, and where one by name goes on."""

from typing import Protocol, TypeVar

from innkeeper.kit.pages import BadCursor, decode_cursor, decode_integer_cursor, encode_cursor


class _Row(Protocol):
    @property
    def id(self) -> int: ...


R = TypeVar("R", bound=_Row)


def page_by_id(rows: list[R], cursor: str | None, limit: int) -> tuple[list[R], str | None]:
    """Return at most `limit` rows after the cursor, and the cursor that continues; raise BadCursor."""
    after = decode_integer_cursor(cursor)
    rest = rows if after is None else [row for row in rows if row.id > after]
    return rest[:limit], encode_cursor(rest[limit - 1].id) if len(rest) > limit else None


def name_in(cursor: str | None) -> str | None:
    """Return the name after which a list goes on, None from its beginning; raise BadCursor."""
    if cursor is None:
        return None
    match decode_cursor(cursor):
        case [str(name)]:
            return name
    raise BadCursor("the cursor is not one that this list gave out")
