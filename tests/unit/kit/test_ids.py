"""Ids: short ones turn back into their number and into nothing else, and UUIDs sort by their time."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from innkeeper.kit.ids import ALPHABET, ShortIds, digest_of, new_secret, uuid7

NUMBERS = st.integers(min_value=0, max_value=(1 << 48) - 1)
SERVERS = ShortIds(b"the installation's secret", "server")


@given(NUMBERS)
def test_an_id_turns_back_into_its_number(number: int) -> None:
    text = SERVERS.encode(number)
    assert len(text) == 16
    assert set(text) <= set(ALPHABET)
    assert SERVERS.decode(text) == number


@given(NUMBERS, NUMBERS)
def test_two_numbers_never_share_an_id(one: int, other: int) -> None:
    assert (SERVERS.encode(one) == SERVERS.encode(other)) == (one == other)


@given(NUMBERS)
def test_an_id_of_one_kind_or_installation_means_nothing_to_another(number: int) -> None:
    text = SERVERS.encode(number)
    assert ShortIds(b"the installation's secret", "account").decode(text) is None
    assert ShortIds(b"another installation's", "server").decode(text) is None


@given(st.text(ALPHABET, min_size=16, max_size=16))
def test_a_guessed_id_means_nothing(text: str) -> None:
    assert SERVERS.decode(text) is None


@given(st.text(max_size=40))
def test_what_is_no_id_means_nothing(text: str) -> None:
    assert SERVERS.decode(text) is None


@pytest.mark.parametrize("number", [-1, 1 << 48])
def test_a_number_out_of_range_has_no_id(number: int) -> None:
    with pytest.raises(ValueError, match="no short id"):
        SERVERS.encode(number)


def test_the_first_ids_share_no_beginning() -> None:
    assert len({SERVERS.encode(number)[:4] for number in range(1, 200)}) > 190


def test_ids_do_not_change_between_releases() -> None:
    assert [ShortIds(b"0" * 32, "server").encode(number) for number in (0, 1, 2)] == KNOWN


KNOWN = ["B931n7uWdmZwAPpr", "KsXGnZGQoTJCz7Lo", "0EfeEgTn5XxGd4HA"]


@given(st.integers(min_value=0, max_value=(1 << 48) - 2))
def test_a_later_uuid_sorts_after_an_earlier_one(millisecond: int) -> None:
    one, other = uuid7(lambda: millisecond * 1_000_000), uuid7(lambda: (millisecond + 1) * 1_000_000)
    assert one < other
    assert one.version == 7
    assert one.variant == "specified in RFC 4122"


def test_secrets_are_long_recognisable_and_kept_as_digests() -> None:
    one, other = new_secret("ink"), new_secret("ink")
    assert one != other
    assert one.startswith("ink_")
    assert len(one) >= 4 + 43
    assert digest_of(one) == digest_of(one)
    assert one not in digest_of(one)
