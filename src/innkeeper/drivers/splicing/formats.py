"""Edit a nested format by replacing only the characters of what changes.

A format's module finds where every value stands (`parse`) and knows how values are written; here is the rest: which
options there are, what has to be replaced, and the proof that the result reads as it was asked to. Knows no syntax.

    content ─decode─▶ text ─parse─▶ Table ─▶ read:  options(root)
                                          └▶ edit:  splices ─▶ text' ─parse─▶ Table' ─▶ options as they should be?
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Literal

import msgspec

from innkeeper.contracts.configfile import ConfigUnreadable, ConfigValue, join_key, split_key
from innkeeper.drivers.splicing import brackets
from innkeeper.drivers.splicing.texts import as_text, line_number, readable

MAX_DEPTH = 64
MAX_KEY_CHARACTERS = 1024
"""Longer keys are left out: every option repeats the keys of the tables it is in."""

BOM = "\ufeff"

Kind = Literal["text", "boolean", "integer", "float", "number", "date", "null"]
"""What a scalar is; `number` is one that only its text can stand for: infinite, or beyond 64 bits."""

_NUMBERS = ("integer", "float", "number")


class Scalar(msgspec.Struct, frozen=True):
    """A value that stands at `text[start:end]` as `raw`; `lead` is what must precede it when it is replaced."""

    value: str | int | float | bool
    kind: Kind
    start: int
    end: int
    raw: str = ""
    lead: str = ""

    @property
    def text(self) -> str:
        """The value as an item of a list."""
        return self.raw if self.kind in _NUMBERS else as_text(self.value)


class Listing(msgspec.Struct, frozen=True):
    """A list of scalars, in brackets that begin at `start`; or, not `flow`, an item a line, `start` before them."""

    items: tuple[Scalar, ...]
    start: int
    end: int
    flow: bool = True


class Opaque(msgspec.Struct, frozen=True):
    """What is no option: `what` says why."""

    what: str
    start: int
    end: int


class Table(msgspec.Struct, eq=False):
    """Values by key, and where another one would go.

    `flow`: it stands in brackets, which begin at `start`. `first_key`, `last_key`, `last_end`: the places of the first
    and last member. `at`: where a line can be put in, -1 where none can. `home` and `prefix`: the table whose lines
    hold this one's members, and what their keys there begin with.
    """

    start: int = 0
    end: int = 0
    flow: bool = False
    members: dict[str, "Node"] = {}
    twice: set[str] = set()
    first_key: int = -1
    last_key: int = -1
    last_end: int = -1
    at: int = -1
    home: "Table | None" = None
    prefix: tuple[str, ...] = ()

    def add(self, key: str, node: "Node", key_start: int) -> None:
        if key in self.members:
            self.twice.add(key)
            del self.members[key]  # the last counts, and in its place
        self.members[key] = node
        self.first_key = key_start if self.first_key < 0 else self.first_key
        self.last_key, self.last_end = key_start, node.end


Node = Scalar | Listing | Opaque | Table


class Splice(msgspec.Struct, frozen=True):
    """Put `text` in place of what stands from `start` to `end`."""

    start: int
    end: int
    text: str


class Addition(msgspec.Struct, frozen=True):
    """Options to be made under `table`, which is reached by `path`: the keys below it, and the value."""

    path: tuple[str, ...]
    table: Table
    members: list[tuple[tuple[str, ...], ConfigValue]]


class SplicedFormat(ABC):
    """A format whose values are spliced; derive from it and say how things are found and written."""

    name: str

    def read(self, content: bytes) -> dict[str, ConfigValue]:
        root = self.parse(self.decode(content).removeprefix(BOM))
        return {key: value_of(node) for key, node in options(root)}

    def edit(self, content: bytes, values: Mapping[str, ConfigValue]) -> bytes:
        decoded = self.decode(content)
        text = decoded.removeprefix(BOM)
        wanted = {split_key(readable(key)): _clean(value) for key, value in values.items()}
        root = self.parse(text)
        edited = _apply(text, self._splices(text, root, wanted))
        if edited == text:
            return content
        self._check(root, edited, wanted)
        return self.encode(decoded[: len(decoded) - len(text)] + edited, content)

    def decode(self, content: bytes) -> str:
        """Return the text of a file; raise ConfigUnreadable for what is none."""
        try:
            return content.decode()
        except UnicodeDecodeError as error:
            line = content.count(b"\n", 0, error.start) + 1
            raise ConfigUnreadable(f"line {line} is not UTF-8") from error

    def encode(self, text: str, content: bytes) -> bytes:
        """Return `text` in the encoding of `content`, which it was made from."""
        return text.encode()

    @abstractmethod
    def parse(self, text: str) -> Table:
        """Return what stands where. Raises ConfigUnreadable."""

    @abstractmethod
    def bare(self, text: str) -> Scalar | None:
        """Return the number, boolean or null that `text` without quotes is in this format; None for anything else."""

    @abstractmethod
    def quoted(self, value: str, standing: Scalar | None) -> str:
        """Return how a text is written, in the manner of `standing` where possible. Raises ConfigUnreadable."""

    @abstractmethod
    def insert(self, text: str, additions: Sequence[Addition]) -> Iterable[Splice]:
        """Return what makes the options; `additions` come deepest first, and splices at one place keep their order."""

    def written(self, value: ConfigValue, standing: Scalar | None = None) -> str:
        """Return how a value is written where `standing` stands."""
        match value:
            case list():
                return "[" + ", ".join(self.written(item) for item in value) + "]"
            case str():
                literal = self._literal(value, standing)
                return self.quoted(value, standing) if literal is None else literal
            case _:
                text = as_text(value)
                whole = isinstance(value, int) and not isinstance(value, bool)
                return f"{text}.0" if whole and standing is not None and standing.kind == "float" else text

    def edit_list(self, text: str, listing: Listing, wanted: list[str]) -> Iterable[Splice]:
        """Return what makes `listing` hold `wanted`."""
        rendered = self.rendered(listing, wanted)
        for start, end, new in brackets.edit_items(text, listing.start, listing.end, listing.items, rendered):
            yield Splice(start, end, new)

    def rendered(self, listing: Listing, wanted: list[str]) -> brackets.Items:
        """Return `wanted` as items to be written, in the manner of those that stand."""
        return brackets.Items(
            [item.text for item in listing.items],
            wanted,
            lambda value, index: self._item(value, listing.items[index]),
        )

    def _item(self, value: str, standing: Scalar) -> str:
        found = self.bare(value)
        alike = found is not None and found.text == value and _family(found) == _family(standing)
        return value if alike else self.quoted(value, standing)

    def _literal(self, value: str, standing: Scalar | None) -> str | None:
        if standing is None or standing.kind in ("text", "null"):
            return None
        text = value.lower() if standing.kind == "boolean" else value
        found = self.bare(text)
        if found is None or _family(found) != _family(standing):
            return None
        return f"{text}.0" if standing.kind == "float" and text.lstrip("+-").isdecimal() else text

    def _splices(self, text: str, root: Table, wanted: Mapping[tuple[str, ...], ConfigValue]) -> list[Splice]:
        splices: list[Splice] = []
        additions: dict[int, Addition] = {}
        for path, value in wanted.items():
            node, depth = _find(text, root, path)
            match node:
                case Table() if depth < len(path):
                    addition = additions.setdefault(id(node), Addition(path[:depth], node, []))
                    addition.members.append((path[depth:], value))
                case Scalar() | Listing() if depth == len(path):
                    if not self._stands(node, value):
                        splices += self._replace(text, node, value)
                case _:
                    what = {Table: "a table", Opaque: getattr(node, "what", "")}.get(type(node), "a value")
                    line = line_number(text, node.start)
                    raise ConfigUnreadable(f"{join_key(path[:depth])} in line {line} is {what}")
        splices += self.insert(text, sorted(additions.values(), key=lambda one: -len(one.path)))
        return splices

    def _replace(self, text: str, node: Scalar | Listing, value: ConfigValue) -> Iterable[Splice]:
        if isinstance(node, Listing):
            if isinstance(value, list) and node.items:
                return self.edit_list(text, node, value)
            return self.replace_list(text, node, self.written(value))
        return [Splice(node.start, node.end, node.lead + self.written(value, node))]

    def replace_list(self, text: str, listing: Listing, new: str) -> Iterable[Splice]:
        """Return what puts `new` in the place of the whole list."""
        return [Splice(listing.start, listing.end, new)]

    def _stands(self, node: Node, value: ConfigValue) -> bool:
        """Whether `value` is what stands there already."""
        if isinstance(node, Listing):
            return isinstance(value, list) and [item.text for item in node.items] == value
        if not isinstance(node, Scalar) or isinstance(value, list):
            return False
        if isinstance(value, str) and node.kind in (*_NUMBERS, "boolean"):
            literal = self._literal(value, node)
            found = None if literal is None else self.bare(literal)
            return found is not None and _same(found.value, node.value)
        if node.kind == "number" and not isinstance(value, str):
            return as_text(value) == node.value
        return _same(value, node.value)

    def _check(self, before: Table, edited: str, wanted: Mapping[tuple[str, ...], ConfigValue]) -> None:
        found = dict(options(self.parse(edited)))
        kept = dict(options(before))
        changed = {join_key(path): value for path, value in wanted.items()}
        for key, value in changed.items():
            if key not in found or not self._stands(found[key], value):
                raise ConfigUnreadable(f"{key} cannot be set to this value in this file")
        for key in kept.keys() | found.keys():
            if key in changed:
                continue
            if key not in kept or key not in found or not _same(value_of(kept[key]), value_of(found[key])):
                raise ConfigUnreadable(f"{key} would change as well")


def options(root: Table) -> Iterator[tuple[str, Scalar | Listing]]:
    """Yield every option of a table, in file order, by its key."""
    tables: list[tuple[str, Iterator[tuple[str, Node]]]] = [("", iter(root.members.items()))]
    while tables:
        prefix, members = tables[-1]
        name, node = next(members, ("", None))
        if node is None:
            tables.pop()
            continue
        key = prefix + join_key([name])
        if len(key) > MAX_KEY_CHARACTERS or isinstance(node, Opaque):
            continue
        if isinstance(node, Table):
            tables.append((f"{key}.", iter(node.members.items())))
        else:
            yield key, node


def value_of(node: Scalar | Listing) -> ConfigValue:
    """Return what an option is read as."""
    return node.value if isinstance(node, Scalar) else [item.text for item in node.items]


def listing_of(nodes: Sequence[Node], start: int, end: int, *, flow: bool = True) -> Listing | Opaque:
    """Return the list of `nodes`, which is an option where all of them are scalars."""
    items = tuple(node for node in nodes if isinstance(node, Scalar))
    if len(items) < len(nodes):
        return Opaque("a list of more than scalars", start, end)
    return Listing(items, start, end, flow)


def deeper(depth: int, text: str, position: int) -> int:
    """Return one more than `depth`; raise ConfigUnreadable where that is too deep."""
    if depth >= MAX_DEPTH:
        raise ConfigUnreadable(f"line {line_number(text, position)} is nested more than {MAX_DEPTH} deep")
    return depth + 1


def put_lines(text: str, table: Table, lines: Iterable[str], newline: str) -> Splice:
    """Return what puts lines behind those of `table`: where it has none, before what begins at its `end`."""
    if table.at >= 0:
        return Splice(table.at, table.at, "".join(newline + line for line in lines))
    place = len(text) if table.end < 0 else table.end
    ended = not text[:place] or text[:place].endswith(("\r", "\n"))
    return Splice(place, place, ("" if ended else newline) + "".join(line + newline for line in lines))


def append_sections(
    text: str, sections: Mapping[str, Sequence[str]], newline: str, before: Sequence[Splice]
) -> Iterator[Splice]:
    """Yield what puts sections, each with its lines, behind everything, and behind what `before` puts there."""
    end = len(text)
    last = next((one.text for one in reversed(before) if one.start == end), text)
    ended = not last or last.endswith(("\r", "\n"))
    for header, lines in sections.items():
        yield Splice(end, end, ("" if ended else newline) + newline.join(["", header, *lines, ""]))
        ended = True


def nested(members: Iterable[tuple[tuple[str, ...], ConfigValue]]) -> dict[str, object]:
    """Return the members of new tables as dicts; raise ConfigUnreadable where one would be a value as well."""
    root: dict[str, object] = {}
    for path, value in members:
        table = root
        for part in path[:-1]:
            inner = table.setdefault(part, {})
            if not isinstance(inner, dict):
                raise ConfigUnreadable(f"{join_key(path)} is under a value")
            table = inner
        if path[-1] in table:
            raise ConfigUnreadable(f"{join_key(path)} is a table")
        table[path[-1]] = value
    return root


def whole_number(text: str, value: int) -> tuple[int | str, Kind]:
    """Return a whole number as it is read: as its text where others could not carry it."""
    return (value, "integer") if -(2**63) <= value < 2**64 else (text, "number")


def _find(text: str, root: Table, path: tuple[str, ...]) -> tuple[Node, int]:
    """Return what `path` leads to, as far as there is anything, and how much of it that took."""
    node: Node = root
    for depth, part in enumerate(path):
        if not isinstance(node, Table) or part not in node.members:
            return node, depth
        inner = node.members[part]
        if part in node.twice:
            raise ConfigUnreadable(
                f"{join_key(path[: depth + 1])} stands twice, in line {line_number(text, inner.start)}"
            )
        node = inner
    return node, len(path)


def _apply(text: str, splices: Iterable[Splice]) -> str:
    pieces: list[str] = []
    position = 0
    for splice in sorted(splices, key=lambda one: one.start):
        pieces += [text[position : splice.start], splice.text]
        position = splice.end
    return "".join([*pieces, text[position:]])


def _clean(value: ConfigValue) -> ConfigValue:
    match value:
        case str():
            return readable(value)
        case list():
            return [readable(item) for item in value]
        case _:
            return value


def _family(scalar: Scalar) -> str:
    return "number" if scalar.kind in _NUMBERS else scalar.kind


def _same(one: ConfigValue, other: ConfigValue) -> bool:
    return one == other and isinstance(one, bool) == isinstance(other, bool)
