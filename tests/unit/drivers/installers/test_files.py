"""Texts that a step carries, written into a server's folder."""

import os

import pytest

from innkeeper.contracts.installer import FolderError, InstallFailed
from innkeeper.drivers.installers.files import FilesInstaller
from tests.unit.drivers.installers.conftest import Site


async def test_texts_are_written_with_the_folders_they_need(site: Site) -> None:
    step = {
        "uses": "files",
        "files": {"server.properties": "port=1\n", "bin/start.sh": {"text": "#!/bin/sh\n", "executable": True}},
    }
    await FilesInstaller().install(step, site.place)
    assert site.content() == {"server.properties": b"port=1\n", "bin": None, "bin/start.sh": b"#!/bin/sh\n"}
    assert os.access(site.root / "bin" / "start.sh", os.X_OK)


async def test_what_the_user_has_stays_unless_the_step_says_otherwise(site: Site) -> None:
    for name in ("kept", "replaced"):
        site.place.folder.write(name, b"mine")
    (site.root / "dangling").symlink_to("nowhere")
    step = {"files": {"kept": "new", "replaced": {"text": "new", "overwrite": True}, "dangling": "new"}}
    await FilesInstaller().install(step, site.place)
    assert site.content() == {"kept": b"mine", "replaced": b"new", "dangling": "nowhere"}


@pytest.mark.parametrize("step", [{}, {"files": {"a": 1}}, {"files": {}, "more": 1}])
async def test_a_step_that_makes_no_sense_is_refused(site: Site, step: dict[str, object]) -> None:
    with pytest.raises(InstallFailed):
        await FilesInstaller().install(step, site.place)


async def test_a_path_that_leads_out_is_refused(site: Site) -> None:
    (site.root / "out").symlink_to(site.uploads)
    for path in ("../x", "out/x"):
        with pytest.raises((InstallFailed, FolderError)):
            await FilesInstaller().install({"files": {path: "x"}}, site.place)
    assert not (site.uploads / "x").exists()
