"""What PaperMC offers, Paper above all.

Reads the downloads service Fill, v3: a project (`versions`: group → versions, newest first), a version
(`version.java.version.minimum`) and its builds (newest first: id, channel, `downloads."server:default"` of name,
`checksums.sha256`, size and url). `url` is the project's address, `https://fill.papermc.io/v3/projects/paper`.

A version is one of the game; which build of it is had is decided when it is chosen: the newest stable one, else the
newest. Recommended is the newest version that has a stable build.
"""

from collections.abc import Mapping

import msgspec

from innkeeper.contracts.versions import Download, Fetch, NotOffered, Release, VersionIndex
from innkeeper.drivers.versions.documents import decoded, is_numbered

_STABLE = frozenset({"STABLE", "RECOMMENDED"})
_LOOKED_AT = 5
"""So many of the newest versions are asked whether they have a stable build."""


class _Project(msgspec.Struct):
    versions: dict[str, list[str]]


class _JavaVersion(msgspec.Struct):
    minimum: int


class _Java(msgspec.Struct):
    version: _JavaVersion


class _About(msgspec.Struct):
    java: _Java | None = None


class _Version(msgspec.Struct):
    version: _About


class _Checksums(msgspec.Struct):
    sha256: str


class _File(msgspec.Struct):
    url: str
    size: int
    checksums: _Checksums


class _Build(msgspec.Struct):
    id: int
    channel: str
    downloads: dict[str, _File]


class PaperMc:
    """The index driver `papermc`."""

    name = "papermc"

    async def index(self, url: str, options: Mapping[str, str], fetch: Fetch) -> VersionIndex:
        project = decoded(await fetch(url), _Project)
        versions = tuple(v for group in project.versions.values() for v in group if is_numbered(v))
        if not versions:
            return VersionIndex(versions=())
        recommended = versions[0]
        for version in versions[:_LOOKED_AT]:
            builds = decoded(await fetch(f"{url.rstrip('/')}/versions/{version}/builds"), list[_Build])
            if any(build.channel in _STABLE for build in builds):
                recommended = version
                break
        return VersionIndex(versions=versions, aliases={"latest": versions[0], "recommended": recommended})

    async def release(self, url: str, options: Mapping[str, str], version: str, fetch: Fetch) -> Release:
        at = f"{url.rstrip('/')}/versions/{version}"
        about = decoded(await fetch(at), _Version).version
        builds = [
            build for build in decoded(await fetch(f"{at}/builds"), list[_Build]) if "server:default" in build.downloads
        ]
        if not builds:
            raise NotOffered(f"PaperMC has no build for {version}")
        build = next((build for build in builds if build.channel in _STABLE), builds[0])
        file = build.downloads["server:default"]
        return Release(
            version=version,
            game_version=version,
            downloads=(
                Download(
                    url=file.url, path="server.jar", algorithm="sha256", digest=file.checksums.sha256, size=file.size
                ),
            ),
            java=about.java.version.minimum if about.java else None,
            facts={"build": str(build.id), "channel": build.channel.lower()},
        )
