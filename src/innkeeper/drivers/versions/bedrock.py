"""The Bedrock dedicated server.

Reads the links of Minecraft's download page (`https://net-secondary.web.minecraft-services.net/api/v1.0/download/links`,
that is `url`: `result.links[]` of downloadType and downloadUrl). It tells the newest server and the newest preview and
nothing older; the version is in the archive's name, and there is no checksum.
"""

import re
from collections.abc import Mapping

import msgspec

from innkeeper.contracts.versions import Download, Fetch, NotOffered, Release, VersionIndex
from innkeeper.drivers.versions.documents import decoded

_KINDS = {"serverBedrockLinux": ("latest", "recommended"), "serverBedrockPreviewLinux": ("preview",)}
_ARCHIVE = re.compile(r".*/bedrock-server-([0-9]+(?:\.[0-9]+){1,5})\.zip")


class _Link(msgspec.Struct, rename="camel"):
    download_type: str
    download_url: str


class _Result(msgspec.Struct):
    links: list[_Link]


class _Links(msgspec.Struct):
    result: _Result


class Bedrock:
    """The index driver `bedrock`."""

    name = "bedrock"

    async def index(self, url: str, options: Mapping[str, str], fetch: Fetch) -> VersionIndex:
        found = await _archives(url, fetch)
        aliases = {alias: version for kind, (version, _) in found.items() for alias in _KINDS[kind]}
        return VersionIndex(versions=tuple(dict.fromkeys(version for version, _ in found.values())), aliases=aliases)

    async def release(self, url: str, options: Mapping[str, str], version: str, fetch: Fetch) -> Release:
        found = await _archives(url, fetch)
        address = next((address for known, address in found.values() if known == version), None)
        if address is None:
            raise NotOffered(f"only the newest servers are offered, and {version} is none of them")
        name = f"bedrock-server-{version}.zip"
        return Release(version=version, game_version=version, downloads=(Download(url=address, path=name),))


async def _archives(url: str, fetch: Fetch) -> dict[str, tuple[str, str]]:
    """Return version and address by kind, the server before the preview."""
    links = {link.download_type: link.download_url for link in decoded(await fetch(url), _Links).result.links}
    matches = {kind: _ARCHIVE.fullmatch(links.get(kind, "")) for kind in _KINDS}
    return {kind: (match[1], match[0]) for kind, match in matches.items() if match is not None}
