"""What SteamCMD says is understood: by a stand-in of ours that prints the lines Valve documents, and installs a file.

SteamCMD itself is not free to be handed on; that the real program says these lines is not proved here.
"""

import textwrap
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from innkeeper.contracts.installer import InstallFailed
from innkeeper.drivers.fetching.store import Downloads
from innkeeper.drivers.installers.archive import ArchiveInstaller
from innkeeper.drivers.installers.steamcmd import SteamCmdInstaller
from tests.unit.drivers.installers.conftest import Site
from tests.vendors.mirror import tar_of
from tests.vendors.serving import FileServer

STAND_IN = textwrap.dedent("""\
    #!/bin/sh
    # Stands in for SteamCMD: remembers its arguments, installs a file, says what the scenario beside it says.
    here=$(dirname "$0")
    echo "$@" >> "$here/arguments"
    echo "Redirecting stderr to 'somewhere'"
    printf "Connecting anonymously to Steam Public...OK\\nWaiting for user info...OK\\n"
    printf " Update state (0x3) reconfiguring, progress: 0.00 (0 / 0)\\n"
    tries=$(wc -l < "$here/arguments")
    scenario="$here/scenario$tries"
    [ -e "$scenario" ] || scenario="$here/scenario"
    if [ -e "$scenario" ]; then cat "$scenario"; exit 8; fi
    printf " Update state (0x61) downloading, progress: 12.34 (123 / 1000)\\n"
    printf " Update state (0x5) verifying install, progress: 99.50 (995 / 1000)\\n"
    echo game > "$2/srcds_run"
    echo "Success! App '$6' fully installed."
    """)
TRANSIENT = "Error! App '740' state is 0x206 after update job.\n"


@pytest.fixture
def program(tmp_path: Path) -> Path:
    path = tmp_path / "host" / "steamcmd"
    path.parent.mkdir()
    path.write_text(STAND_IN)
    path.chmod(0o755)
    return path


def installer(*, tries: int = 3) -> SteamCmdInstaller:
    return SteamCmdInstaller(ArchiveInstaller(Downloads()), pauses_s=(0.01,) * (tries - 1))


async def install(site: Site, program: Path, step: dict[str, Any] | None = None) -> None:
    place = replace(site.place, tool=lambda name: program)
    await installer().install({"uses": "steamcmd", "app": "740", **(step or {})}, place)


async def test_an_app_is_installed_and_its_progress_told(site: Site, program: Path) -> None:
    await install(site, program, {"beta": "prerelease", "into": "game"})
    assert site.content() == {"game": None, "game/srcds_run": b"game\n"}
    assert ("Steam: downloading, 12.3 %", 0.1234) in site.reports
    said = (program.parent / "arguments").read_text().strip()
    folder = site.root / "game"
    assert said == f"+force_install_dir {folder} +login anonymous +app_update 740 -beta prerelease validate +quit"


async def test_what_passes_is_tried_again(site: Site, program: Path) -> None:
    (program.parent / "scenario1").write_text(TRANSIENT)
    (program.parent / "scenario2").write_text("FAILED (Timeout)\n")
    await install(site, program, {"validate": False})
    assert (program.parent / "arguments").read_text().count("\n") == 3
    assert any("0x206; trying again" in text for text, _ in site.reports)


async def test_what_does_not_pass_in_the_end_is_said(site: Site, program: Path) -> None:
    (program.parent / "scenario").write_text(TRANSIENT)
    with pytest.raises(InstallFailed, match="state 0x206"):
        await install(site, program)
    (program.parent / "scenario").write_text("something nobody knows\n")
    with pytest.raises(InstallFailed, match="ended with 8: something nobody knows"):
        await install(site, program)


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ("ERROR! Failed to install app '740' (No subscription)\n", "without an account that owns it"),
        ("ERROR! Failed to install app '740' (Invalid platform)\n", "not made for Linux"),
        ("ERROR! Failed to install app '740' (Disk write failure)\n", "disk cannot be written"),
        ("Error! App '740' state is 0x202 after update job.\n", "not enough space"),
        ("steamcmd.sh: line 39: linux32/steamcmd: No such file or directory\n", "32-bit"),
    ],
)
async def test_what_another_try_does_not_change_is_said_at_once(
    site: Site, program: Path, said: str, reason: str
) -> None:
    (program.parent / "scenario").write_text(said)
    with pytest.raises(InstallFailed, match=reason):
        await install(site, program)
    assert (program.parent / "arguments").read_text().count("\n") == 1


async def test_without_it_on_the_host_valves_archive_is_unpacked_once(site: Site, tmp_path: Path) -> None:
    def no_tool(name: str) -> Path:
        raise InstallFailed(f"this node has no {name}")

    with FileServer() as vendor:
        url = vendor.put("steam.example", "/steamcmd_linux.tar.gz", tar_of({"steamcmd.sh": STAND_IN.encode()}, "gz"))
        one = SteamCmdInstaller(ArchiveInstaller(Downloads(mirror=vendor.url)), pauses_s=())
        place = replace(site.place, tool=no_tool)
        with pytest.raises(InstallFailed, match="no steamcmd"):
            await one.install({"app": "740"}, place)
        for _ in range(2):
            await one.install({"app": "740", "archive_url": url}, place)
        assert vendor.count("steam.example") == 1
        # A node that was killed while it unpacked leaves some of it.
        site.place.folder.delete(".steamcmd", recursive=True)
        site.place.folder.make_directory(".steamcmd")
        site.place.folder.write(".steamcmd/steamcmd.sh", b"#!/bin/sh\nexit 1\n")
        await one.install({"app": "740", "archive_url": url}, place)
    found = sorted(site.content())
    assert found == [".steamcmd", ".steamcmd/.unpacked", ".steamcmd/arguments", ".steamcmd/steamcmd.sh", "srcds_run"]


@pytest.mark.parametrize(
    "step",
    [
        {},
        {"app": "740 +quit"},
        {"app": "+quit"},
        {"app": "740", "beta": "-x"},
        {"app": "740", "beta": "a b"},
        {"app": "740", "into": "../out"},
        {"app": "740", "timeout_s": 0},
        {"app": "740", "unknown": 1},
    ],
)
async def test_a_step_that_makes_no_sense_or_reaches_too_far_is_refused(
    site: Site, program: Path, step: dict[str, Any]
) -> None:
    with pytest.raises(InstallFailed):
        await installer().install({"uses": "steamcmd", **step}, replace(site.place, tool=lambda name: program))
    assert not (program.parent / "arguments").exists()
