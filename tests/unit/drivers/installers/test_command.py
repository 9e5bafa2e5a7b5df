"""A program of the game's own, run while the game is installed."""

from typing import Any

import pytest

from innkeeper.contracts.installer import InstallFailed
from innkeeper.drivers.installers.command import CommandInstaller
from tests.unit.drivers.installers.conftest import Site

MAKE = '#!/bin/sh\necho "making $1 by $WHO"\necho again >>log\necho "$1" >"$1"\n'


def program(site: Site, text: str = MAKE) -> None:
    site.place.folder.write("bin/make", text.encode(), mode=0o755)


@pytest.fixture(autouse=True)
def folder(site: Site) -> None:
    site.place.folder.make_directory("bin")


async def test_a_program_in_the_servers_folder_makes_what_is_not_there_yet(site: Site) -> None:
    program(site)
    step = {"argv": ["./bin/make", "world"], "environment": {"WHO": "us"}, "unless_exists": "world"}
    for _ in range(2):
        await CommandInstaller().install(step, site.place)
    assert site.content()["world"] == b"world\n"
    assert site.content()["log"] == b"again\n", "it is run once"
    assert ("making world by us", None) in site.reports
    assert site.reports[-1][0] == "world is there already"


async def test_a_program_of_the_host_is_found_and_its_arguments_are_no_shells(site: Site) -> None:
    await CommandInstaller().install({"argv": ["touch", "a; touch b"]}, site.place)
    assert "a; touch b" in site.content() and "b" not in site.content()


async def test_what_it_said_last_is_told_where_it_fails(site: Site) -> None:
    program(site, "#!/bin/sh\necho no room\nexit 3\n")
    with pytest.raises(InstallFailed, match=r"^\./bin/make ended with 3: no room$"):
        await CommandInstaller().install({"argv": ["./bin/make"]}, site.place)


async def test_a_program_that_makes_nothing_has_failed(site: Site) -> None:
    program(site, "#!/bin/sh\n")
    with pytest.raises(InstallFailed, match="made no world"):
        await CommandInstaller().install({"argv": ["./bin/make"], "unless_exists": "world"}, site.place)


async def test_what_was_made_half_is_no_proof_and_made_anew(site: Site) -> None:
    program(site, "#!/bin/sh\necho half >worlds/one\nexec sleep 60\n")
    step = {"argv": ["./bin/make"], "unless_exists": "worlds/one", "timeout_s": 0.5}
    with pytest.raises(InstallFailed, match="took longer"):
        await CommandInstaller().install(step, site.place)
    assert not {"worlds/one", "worlds/one.making"} & set(site.content())
    # What a node leaves that was killed meanwhile:
    for name in ("worlds/one", "worlds/one.making"):
        site.place.folder.write(name, b"half")
    program(site, "#!/bin/sh\ntest ! -e worlds/one && echo whole >worlds/one\n")
    await CommandInstaller().install(step, site.place)
    assert site.content()["worlds/one"] == b"whole\n"
    assert "worlds/one.making" not in site.content()


async def test_a_program_that_takes_too_long_is_ended(site: Site) -> None:
    program(site, "#!/bin/sh\nexec sleep 60\n")
    with pytest.raises(InstallFailed, match="took longer"):
        await CommandInstaller().install({"argv": ["./bin/make"], "timeout_s": 0.3}, site.place)


@pytest.mark.parametrize(
    "step",
    [
        {"argv": []},
        {"argv": [""]},
        {"argv": "make"},
        {"argv": ["make"], "shell": True},
        {"argv": ["make"], "timeout_s": 0},
        {"argv": ["make"], "timeout_s": 1e9},
        {"argv": ["./bin/nothing"]},
    ],
)
async def test_a_step_that_cannot_be_carried_out_is_refused(site: Site, step: dict[str, Any]) -> None:
    with pytest.raises(InstallFailed):
        await CommandInstaller().install(step, site.place)
