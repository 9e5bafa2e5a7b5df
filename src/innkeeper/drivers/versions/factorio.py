"""Factorio's headless server.

Reads the latest releases (`https://factorio.com/api/latest-releases`, that is `url`: `stable.headless`,
`experimental.headless`), the updater's list (option `updates`: package → steps of `from` and `to`, and one `stable`),
which tells every version there is, and the checksums (option `checksums`: lines as sha256sum writes them). A version's
archive, a .tar.xz, is below option `downloads`; the oldest have no checksum.
"""

from collections.abc import Mapping

import msgspec

from innkeeper.contracts.versions import Download, Fetch, NotOffered, Release, VersionIndex
from innkeeper.drivers.versions.documents import counted, decoded, is_numbered, newest_first, option, texted

_UPDATES = "https://updater.factorio.com/get-available-versions"
_DOWNLOADS = "https://factorio.com/get-download"
_CHECKSUMS = "https://factorio.com/download/sha256sums/"
_PACKAGE = "core-linux_headless64"
_SINCE = "0.12.0"
"""Before it there was no headless build."""


class _Builds(msgspec.Struct):
    headless: str = ""


class _Latest(msgspec.Struct):
    stable: _Builds
    experimental: _Builds


class _Step(msgspec.Struct):
    before: str = msgspec.field(name="from", default="")
    to: str = ""
    stable: str = ""


class Factorio:
    """The index driver `factorio`."""

    name = "factorio"

    async def index(self, url: str, options: Mapping[str, str], fetch: Fetch) -> VersionIndex:
        latest = decoded(await fetch(url), _Latest)
        steps = decoded(await fetch(options.get("updates", _UPDATES)), dict[str, list[_Step]]).get(_PACKAGE, [])
        channels = {"stable": latest.stable.headless, "experimental": latest.experimental.headless}
        names = {name for step in steps for name in (step.before, step.to, step.stable)} | set(channels.values())
        since = counted(_SINCE)
        versions = newest_first(name for name in names if is_numbered(name) and counted(name) >= since)
        listed = set(versions)
        return VersionIndex(
            versions=versions, aliases={name: version for name, version in channels.items() if version in listed}
        )

    async def release(self, url: str, options: Mapping[str, str], version: str, fetch: Fetch) -> Release:
        if version not in (await self.index(url, options, fetch)).versions:
            raise NotOffered(f"Factorio has no headless server {version}")
        sums = texted(await fetch(options.get("checksums", _CHECKSUMS)))
        known = {words[1]: words[0] for line in sums.splitlines() if len(words := line.split()) == 2}
        names = (f"factorio-headless_linux_{version}.tar.xz", f"factorio_headless_x64_{version}.tar.xz")
        digest = next((known[name] for name in names if name in known), "")
        return Release(
            version=version,
            game_version=version,
            downloads=(
                Download(
                    url=f"{option(options, 'downloads', _DOWNLOADS)}/{version}/headless/linux64",
                    path=names[0],
                    algorithm="sha256" if digest else None,
                    digest=digest,
                ),
            ),
        )
