"""Minecraft as Mojang offers it.

Reads the version manifest (`version_manifest_v2.json`: `latest.release`, `latest.snapshot`, `versions[]` of id, type,
url and sha1, newest first), and the version documents it points to (`downloads.server` of url, sha1 and size;
`javaVersion.majorVersion`). `url` is the manifest's address. Options: `snapshots = "yes"` lists those, too;
`since` is the oldest version listed.
"""

import hashlib
from collections.abc import Mapping

import msgspec

from innkeeper.contracts.versions import Download, Fetch, IndexUnreadable, NotOffered, Release, VersionIndex
from innkeeper.drivers.versions.documents import decoded, is_name

_SINCE = "1.2.5"
"""Before it there was no server to download."""


class _Latest(msgspec.Struct):
    release: str
    snapshot: str


class _Entry(msgspec.Struct):
    id: str
    type: str
    url: str
    sha1: str


class _Manifest(msgspec.Struct):
    latest: _Latest
    versions: list[_Entry]


class _File(msgspec.Struct):
    url: str
    sha1: str
    size: int


class _Downloads(msgspec.Struct):
    server: _File | None = None


class _Java(msgspec.Struct, rename="camel"):
    major_version: int


class _Version(msgspec.Struct, rename="camel"):
    downloads: _Downloads = msgspec.field(default_factory=_Downloads)
    java_version: _Java | None = None


class Mojang:
    """The index driver `mojang`."""

    name = "mojang"

    async def index(self, url: str, options: Mapping[str, str], fetch: Fetch) -> VersionIndex:
        manifest = decoded(await fetch(url), _Manifest)
        kinds = {"release", "snapshot"} if options.get("snapshots") == "yes" else {"release"}
        since, versions = options.get("since", _SINCE), []
        for entry in manifest.versions:
            if entry.type in kinds and is_name(entry.id):
                versions.append(entry.id)
            if entry.id == since:
                break
        aliases = {
            "latest": manifest.latest.release,
            "recommended": manifest.latest.release,
            "snapshot": manifest.latest.snapshot,
        }
        listed = set(versions)
        if "snapshot" not in kinds:
            del aliases["snapshot"]
        return VersionIndex(
            versions=tuple(versions), aliases={name: version for name, version in aliases.items() if version in listed}
        )

    async def release(self, url: str, options: Mapping[str, str], version: str, fetch: Fetch) -> Release:
        manifest = decoded(await fetch(url), _Manifest)
        entry = next((entry for entry in manifest.versions if entry.id == version), None)
        if entry is None:
            raise NotOffered(f"Mojang has no version {version}")
        body = await fetch(entry.url)
        if hashlib.sha1(body, usedforsecurity=False).hexdigest() != entry.sha1:
            raise IndexUnreadable(f"what Mojang says of {version} is not what its manifest announces")
        document = decoded(body, _Version)
        server = document.downloads.server
        if server is None:
            raise NotOffered(f"Mojang offers no server of {version}")
        return Release(
            version=version,
            game_version=version,
            downloads=(
                Download(url=server.url, path="server.jar", algorithm="sha1", digest=server.sha1, size=server.size),
            ),
            java=document.java_version.major_version if document.java_version else None,
        )
