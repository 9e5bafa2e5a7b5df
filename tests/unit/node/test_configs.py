"""Config values are set through a real jail."""

from pathlib import Path

import pytest

from innkeeper.contracts.configfile import ConfigUnreadable
from innkeeper.drivers.configfiles.properties import Properties
from innkeeper.node.configs import MAX_CONFIG_BYTES, ConfigWriter
from innkeeper.node.edits import EditLocks
from innkeeper.node.files.errors import EscapesJail, TooLarge
from innkeeper.node.files.jail import Jail
from innkeeper.wire.messages import ConfigWrite

WRITER = ConfigWriter([Properties()], EditLocks())


def write(path: str = "server.properties", form: str = "properties") -> ConfigWrite:
    return ConfigWrite(path=path, format=form, values={"server-port": "25570"})


@pytest.mark.parametrize("path", ["server.properties", "config/deep/server.properties"])
def test_a_missing_file_is_made(tmp_path: Path, path: str) -> None:
    WRITER(Jail(tmp_path), write(path))
    assert (tmp_path / path).read_text() == "server-port=25570\n"


def test_the_rest_of_the_file_stays_and_so_does_a_file_that_is_right(tmp_path: Path) -> None:
    file = tmp_path / "server.properties"
    file.write_bytes(b"#by hand\r\nserver-port=1\r\nmotd=hi\r\n")
    WRITER(Jail(tmp_path), write())
    assert file.read_bytes() == b"#by hand\r\nserver-port=25570\r\nmotd=hi\r\n"
    inode = file.stat().st_ino
    WRITER(Jail(tmp_path), write())
    assert file.stat().st_ino == inode


def test_a_link_out_of_the_folder_is_not_followed(tmp_path: Path) -> None:
    files = tmp_path / "files"
    files.mkdir()
    (tmp_path / "secret").write_text("a=1\n")
    (files / "server.properties").symlink_to("../secret")
    with pytest.raises(EscapesJail):
        WRITER(Jail(files), write())
    assert (tmp_path / "secret").read_text() == "a=1\n"


def test_what_cannot_be_edited_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigUnreadable, match="does not know the format"):
        WRITER(Jail(tmp_path), write(form="cuneiform"))
    (tmp_path / "server.properties").write_bytes(bytes(MAX_CONFIG_BYTES + 1))
    with pytest.raises(TooLarge):
        WRITER(Jail(tmp_path), write())
