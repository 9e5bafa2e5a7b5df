"""Fabric for Minecraft.

Reads Fabric's meta service, v2: `/game`, `/loader` and `/installer`, each a list of version and stable, newest first.
`url` is `https://meta.fabricmc.net/v2/versions`. A version is one of the game; the newest stable loader and installer
are chosen with it, and `/loader/GAME/LOADER/INSTALLER/server/jar` is the server. Fabric gives no checksum of it.
Option `snapshots = "yes"` lists unstable game versions, too.
"""

from collections.abc import Mapping

import msgspec

from innkeeper.contracts.versions import Download, Fetch, IndexUnreadable, Release, VersionIndex
from innkeeper.drivers.versions.documents import decoded, is_name


class _Entry(msgspec.Struct):
    version: str
    stable: bool


class Fabric:
    """The index driver `fabric`."""

    name = "fabric"

    async def index(self, url: str, options: Mapping[str, str], fetch: Fetch) -> VersionIndex:
        games = await _entries(f"{url.rstrip('/')}/game", fetch)
        stable = [game.version for game in games if game.stable]
        all_too = options.get("snapshots") == "yes"
        versions = tuple(game.version for game in games) if all_too else tuple(stable)
        return VersionIndex(
            versions=versions, aliases=dict.fromkeys(("latest", "recommended"), stable[0]) if stable else {}
        )

    async def release(self, url: str, options: Mapping[str, str], version: str, fetch: Fetch) -> Release:
        base = url.rstrip("/")
        loader = _newest(await _entries(f"{base}/loader", fetch))
        installer = _newest(await _entries(f"{base}/installer", fetch))
        address = f"{base}/loader/{version}/{loader}/{installer}/server/jar"
        return Release(
            version=version,
            game_version=version,
            downloads=(Download(url=address, path="server.jar"),),
            facts={"loader": loader, "installer": installer},
        )


async def _entries(url: str, fetch: Fetch) -> list[_Entry]:
    return [entry for entry in decoded(await fetch(url), list[_Entry]) if is_name(entry.version)]


def _newest(entries: list[_Entry]) -> str:
    if not entries:
        raise IndexUnreadable("Fabric names no loader or no installer")
    return next((entry.version for entry in entries if entry.stable), entries[0].version)
