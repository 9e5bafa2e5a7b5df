"""Values come back from columns as they went in."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import hypothesis.strategies as st
from hypothesis import given
from sqlalchemy.dialects import sqlite

from innkeeper.core.servers.lifecycle import State
from innkeeper.core.servers.model import PropertyValue
from innkeeper.storage.columns import EPOCH, Enumerated, Json, Moment

DIALECT = sqlite.dialect()
ZONES = st.builds(lambda minutes: timezone(timedelta(minutes=minutes)), st.integers(-840, 840))


@given(moment=st.datetimes(min_value=datetime(1, 1, 2), max_value=datetime(9999, 12, 30), timezones=ZONES))  # noqa: DTZ001
def test_a_moment_is_exact_and_comes_back_in_utc(moment: datetime) -> None:
    column = Moment()
    kept = column.process_bind_param(moment, DIALECT)
    assert isinstance(kept, int)
    back = column.process_result_value(kept, DIALECT)
    assert back == moment
    assert back.tzinfo is UTC


def test_a_moment_is_kept_in_microseconds_since_1970() -> None:
    assert Moment().process_bind_param(EPOCH + timedelta(seconds=1, microseconds=2), DIALECT) == 1_000_002
    assert Moment().process_bind_param(None, DIALECT) is None
    assert Moment().process_result_value(None, DIALECT) is None


@given(
    value=st.dictionaries(
        st.text(),
        st.text() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False),
    )
)
def test_properties_keep_their_value_their_type_and_their_order(value: dict[str, Any]) -> None:
    column: Json[dict[str, PropertyValue]] = Json(dict[str, PropertyValue])
    text = column.process_bind_param(value, DIALECT)
    assert text is not None
    assert "\x00" not in text
    back = column.process_result_value(text, DIALECT)
    assert back is not None
    assert list(back.items()) == list(value.items())
    assert [type(one) for one in back.values()] == [type(one) for one in value.values()]


def test_an_enumerated_value_is_kept_by_its_value() -> None:
    column = Enumerated(State)
    for state in State:
        assert column.process_bind_param(state, DIALECT) == state.value
        assert column.process_result_value(state.value, DIALECT) is state
    assert column.process_bind_param(None, DIALECT) is None
    assert column.process_result_value(None, DIALECT) is None
