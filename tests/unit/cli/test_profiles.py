"""Which Innkeeper is meant, and which key goes where."""

import stat
from pathlib import Path

import pytest

from innkeeper.cli.failures import CommandFailed, NotConnected
from innkeeper.cli.profiles import Kept, Place, Profile, Profiles, Wishes, config_folder, find_place

HOME = Profile(url="http://home.example", key="home-key", key_id="x", username="ann")


@pytest.fixture
def profiles(tmp_path: Path) -> Profiles:
    profiles = Profiles(tmp_path)
    profiles.write(Kept("default", {"default": HOME, "work": Profile(url="https://work.example:8443", key="work-key")}))
    return profiles


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    data = tmp_path / "data"
    data.mkdir()
    (data / "url").write_text("http://127.0.0.1:8080\n")
    (data / "first-key").write_text("first-key\n")
    return data


def test_the_current_profile_is_meant_when_nothing_is_said(profiles: Profiles) -> None:
    assert find_place(Wishes(), profiles, {}) == Place("http://home.example", "home-key", "default")


def test_the_environment_goes_before_the_current_profile(profiles: Profiles) -> None:
    environment = {"INNKEEPER_URL": "http://other.example/", "INNKEEPER_KEY": "k"}
    assert find_place(Wishes(), profiles, environment) == Place("http://other.example", "k")


def test_an_option_goes_before_the_environment(profiles: Profiles) -> None:
    environment = {"INNKEEPER_URL": "http://other.example", "INNKEEPER_KEY": "k"}
    assert find_place(Wishes(url="http://third.example", key="mine"), profiles, environment).key == "mine"
    assert find_place(Wishes(profile="work"), profiles, environment).key == "work-key"


def test_a_profiles_key_is_never_sent_to_another_address(profiles: Profiles) -> None:
    assert find_place(Wishes(url="http://evil.example"), profiles, {}).key is None
    assert find_place(Wishes(url="http://home.example/"), profiles, {}).key == "home-key"
    assert find_place(Wishes(), profiles, {"INNKEEPER_URL": "http://evil.example"}).key is None


def test_an_installation_on_this_host_is_found_by_its_data_folder(tmp_path: Path, installed: Path) -> None:
    empty = Profiles(tmp_path)
    assert find_place(Wishes(data=installed), empty, {}) == Place("http://127.0.0.1:8080", "first-key")
    assert find_place(Wishes(), empty, {"INNKEEPER_DATA": str(installed)}).key == "first-key"
    (installed / "first-key").unlink()
    assert find_place(Wishes(data=installed), empty, {}).key is None


def test_nothing_known_says_how_to_make_it_known(tmp_path: Path) -> None:
    with pytest.raises(NotConnected, match="innkeeper login"):
        find_place(Wishes(), Profiles(tmp_path), {"INNKEEPER_DATA": str(tmp_path)})


def test_an_unknown_profile_is_an_error(profiles: Profiles) -> None:
    with pytest.raises(NotConnected, match="nowhere"):
        find_place(Wishes(profile="nowhere"), profiles, {})


@pytest.mark.parametrize(
    "url", ["home.example", "ftp://x", "http://", "http://u:p@x", "http://x?a=b", "http://x:99999"]
)
def test_what_is_no_address_is_refused(profiles: Profiles, url: str) -> None:
    with pytest.raises(CommandFailed, match="no address"):
        find_place(Wishes(url=url), profiles, {})


def test_a_key_comes_from_a_file(profiles: Profiles, tmp_path: Path) -> None:
    (tmp_path / "key").write_text(" from-file \n")
    assert find_place(Wishes(url="http://x", key_file=tmp_path / "key"), profiles, {}).key == "from-file"
    with pytest.raises(CommandFailed, match="cannot be read"):
        find_place(Wishes(url="http://x", key_file=tmp_path / "none"), profiles, {})
    (tmp_path / "key").write_text("two\nlines")
    with pytest.raises(CommandFailed, match="holds no key"):
        find_place(Wishes(url="http://x", key_file=tmp_path / "key"), profiles, {})


def test_profiles_are_kept_for_their_owner_only_and_come_back_whole(tmp_path: Path) -> None:
    folder = config_folder({"XDG_CONFIG_HOME": str(tmp_path / "new")})
    profiles = Profiles(folder)
    kept = Kept('a "b"', {'a "b"': Profile(url="http://x", key="k\\\x7f\t", username="grüße 🎲")})
    profiles.write(kept)
    assert profiles.read() == kept
    assert stat.S_IMODE(profiles.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "client.toml").write_text("current = [")
    with pytest.raises(CommandFailed, match=r"client\.toml"):
        Profiles(tmp_path).read()
