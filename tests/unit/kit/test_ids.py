"""Identifiers that can be trusted: their layout, and what decodes to nothing."""

import random
import re

from hypothesis import given
from hypothesis import strategies as st

from innkeeper.kit.ids import ALPHABET, TYPED, ShortIds, digest_of, new_code, new_secret, uuid7

KEY = b"k" * 32
NUMBERS = st.integers(0, (1 << 48) - 1)


@given(st.integers(0, (1 << 48) - 1))
def test_a_uuid_holds_its_milliseconds_version_and_variant(milliseconds: int) -> None:
    uuid = uuid7(lambda: milliseconds * 1_000_000 + 999_999)
    assert uuid.int >> 80 == milliseconds
    assert uuid.version == 7
    assert uuid.variant == "specified in RFC 4122"


def test_uuids_of_the_same_moment_differ_and_of_later_ones_sort_later() -> None:
    assert len({uuid7(lambda: 5_000_000) for _ in range(1000)}) == 1000
    assert uuid7(lambda: 5_000_000) < uuid7(lambda: 6_000_000)


@given(NUMBERS)
def test_a_short_id_is_16_letters_and_digits_and_comes_back(number: int) -> None:
    ids = ShortIds(KEY, "server")
    text = ids.encode(number)
    assert re.fullmatch(r"[0-9A-Za-z]{16}", text)
    assert ids.decode(text) == number


@given(st.sets(NUMBERS, min_size=2, max_size=50))
def test_two_numbers_never_share_a_short_id(numbers: set[int]) -> None:
    ids = ShortIds(KEY, "server")
    assert len({ids.encode(number) for number in numbers}) == len(numbers)


@given(NUMBERS)
def test_an_id_of_another_kind_or_key_is_none(number: int) -> None:
    text = ShortIds(KEY, "account").encode(number)
    assert ShortIds(KEY, "server").decode(text) is None
    assert ShortIds(b"another key, as long as the first", "account").decode(text) is None


@given(st.text(ALPHABET, min_size=16, max_size=16))
def test_a_guessed_id_is_none(text: str) -> None:
    # 46 of 94 bits must be zero by chance.
    assert ShortIds(KEY, "server").decode(text) is None


@given(NUMBERS, st.integers(0, 15), st.sampled_from(ALPHABET))
def test_a_mistyped_id_is_none(number: int, place: int, letter: str) -> None:
    ids = ShortIds(KEY, "server")
    text = ids.encode(number)
    typed = text[:place] + letter + text[place + 1 :]
    assert typed == text or ids.decode(typed) is None


@given(st.text(max_size=20))
def test_whatever_is_sent_as_an_id_is_taken_calmly(text: str) -> None:
    assert ShortIds(KEY, "server").decode(text) is None


def test_ids_beyond_94_bits_and_digits_of_other_scripts_are_none() -> None:
    ids = ShortIds(KEY, "server")
    assert ids.decode("z" * 16) is None
    assert ids.decode("٣" * 16) is None


def test_only_48_bit_numbers_have_a_short_id() -> None:
    ids = ShortIds(KEY, "server")
    for number in (-1, 1 << 48):
        try:
            ids.encode(number)
        except ValueError:
            continue
        raise AssertionError(f"{number} was given an id")


def test_neighbours_do_not_look_alike() -> None:
    ids = ShortIds(KEY, "server")
    first = random.Random(1).randrange(1 << 40)
    alike = sum(a == b for a, b in zip(ids.encode(first), ids.encode(first + 1), strict=True))
    assert alike < 8


def test_a_secret_bears_its_prefix_and_256_bits_and_is_kept_as_a_digest() -> None:
    secret = new_secret("ink")
    assert re.fullmatch(r"ink_[A-Za-z0-9_-]{43}", secret)
    assert new_secret("ink") != secret
    assert re.fullmatch(r"[0-9a-f]{64}", digest_of(secret))
    assert digest_of(secret) != digest_of(secret + " ")


def test_codes_that_people_type_are_random_and_of_letters_that_look_like_no_other() -> None:
    made = {new_code(16) for _ in range(50)}
    assert len(made) == 50
    assert all(len(code) == 16 and set(code) <= set(TYPED) for code in made)
    assert not set(TYPED) & set("ilo01")
