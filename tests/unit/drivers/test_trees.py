"""Trees that servers share: what has its name is whole, and what was never finished does not stay."""

from pathlib import Path

from innkeeper.drivers.trees import publish, remove_unfinished, working_folder


def a_tree(working: Path) -> Path:
    tree = working / "tree"
    (tree / "bin").mkdir(parents=True)
    (tree / "bin" / "game").write_text("#!/bin/sh\n")
    (tree / "bin" / "game").chmod(0o700)
    (tree / "data").write_text("data")
    (tree / "link").symlink_to("data")
    return tree


def test_what_a_node_was_making_when_it_was_killed_is_removed_at_its_next_start(tmp_path: Path) -> None:
    kind = tmp_path / "npm"
    whole = a_tree(working_folder(kind))
    publish(whole, kind / "game@1")
    left = a_tree(working_folder(kind))
    (left / "bin").chmod(0o555)
    remove_unfinished(tmp_path)
    assert [path.name for path in kind.iterdir()] == ["game@1"]
    assert (kind / "game@1" / "data").read_text() == "data"


def test_a_tree_is_closed_to_writers_and_open_to_readers(tmp_path: Path) -> None:
    working = working_folder(tmp_path)
    publish(a_tree(working), tmp_path / "game@1")
    modes = {path.name: path.stat().st_mode & 0o7777 for path in (tmp_path / "game@1").rglob("*")}
    assert modes == {"bin": 0o555, "game": 0o555, "data": 0o444, "link": 0o444}
    assert (tmp_path / "game@1").stat().st_mode & 0o7777 == 0o555
