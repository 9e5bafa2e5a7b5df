"""The contract of a config format, as tests: derive from `ConfigSuite`, say what your format looks like, and run it.

    class TestMyFormat(ConfigSuite):
        format = MyFormat()
        sample = b"# a comment\\nport = 25565\\n"
        values = {"port": 25565}
        raw = {"port": b"25565"}
        changes = {"port": 25570}

It knows the promise of `innkeeper.contracts.configfile` and no format. Needs pytest and hypothesis.
"""

from time import monotonic
from typing import ClassVar

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from innkeeper.contracts.configfile import ConfigFormat, ConfigUnreadable, ConfigValue, join_key, split_key

LETTERS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
PARTS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8)
DEADLINE_S = 60


def as_text(value: ConfigValue) -> str:
    """Return what a format without types reads, where `value` was set."""
    if isinstance(value, list):
        return ",".join(value)
    return str(value).lower() if isinstance(value, bool) else str(value)


class Specimen(msgspec.Struct, frozen=True, kw_only=True):
    """What a format looks like.

    `sample`: a file with line feeds, comments where the format has them, and `values` in this order, each standing
    there as the bytes `raw`, once. `changes`: another value for each. `broken`: what is not this format. `hostile`:
    what could cost more than its size; it may be read or refused. `typed`: it knows more than text. `nested`: keys
    are joined by dots. `lines`: a value may hold line breaks. `bom`: a BOM is none of the content. `any_key`: there is
    no key that it cannot write.
    """

    format: ConfigFormat
    sample: bytes
    values: dict[str, ConfigValue]
    raw: dict[str, bytes]
    changes: dict[str, ConfigValue]
    broken: tuple[bytes, ...] = ()
    hostile: tuple[bytes, ...] = ()
    typed: bool = True
    nested: bool = True
    lines: bool = True
    bom: bool = True
    any_key: bool = True


class ConfigSuite:
    """What every format promises."""

    specimen: ClassVar[Specimen]

    def read_as(self, value: ConfigValue) -> ConfigValue:
        return value if self.specimen.typed else as_text(value)

    def test_options_are_read_with_their_types_in_file_order(self) -> None:
        found = self.specimen.format.read(self.specimen.sample)
        assert found == self.specimen.values
        assert list(found) == list(self.specimen.values)
        assert [type(value) for value in found.values()] == [type(value) for value in self.specimen.values.values()]

    def test_nothing_outside_a_changed_value_changes(self) -> None:
        for newline in (b"\n", b"\r\n"):
            for mark in (b"", b"\xef\xbb\xbf") if self.specimen.bom else (b"",):
                sample = mark + self.specimen.sample.replace(b"\n", newline)
                for key, new in self.specimen.changes.items():
                    raw = self.specimen.raw[key].replace(b"\n", newline)
                    before, found, after = sample.partition(raw)
                    assert found and raw not in after
                    edited = self.specimen.format.edit(sample, {key: new})
                    assert edited.startswith(before) and edited.endswith(after), (key, edited)
                    assert len(edited) >= len(before) + len(after)
                    assert self.specimen.format.read(edited) == {**self.specimen.values, key: self.read_as(new)}

    def test_all_values_change_at_once(self) -> None:
        edited = self.specimen.format.edit(self.specimen.sample, self.specimen.changes)
        changed = {key: self.read_as(value) for key, value in self.specimen.changes.items()}
        assert self.specimen.format.read(edited) == {**self.specimen.values, **changed}
        assert self.specimen.format.edit(edited, self.specimen.changes) == edited

    def test_values_that_stand_are_not_touched(self) -> None:
        assert self.specimen.format.edit(self.specimen.sample, self.specimen.values) == self.specimen.sample
        assert self.specimen.format.edit(self.specimen.sample, {}) == self.specimen.sample
        assert self.specimen.format.edit(b"", {}) == b""

    def test_a_text_is_written_as_what_stands_there_if_it_reads_as_that(self) -> None:
        for key, new in self.specimen.changes.items():
            if not isinstance(new, list):
                edited = self.specimen.format.edit(self.specimen.sample, {key: as_text(new)})
                found = self.specimen.format.read(edited)[key]
                standing = self.specimen.values[key]
                alike = type(standing) is type(new) or (isinstance(standing, float) and isinstance(new, int))
                assert found == (self.read_as(new) if alike else as_text(new))
                assert self.specimen.format.edit(edited, {key: as_text(new)}) == edited

    @pytest.mark.parametrize(
        "value", ["text", "", "5", "true", " ", "a: b # c", 5, -1, 2.5, -1e6, True, False, ["a", "b, c"]]
    )
    def test_any_value_can_be_set_where_another_stands_and_anew(self, value: ConfigValue) -> None:
        for key in self.specimen.values:
            edited = self.specimen.format.edit(self.specimen.sample, {key: value})
            found = self.specimen.format.read(edited)[key]
            assert found == self.read_as(value) or (isinstance(value, str) and as_text(found) in (value, f"{value}.0"))
            assert self.specimen.format.edit(edited, {key: value}) == edited
        for content in (b"", self.specimen.sample):
            edited = self.specimen.format.edit(content, {"fresh": value})
            assert self.specimen.format.read(edited)["fresh"] == self.read_as(value)

    def test_new_keys_come_last(self) -> None:
        for newline in (b"\n", b"\r\n"):
            sample = self.specimen.sample.replace(b"\n", newline)
            edited = self.specimen.format.edit(sample, {"zulu": "1", "alpha": "2"})
            found = [key for key in self.specimen.format.read(edited) if key not in self.specimen.values]
            assert found == ["zulu", "alpha"]
            assert edited.count(b"\n") == edited.count(newline)
            assert self.specimen.format.edit(edited, {"zulu": "1", "alpha": "2"}) == edited

    def test_empty_content_becomes_a_new_file(self) -> None:
        assert self.specimen.format.read(b"") == {}
        values: dict[str, ConfigValue] = {"a": "1", "b": True, "c": 3, "d": ["x", "y"]}
        new = self.specimen.format.edit(b"", values)
        assert self.specimen.format.read(new) == {key: self.read_as(value) for key, value in values.items()}
        assert new.endswith(b"\n")

    def test_missing_tables_are_made(self) -> None:
        if not self.specimen.nested:
            return
        values: dict[str, ConfigValue] = {"fresh.port": 1, "fresh.name": "x", r"other\.one.a": "y", "bare": "z"}
        for content in (b"", self.specimen.sample):
            edited = self.specimen.format.edit(content, values)
            expected = {key: self.read_as(value) for key, value in values.items()}
            assert self.specimen.format.read(edited) == {**self.specimen.format.read(content), **expected}
            assert self.specimen.format.edit(edited, values) == edited

    def test_a_table_is_not_replaced_by_a_value_nor_a_value_by_a_table(self) -> None:
        if not self.specimen.nested:
            return
        content = self.specimen.format.edit(b"", {"table.key": "1", "flat": "2"})
        with pytest.raises(ConfigUnreadable, match="table"):
            self.specimen.format.edit(content, {"table": "1"})
        with pytest.raises(ConfigUnreadable, match="flat"):
            self.specimen.format.edit(content, {"flat.key": "1"})

    def test_what_is_not_this_format_is_refused(self) -> None:
        for content in self.specimen.broken:
            with pytest.raises(ConfigUnreadable, match=r"\w"):
                self.specimen.format.read(content)
            with pytest.raises(ConfigUnreadable, match=r"\w"):
                self.specimen.format.edit(content, {"a": "1"})

    def test_numbers_of_any_size_stand(self) -> None:
        for value in (1e300, -1e-7, 0.1, 2**64 - 1, -(2**63), 2**70):
            edited = self.specimen.format.edit(self.specimen.sample, {"fresh": value})
            found = self.specimen.format.read(edited)["fresh"]
            assert not isinstance(found, list) and float(found) == float(value)
            assert self.specimen.format.edit(edited, {"fresh": value}) == edited

    def test_numbers_that_are_none_are_refused(self) -> None:
        for value in (float("nan"), float("inf"), float("-inf"), 10**5000):
            with pytest.raises(ConfigUnreadable):
                self.specimen.format.edit(self.specimen.sample, {"fresh": value})

    def test_hostile_content_costs_no_more_than_its_size(self) -> None:
        for content in self.specimen.hostile:
            begun = monotonic()
            try:
                found = self.specimen.format.read(content)
            except ConfigUnreadable:
                continue
            finally:
                assert monotonic() - begun < DEADLINE_S, content[:80]
            carried = sum(len(key) + len(value) for key, value in found.items() if isinstance(value, str | list))
            assert carried <= 4096 * (len(content) + 1)

    def test_any_text_can_be_a_value(self) -> None:
        @settings(deadline=None)
        @given(value=LETTERS)
        def check(value: str) -> None:
            for content, key in (
                (self.specimen.sample, next(iter(self.specimen.values))),
                (b"", "fresh"),
                (self.specimen.sample, "fresh"),
            ):
                try:
                    edited = self.specimen.format.edit(content, {key: value})
                except ConfigUnreadable:
                    assert not self.specimen.lines and any(letter in value for letter in "\r\n\0")
                    continue
                assert as_text(self.specimen.format.read(edited)[key]) == value
                assert self.specimen.format.edit(edited, {key: value}) == edited

        check()

    def test_any_key_can_be_made(self) -> None:
        @settings(deadline=None)
        @given(values=st.dictionaries(PARTS, LETTERS, max_size=4))
        def check(values: dict[str, str]) -> None:
            keyed = {join_key([part]) if self.specimen.nested else part: value for part, value in values.items()}
            try:
                edited = self.specimen.format.edit(b"", keyed)
            except ConfigUnreadable:
                assert not self.specimen.any_key
                return
            assert self.specimen.format.read(edited) == keyed

        check()

    def test_any_bytes_are_read_or_refused_and_survive_an_edit_that_changes_nothing(self) -> None:
        @settings(deadline=None)
        @given(content=st.binary(max_size=80))
        def check(content: bytes) -> None:
            try:
                values = self.specimen.format.read(content)
            except ConfigUnreadable:
                return
            try:
                assert self.specimen.format.edit(content, values) == content
            except ConfigUnreadable as error:
                assert "twice" in str(error)  # noqa: PT017

        check()


class KeySuite:
    """What `join_key` and `split_key` promise."""

    @settings(deadline=None)
    @given(parts=st.lists(st.text(max_size=6), min_size=1, max_size=4))
    def test_a_key_splits_into_the_parts_it_was_joined_of(self, parts: list[str]) -> None:
        assert split_key(join_key(parts)) == tuple(parts)
