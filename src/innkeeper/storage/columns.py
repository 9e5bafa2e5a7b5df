"""How values of core's structs stand in columns, the same on both databases.

Knows no table. Moments are whole microseconds since 1970 UTC, because neither database has a type of its own that the
other has too; what has structure is JSON text, which also carries the NUL that PostgreSQL's text cannot.
"""

from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, Generic, TypeVar

import msgspec
from sqlalchemy import BigInteger, Dialect, Integer, Text
from sqlalchemy.types import TypeDecorator

T = TypeVar("T")
E = TypeVar("E", bound=StrEnum)

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)

BigId = BigInteger().with_variant(Integer, "sqlite")
"""A row's number. SQLite gives out numbers only for a column that is declared INTEGER, which holds 64 bits there."""


class Moment(TypeDecorator[datetime]):
    """A zone-aware moment, exact to the microsecond."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:
        return None if value is None else (value - EPOCH) // MICROSECOND

    def process_result_value(self, value: int | None, dialect: Dialect) -> datetime | None:
        return None if value is None else EPOCH + timedelta(microseconds=value)


class Json(TypeDecorator[T], Generic[T]):
    """A value of one msgspec type, as JSON text."""

    impl = Text
    cache_ok = True

    def __init__(self, of: Any) -> None:
        super().__init__()
        self.of = of
        self._encode = msgspec.json.Encoder().encode
        self._decode = msgspec.json.Decoder(of).decode

    def process_bind_param(self, value: T | None, dialect: Dialect) -> str | None:
        return None if value is None else self._encode(value).decode()

    def process_result_value(self, value: str | None, dialect: Dialect) -> T | None:
        return None if value is None else self._decode(value)


class Enumerated(TypeDecorator[E], Generic[E]):
    """A member of a string enum, by its value: a new member needs no migration."""

    impl = Text
    cache_ok = True

    def __init__(self, of: type[E]) -> None:
        super().__init__()
        self.of = of

    def process_bind_param(self, value: E | None, dialect: Dialect) -> str | None:
        return None if value is None else value.value

    def process_result_value(self, value: str | None, dialect: Dialect) -> E | None:
        return None if value is None else self.of(value)
