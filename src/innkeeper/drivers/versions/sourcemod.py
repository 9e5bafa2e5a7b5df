"""SourceMod, with the Metamod:Source it needs.

Reads AlliedModders' drops: below `url` (`https://sm.alliedmods.net/smdrop`) each branch is a folder whose listing links
`sourcemod-1.11.0-git6645-linux.tar.gz` and so on. Options `stable` and `development` name the branches, "1.12" and so
on; option `metamod` is the folder of a branch of Metamod:Source, whose `mmsource-latest-linux` holds the name of its
newest archive. No checksums are given. A version is "1.11-6645", for people "1.11 #6645".
"""

import re
from collections.abc import Mapping

from innkeeper.contracts.versions import Download, Fetch, IndexUnreadable, NotOffered, Release, VersionIndex
from innkeeper.drivers.versions.documents import linked, newest_first, option, texted

_METAMOD = "https://mms.alliedmods.net/mmsdrop/1.12"
_SOURCEMOD = re.compile(r"(?:.*/)?(sourcemod-([0-9]+\.[0-9]+)\.[0-9]+-git([0-9]{1,9})-linux\.tar\.gz)")
_MMSOURCE = re.compile(r"mmsource-[0-9.]{1,20}-git([0-9]{1,9})-linux\.tar\.gz")
_CHANNELS = ("stable", "development")


class SourceMod:
    """The index driver `sourcemod`."""

    name = "sourcemod"

    async def index(self, url: str, options: Mapping[str, str], fetch: Fetch) -> VersionIndex:
        branches = {channel: options[channel] for channel in _CHANNELS if channel in options}
        aliases: dict[str, str] = {}
        found: list[str] = []
        for channel, branch in branches.items():
            try:
                builds = newest_first(await _archives(url, branch, fetch))
            except NotOffered:  # a branch that was not begun, or was taken away, leaves the other
                continue
            if builds:
                aliases[channel] = builds[0]
                found += builds
        versions = newest_first(found)  # two channels may be of one branch
        return VersionIndex(
            versions=versions,
            aliases=aliases,
            titles={version: version.replace("-", " #") for version in versions},
        )

    async def release(self, url: str, options: Mapping[str, str], version: str, fetch: Fetch) -> Release:
        branch = version.partition("-")[0]
        if branch not in {options.get(channel) for channel in _CHANNELS}:
            raise NotOffered(f"SourceMod has no branch {branch} here")
        name = (await _archives(url, branch, fetch)).get(version)
        if name is None:
            raise NotOffered(f"SourceMod has no build {version}")
        metamod = option(options, "metamod", _METAMOD)
        latest = texted(await fetch(f"{metamod}/mmsource-latest-linux")).strip()
        build = _MMSOURCE.fullmatch(latest)
        if build is None:
            raise IndexUnreadable("Metamod:Source names no newest archive")
        return Release(
            version=version,
            downloads=(
                Download(url=f"{url.rstrip('/')}/{branch}/{name}", path=name),
                Download(url=f"{metamod}/{latest}", path=latest),
            ),
            facts={"metamod_url": f"{metamod}/{latest}", "metamod_build": build[1]},
        )


async def _archives(url: str, branch: str, fetch: Fetch) -> dict[str, str]:
    """Return the archives of a branch by version."""
    links = linked(await fetch(f"{url.rstrip('/')}/{branch}/"))
    matches = (_SOURCEMOD.fullmatch(link) for link in links)
    return {f"{branch}-{match[3]}": match[1] for match in matches if match is not None and match[2] == branch}
