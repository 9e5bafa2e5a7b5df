"""What SpigotMC's BuildTools can build.

Reads the listing of `https://hub.spigotmc.org/versions/` (that is `url`), which links VERSION.json of each version and
of each build, and of the version its document: `name`, the build, and `javaVersions`, the least and greatest class file
version that may build it. Option `tools`: the address of BuildTools.jar, which is what is downloaded; SpigotMC gives
no checksum of it. The install step builds in place, `--rev {release.rev}`.
"""

from collections.abc import Mapping

import msgspec

from innkeeper.contracts.versions import Download, Fetch, IndexUnreadable, Release, VersionIndex
from innkeeper.drivers.versions.documents import decoded, is_name, is_numbered, linked, newest_first

_TOOLS = "https://hub.spigotmc.org/jenkins/job/BuildTools/lastSuccessfulBuild/artifact/target/BuildTools.jar"
_CLASS_FILES_OF_JAVA_0 = 44
"""Java 8 writes class files of version 52, and so on."""


class _Version(msgspec.Struct, rename="camel"):
    name: str
    java_versions: list[int] | None = None


class SpigotMc:
    """The index driver `spigotmc`."""

    name = "spigotmc"

    async def index(self, url: str, options: Mapping[str, str], fetch: Fetch) -> VersionIndex:
        names = (link.removesuffix(".json") for link in linked(await fetch(url)) if link.endswith(".json"))
        versions = newest_first(name for name in names if is_numbered(name))
        aliases = dict.fromkeys(("latest", "recommended"), versions[0]) if versions else {}
        return VersionIndex(versions=versions, aliases=aliases)

    async def release(self, url: str, options: Mapping[str, str], version: str, fetch: Fetch) -> Release:
        document = decoded(await fetch(f"{url.rstrip('/')}/{version}.json"), _Version)
        if not is_name(document.name):
            raise IndexUnreadable(f"SpigotMC gives {version} no build that can be named")
        classes = document.java_versions
        return Release(
            version=version,
            game_version=version,
            downloads=(Download(url=options.get("tools", _TOOLS), path="BuildTools.jar"),),
            java=min(classes) - _CLASS_FILES_OF_JAVA_0 if classes else None,
            facts={"rev": version, "build": document.name},
        )
