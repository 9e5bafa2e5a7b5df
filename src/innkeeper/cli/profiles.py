"""Which Innkeeper is meant, and the key for it: profiles, the environment, or an installation on this host.

    1. --url with --key or --key-file        3. INNKEEPER_URL with INNKEEPER_KEY or INNKEEPER_KEY_FILE
    2. --profile, or --data                  4. the current profile (`innkeeper login`)
                                             5. the installation in INNKEEPER_DATA, else in var/innkeeper
The first that names an address counts. A key given apart from it (option or environment) goes with any address; a
key kept in a profile or a data folder is sent to that one's address only.
"""

import json
import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from innkeeper.cli.failures import CommandFailed, NotConnected

DEFAULT_PROFILE = "default"
DEFAULT_DATA = Path("var/innkeeper")


class Place(msgspec.Struct, frozen=True):
    """An Innkeeper, and the key to it."""

    url: str
    key: str | None
    profile: str | None = None


class Profile(msgspec.Struct, frozen=True, omit_defaults=True):
    """What signing in has left."""

    url: str
    key: str
    key_id: str = ""
    username: str = ""


class Kept(msgspec.Struct, omit_defaults=True):
    """The content of the profiles' file."""

    current: str = DEFAULT_PROFILE
    profiles: dict[str, Profile] = {}


class Wishes(msgspec.Struct, frozen=True, kw_only=True):
    """The options that say which Innkeeper is meant."""

    url: str | None = None
    key: str | None = None
    key_file: Path | None = None
    profile: str | None = None
    data: Path | None = None


def config_folder(environment: Mapping[str, str] = os.environ) -> Path:
    """Return the folder of this program's settings, made (0700) where it is missing."""
    base = environment.get("XDG_CONFIG_HOME")
    folder = (Path(base) if base and Path(base).is_absolute() else Path.home() / ".config") / "innkeeper"
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise CommandFailed(f"The folder {folder} cannot be made: {error.strerror}.") from error
    return folder


class Profiles:
    """The profiles' file, `client.toml`, readable by its owner only."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "client.toml"

    def read(self) -> Kept:
        """Return what is kept; nothing where there is no file."""
        try:
            return msgspec.convert(tomllib.loads(self.path.read_text()), Kept)
        except FileNotFoundError:
            return Kept()
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
            raise CommandFailed(f"The file {self.path} cannot be read: {error}.") from error

    def write(self, kept: Kept) -> None:
        """Keep it, in one step."""
        beside = self.path.with_name(".client.toml.new")
        beside.unlink(missing_ok=True)
        beside.touch(mode=0o600)
        beside.write_text(_toml(kept))
        beside.replace(self.path)


def find_place(wishes: Wishes, profiles: Profiles, environment: Mapping[str, str] = os.environ) -> Place:
    """Return the Innkeeper that is meant; raise NotConnected where none is known."""
    loose = wishes.key or _key_in(wishes.key_file)
    if wishes.url:
        url = check_url(wishes.url)
        loose = loose or _environment_key(environment)
        return Place(url, loose or _kept_key_for(url, profiles))
    if wishes.profile:
        return _of_profile(wishes.profile, profiles, loose)
    if wishes.data:
        place = installation(wishes.data)
        if place is None:
            raise NotConnected(f"In {wishes.data} there is no installation that has served yet.")
        return Place(place.url, loose or place.key)
    if environment.get("INNKEEPER_URL"):
        url = check_url(environment["INNKEEPER_URL"])
        return Place(url, loose or _environment_key(environment) or _kept_key_for(url, profiles))
    loose = loose or _environment_key(environment)
    name = environment.get("INNKEEPER_PROFILE") or profiles.read().current
    if name in profiles.read().profiles:
        return _of_profile(name, profiles, loose)
    place = installation(Path(environment.get("INNKEEPER_DATA") or DEFAULT_DATA))
    if place is not None:
        return Place(place.url, loose or place.key)
    raise NotConnected(
        "No Innkeeper is known: sign in with `innkeeper login URL`, or set INNKEEPER_URL and INNKEEPER_KEY."
    )


def installation(data: Path) -> Place | None:
    """Return the installation that serves, or last served, from the folder `data`."""
    try:
        url = (data / "url").read_text().strip()
    except OSError:
        return None
    return Place(check_url(url), _key_in(data / "first-key", missing_ok=True))


def check_url(text: str) -> str:
    """Return an address without a trailing slash; raise CommandFailed for what is none."""
    try:
        parts = urlsplit(text)
        fits = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
        fits = fits and not (parts.query or parts.fragment or parts.username or parts.password)
    except ValueError:
        fits = False
    if not fits:
        raise CommandFailed(f"{text!r} is no address of an Innkeeper: it has to be like https://panel.example.com.")
    return text.rstrip("/")


def _of_profile(name: str, profiles: Profiles, key: str | None) -> Place:
    profile = profiles.read().profiles.get(name)
    if profile is None:
        raise NotConnected(f"There is no profile {name!r}: make it with `innkeeper login URL --profile {name}`.")
    return Place(check_url(profile.url), key or profile.key, name)


def _kept_key_for(url: str, profiles: Profiles) -> str | None:
    return next((profile.key for profile in profiles.read().profiles.values() if profile.url == url), None)


def _environment_key(environment: Mapping[str, str]) -> str | None:
    key, file = environment.get("INNKEEPER_KEY"), environment.get("INNKEEPER_KEY_FILE")
    return key or (_key_in(Path(file)) if file else None)


def _key_in(file: Path | None, *, missing_ok: bool = False) -> str | None:
    if file is None:
        return None
    try:
        key = file.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        if missing_ok:
            return None
        raise CommandFailed(f"The key cannot be read from {file}: {error}.") from error
    if not key or not key.isascii() or not key.isprintable():
        raise CommandFailed(f"The file {file} holds no key.")
    return key


def _toml(kept: Kept) -> str:
    lines = [f"current = {_quoted(kept.current)}"]
    for name, profile in kept.profiles.items():
        lines += ["", f"[profiles.{_quoted(name)}]"]
        lines += [f"{field} = {_quoted(str(value))}" for field, value in msgspec.to_builtins(profile).items()]
    return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    """Return a TOML basic string: JSON's escapes of control characters are TOML's, but for DEL, which JSON leaves."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
