"""A whole tree at once: every file of it, within limits, and with the right to it."""

import pytest

from innkeeper.core.access.errors import PermissionIsMissing
from innkeeper.core.files import tree as trees
from innkeeper.core.files.errors import FileNotFound
from innkeeper.core.files.model import FileNode
from innkeeper.core.servers.directory import Record
from innkeeper.testing.products import House


@pytest.fixture
async def server(house: House) -> Record:
    return await house.server()


def lay(house: House, server: Record, *paths: str) -> None:
    tree = house.gateway.trees.setdefault(server.server.uuid, {})
    for path in paths:
        house.gateway._make_parents(tree, path)
        tree[path] = b"\0" if path.endswith(".bin") else b"text"


def drawn(node: FileNode) -> object:
    if node.children is None:
        return node.entry.name
    return {node.entry.name: [drawn(child) for child in node.children]}


async def test_everything_is_there_each_in_its_folder_and_by_name(house: House, server: Record) -> None:
    lay(house, server, "z.txt", "a/b/c.txt", "a/b/d.bin", "a/a.txt", "e/f/g/h.txt", "b/x", "c/x", "d/x", "f/x")
    house.gateway.trees[server.server.uuid]["empty"] = None
    found = await house.product.files.tree(house.actor(house.root), server, "")
    assert drawn(found) == {
        "": [
            {"a": ["a.txt", {"b": ["c.txt", "d.bin"]}]},
            {"b": ["x"]},
            {"c": ["x"]},
            {"d": ["x"]},
            {"e": [{"f": [{"g": ["h.txt"]}]}]},
            {"empty": []},
            {"f": ["x"]},
            "z.txt",
        ]
    }
    below = await house.product.files.tree(house.actor(house.root), server, "/a/b")
    assert below.children is not None
    assert [(child.entry.path, child.entry.text) for child in below.children] == [
        ("a/b/c.txt", True),
        ("a/b/d.bin", False),
    ]


async def test_a_file_has_no_children_and_what_is_not_there_no_tree(house: House, server: Record) -> None:
    lay(house, server, "a.txt")
    found = await house.product.files.tree(house.actor(house.root), server, "a.txt")
    assert (found.children, found.entry.text) == (None, True)
    with pytest.raises(FileNotFound):
        await house.product.files.tree(house.actor(house.root), server, "b")


async def test_past_the_limit_of_entries_folders_have_no_children(
    house: House, server: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trees, "MAX_ENTRIES", 5)
    lay(house, server, "a/1", "a/2", "b/1", "b/2", "c/1")
    found = await house.product.files.tree(house.actor(house.root), server, "")
    assert drawn(found) == {"": [{"a": ["1", "2"]}, "b", "c"]}


async def test_a_folder_larger_than_an_answer_is_asked_for_in_parts(house: House, server: Record) -> None:
    lay(house, server, *(f"many/{number:04}" for number in range(30)))
    whole = house.gateway.list_folders

    async def small(record: object, paths: list[str], limit: int, *, after: str | None = None) -> object:
        return await whole(record, paths, min(limit, 7), after=after)  # type: ignore[arg-type]

    house.gateway.list_folders = small  # type: ignore[method-assign,assignment]
    found = await house.product.files.tree(house.actor(house.root), server, "many")
    assert found.children is not None
    assert [child.entry.name for child in found.children] == [f"{number:04}" for number in range(30)]


async def test_past_the_limit_of_depth_folders_have_no_children(house: House, server: Record) -> None:
    lay(house, server, "/".join(["d"] * (trees.MAX_DEPTH + 5)))
    node = await house.product.files.tree(house.actor(house.root), server, "")
    depth = 0
    while node.children is not None:
        [node] = node.children
        depth += 1
    assert (depth, node.entry.kind) == (trees.MAX_DEPTH + 1, "directory")


async def test_a_tree_needs_the_right_to_read(house: House, server: Record) -> None:
    guest = await house.account("guest")
    await house.share(server, guest, "server.view", "files.write")
    with pytest.raises(PermissionIsMissing):
        await house.product.files.tree(house.actor(guest), server, "")
