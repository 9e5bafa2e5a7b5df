"""Forge for Minecraft.

Reads `maven-metadata.json` (game version → full names as "1.16.4-35.1.4", oldest first) and `promotions_slim.json`
(`promos`: "1.16.4-latest" → "35.1.13", "1.16.4-recommended" → …). `url` is
`https://files.minecraftforge.net/net/minecraftforge/forge`; option `maven` is where the installers lie, each with its
SHA-1 in a file beside it. Option `since`: the oldest game version listed; `builds`: how many builds of a game version
are listed beside the promoted ones.

The fact `start` is what the installer leaves to be run: a file of arguments from Minecraft 1.17 on, a jar before.

A version is called by Forge's own part of the name, by the full name where two game versions share that part.
"""

from collections import Counter
from collections.abc import Mapping
from itertools import chain

import msgspec

from innkeeper.contracts.versions import Download, Fetch, IndexUnreadable, NotOffered, Release, VersionIndex
from innkeeper.drivers.versions.documents import counted, decoded, is_name, option, texted

_MAVEN = "https://maven.minecraftforge.net/net/minecraftforge/forge"
_SINCE = "1.5.2"
"""Before it there was no installer."""
_BUILDS = 25


class _Promotions(msgspec.Struct):
    promos: dict[str, str]


class _Build(msgspec.Struct, frozen=True):
    game: str
    full: str

    @property
    def part(self) -> str:
        """Forge's own part; what follows it in old names says a branch."""
        return self.full.removeprefix(f"{self.game}-").partition("-")[0]


_ARGUMENTS_SINCE = counted("1.17")
_PLAIN_JAR_SINCE = (counted("1.12.2"), counted("14.23.5.2851"))


def _start(build: _Build) -> str:
    """Return what the installer leaves for Java to run, as words of its command line."""
    game = counted(build.game)
    if game >= _ARGUMENTS_SINCE:
        return f"@libraries/net/minecraftforge/forge/{build.full}/unix_args.txt"
    plain = (game, counted(build.part)) >= _PLAIN_JAR_SINCE
    return f"-jar forge-{build.full}.jar" if plain else f"-jar forge-{build.full}-universal.jar"


class Forge:
    """The index driver `forge`."""

    name = "forge"

    async def index(self, url: str, options: Mapping[str, str], fetch: Fetch) -> VersionIndex:
        named = await _named(url, options, fetch)
        promos = decoded(await fetch(f"{url.rstrip('/')}/promotions_slim.json"), _Promotions).promos
        names = {(build.game, build.part): name for name, build in reversed(named.items())}
        promoted: dict[str, dict[str, str]] = {"latest": {}, "recommended": {}}
        for key, part in promos.items():
            game, _, alias = key.rpartition("-")
            if alias in promoted and (game, part) in names:
                promoted[alias][game] = names[game, part]
        kept = {name for found in promoted.values() for name in found.values()}
        listed: Counter[str] = Counter()
        most, versions = _count(options), []
        for name, build in named.items():
            listed[build.game] += 1
            if listed[build.game] <= most or name in kept:
                versions.append(name)
        return VersionIndex(
            versions=tuple(versions),
            aliases={alias: found[max(found, key=counted)] for alias, found in promoted.items() if found},
            synonyms={named[name].full: name for name in versions if named[name].full != name},
        )

    async def release(self, url: str, options: Mapping[str, str], version: str, fetch: Fetch) -> Release:
        build = (await _named(url, options, fetch)).get(version)
        if build is None:
            raise NotOffered(f"Forge has no build {version}")
        address = f"{option(options, 'maven', _MAVEN)}/{build.full}/forge-{build.full}-installer.jar"
        words = texted(await fetch(f"{address}.sha1")).split()
        if not words:
            raise IndexUnreadable(f"Forge gives no checksum for {build.full}")
        return Release(
            version=version,
            game_version=build.game,
            downloads=(Download(url=address, path="forge-installer.jar", algorithm="sha1", digest=words[0].lower()),),
            facts={"full": build.full, "forge": build.part, "start": _start(build)},
        )


async def _named(url: str, options: Mapping[str, str], fetch: Fetch) -> dict[str, _Build]:
    """Return every build that has an installer by what it is called, newest first."""
    games = decoded(await fetch(f"{url.rstrip('/')}/maven-metadata.json"), dict[str, list[str]])
    since = counted(options.get("since", _SINCE))
    order = sorted((game for game in games if is_name(game) and counted(game) >= since), key=counted, reverse=True)
    builds = [
        _Build(game, full)
        for game, full in chain.from_iterable(((game, full) for full in reversed(games[game])) for game in order)
        if is_name(full) and full.startswith(f"{game}-")
    ]
    shared = Counter(build.part for build in builds)
    return {(build.full if shared[build.part] > 1 else build.part): build for build in builds}


def _count(options: Mapping[str, str]) -> int:
    given = options.get("builds", "")
    return int(given) if given.isdecimal() else _BUILDS
