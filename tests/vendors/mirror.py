"""A mirror of the vendors, for tests: their indexes in their documented shapes, over files of a test's choosing.

    with Mirror() as mirror:
        mirror.vanilla("1.20.4", jar_bytes, java=17)      # the version added last is the newest
        mirror.fail(MOJANG, "/mc/game/version_manifest_v2.json", status(500))
        ...  --mirror {mirror.url}

Each method adds a version and says its index anew. Files that are not given are small, differ by version, and are of
the kind they say (a .tar.xz is one). `everything()` adds several versions of each. Faults and requests: `serving`.
"""

import gzip
import hashlib
import io
import json
import lzma
import tarfile
import zipfile
from collections.abc import Mapping
from typing import Any, Literal, Self

from tests.vendors.serving import FileServer

MOJANG = "piston-meta.mojang.com"
MOJANG_FILES = "piston-data.mojang.com"
MANIFEST = "/mc/game/version_manifest_v2.json"
PAPER = "fill.papermc.io"
PAPER_FILES = "fill-data.papermc.io"
SPIGOT = "hub.spigotmc.org"
BUILD_TOOLS = "/jenkins/job/BuildTools/lastSuccessfulBuild/artifact/target/BuildTools.jar"
FABRIC = "meta.fabricmc.net"
FORGE = "files.minecraftforge.net"
FORGE_FILES = "maven.minecraftforge.net"
FORGE_PATH = "/net/minecraftforge/forge"
FACTORIO = "factorio.com"
FACTORIO_UPDATES = "updater.factorio.com"
FACTORIO_FILES = "dl.factorio.com"
SOURCEMOD = "sm.alliedmods.net"
METAMOD = "mms.alliedmods.net"
BEDROCK = "net-secondary.web.minecraft-services.net"
BEDROCK_LINKS = "/api/v1.0/download/links"
BEDROCK_FILES = "www.minecraft.net"


class Mirror(FileServer):
    """What the vendors say and serve."""

    def __init__(self) -> None:
        super().__init__()
        self._mojang: list[dict[str, Any]] = []
        self._latest: dict[str, str] = {"release": "", "snapshot": ""}
        self._paper: dict[str, dict[str, Any]] = {}
        self._spigot: list[str] = []
        self._fabric: list[dict[str, Any]] = []
        self._forge: dict[str, list[str]] = {}
        self._promos: dict[str, str] = {}
        self._factorio: list[str] = []
        self._channels: dict[str, dict[str, str]] = {"stable": {}, "experimental": {}}
        self._sums: list[str] = []
        self._drops: dict[tuple[str, str], list[str]] = {}
        self._bedrock: dict[str, str] = {}

    def everything(self) -> Self:
        """Add several versions of each vendor's."""
        for version, java in (("1.8.9", None), ("1.16.4", 8), ("1.20.4", 17), ("1.21.4", 21)):
            self.vanilla(version, java=java)
        self.vanilla("25w02a", java=21, kind="snapshot")
        for version, java in (("1.16.5", 8), ("1.20.4", 17), ("1.21.4", 21)):
            self.paper(version, java=java)
        for version, classes in (("1.16.4", (52, 59)), ("1.20.4", (61, 65)), ("1.21.4", (65, 67))):
            self.spigot(version, classes=classes)
        for version in ("1.16.4", "1.20.4", "1.21.4"):
            self.fabric(version)
        self.forge("1.12.2-14.23.5.2859", recommended=True, latest=True)
        self.forge("1.16.4-35.1.4", recommended=True)
        self.forge("1.16.4-35.1.13", latest=True)
        self.factorio("1.0.0", stable=True)
        self.factorio("1.1.5")
        self.factorio("1.1.6", experimental=True)
        for version in ("1.10-6499", "1.11-6645", "1.12-7210", "1.13-7250"):
            self.sourcemod(version)
        self.metamod("1.12-1219")
        self.bedrock("1.21.50.7")
        self.bedrock("1.21.60.21", preview=True)
        return self

    # -- Minecraft --------------------------------------------------------------------------------------------------

    def vanilla(
        self,
        version: str,
        jar: bytes | None = None,
        *,
        java: int | None = 17,
        kind: Literal["release", "snapshot"] = "release",
        server: bool = True,
    ) -> None:
        """Add a version of Mojang's; without `server` it is one that only clients have."""
        jar = _jar("vanilla", version) if jar is None else jar
        document: dict[str, Any] = {"id": version, "type": kind, "downloads": {"client": {}}}
        sha1 = hashlib.sha1(jar, usedforsecurity=False).hexdigest()
        if server:
            url = self.put(MOJANG_FILES, f"/v1/objects/{sha1}/server.jar", jar)
            document["downloads"]["server"] = {"sha1": sha1, "size": len(jar), "url": url}
        if java is not None:
            document["javaVersion"] = {"component": "java-runtime", "majorVersion": java}
        body = json.dumps(document).encode()
        package = hashlib.sha1(body, usedforsecurity=False).hexdigest()
        url = self.put(MOJANG, f"/v1/packages/{package}/{version}.json", body, content_type="application/json")
        self._mojang = [item for item in self._mojang if item["id"] != version]
        released = f"2024-01-01T00:{len(self._mojang):02}:00+00:00"
        entry = {"id": version, "type": kind, "url": url, "time": released, "releaseTime": released, "sha1": package}
        self._mojang.insert(0, {**entry, "complianceLevel": 1})
        self._latest["snapshot"] = version
        if kind == "release":
            self._latest["release"] = version
        self._json(MOJANG, MANIFEST, {"latest": self._latest, "versions": self._mojang})

    def paper(
        self, version: str, jar: bytes | None = None, *, build: int = 1, channel: str = "STABLE", java: int | None = 17
    ) -> None:
        """Add a build of Paper for a game version."""
        jar = _jar("paper", f"{version} {build}") if jar is None else jar
        sha256, name = hashlib.sha256(jar).hexdigest(), f"paper-{version}-{build}.jar"
        url = self.put(PAPER_FILES, f"/v1/objects/{sha256}/{name}", jar)
        download = {"name": name, "checksums": {"sha256": sha256}, "size": len(jar), "url": url}
        about: dict[str, Any] = {"id": version, "support": {"status": "SUPPORTED"}}
        if java is not None:
            about["java"] = {"version": {"minimum": java}, "flags": {"recommended": []}}
        known = self._paper.pop(version, {"builds": []})
        known["version"] = about
        made = {"id": build, "time": "2024-01-01T00:00:00Z", "channel": channel, "commits": []}
        known["builds"].insert(0, {**made, "downloads": {"server:default": download}})
        self._paper = {version: known, **self._paper}
        at = "/v3/projects/paper"
        groups: dict[str, list[str]] = {}
        for item in self._paper:
            groups.setdefault(".".join(item.split(".")[:2]), []).append(item)
        self._json(PAPER, at, {"project": {"id": "paper", "name": "Paper"}, "versions": groups})
        summaries = {
            item: {"version": found["version"], "builds": [one["id"] for one in found["builds"]]}
            for item, found in self._paper.items()
        }
        self._json(PAPER, f"{at}/versions", {"versions": list(summaries.values())})
        self._json(PAPER, f"{at}/versions/{version}", summaries[version])
        self._json(PAPER, f"{at}/versions/{version}/builds", known["builds"])
        self._json(PAPER, f"{at}/versions/{version}/builds/latest", known["builds"][0])

    def spigot(self, version: str, *, rev: str = "4000", classes: tuple[int, int] | None = (61, 65)) -> None:
        """Add a version that BuildTools can build, by Java of those class file versions."""
        if not self._spigot:
            self.build_tools(_jar("BuildTools", "1"))
        refs = dict.fromkeys(("BuildData", "Bukkit", "CraftBukkit", "Spigot"), "0" * 40)
        document: dict[str, Any] = {"name": rev, "description": "Jenkins build", "refs": refs, "toolsVersion": 149}
        if classes is not None:
            document["javaVersions"] = list(classes)
        self._json(SPIGOT, f"/versions/{version}.json", document)
        self._json(SPIGOT, f"/versions/{rev}.json", document)
        if version not in self._spigot:
            self._spigot += [version, rev]
        names = sorted({f"{name}.json" for name in (*self._spigot, "latest")})
        self.put(SPIGOT, "/versions/", _listing("/versions/", names), content_type="text/html")

    def build_tools(self, jar: bytes) -> None:
        """Serve that as BuildTools."""
        self.put(SPIGOT, BUILD_TOOLS, jar)

    def fabric(
        self,
        version: str,
        jar: bytes | None = None,
        *,
        stable: bool = True,
        loader: str = "0.16.9",
        installer: str = "1.0.1",
    ) -> None:
        """Add a game version that Fabric's launcher can be had for."""
        self._fabric = [item for item in self._fabric if item["version"] != version]
        self._fabric.insert(0, {"version": version, "stable": stable})
        at = "/v2/versions"
        self._json(FABRIC, f"{at}/game", self._fabric)
        loaders = [
            {"separator": ".", "build": 10, "maven": "net.fabricmc:fabric-loader:0.99", "version": "0.99.0-beta.1"},
            {"separator": ".", "build": 9, "maven": f"net.fabricmc:fabric-loader:{loader}", "version": loader},
        ]
        self._json(FABRIC, f"{at}/loader", [{**item, "stable": item["version"] == loader} for item in loaders])
        self._json(FABRIC, f"{at}/installer", [{"url": "", "maven": "", "version": installer, "stable": True}])
        body = _jar("fabric", version) if jar is None else jar
        self.put(FABRIC, f"{at}/loader/{version}/{loader}/{installer}/server/jar", body)

    def forge(
        self, full: str, installer: bytes | None = None, *, latest: bool = False, recommended: bool = False
    ) -> None:
        """Add a build of Forge by its full name, "1.16.4-35.1.4"."""
        game, build = full.split("-", 1)
        installer = _jar("forge installer", full) if installer is None else installer
        known = self._forge.setdefault(game, [])
        if full not in known:
            known.append(full)
        for promoted, name in ((latest, "latest"), (recommended, "recommended")):
            if promoted:
                self._promos[f"{game}-{name}"] = build.split("-")[0]
        promotions = {"homepage": f"https://{FORGE}{FORGE_PATH}/", "promos": self._promos}
        self._json(FORGE, f"{FORGE_PATH}/promotions_slim.json", promotions)
        self._json(FORGE, f"{FORGE_PATH}/maven-metadata.json", self._forge)
        at = f"{FORGE_PATH}/{full}/forge-{full}-installer.jar"
        self.put(FORGE_FILES, at, installer)
        sha1 = hashlib.sha1(installer, usedforsecurity=False).hexdigest()
        self.put(FORGE_FILES, f"{at}.sha1", sha1.encode(), content_type="text/plain")

    def bedrock(self, version: str, archive: bytes | None = None, *, preview: bool = False) -> None:
        """Make that the one version, or the one preview, of the Bedrock server."""
        archive = zip_of({"bedrock_server": f"bedrock {version}".encode()}) if archive is None else archive
        folder = "bin-linux-preview" if preview else "bin-linux"
        at = f"/bedrockdedicatedserver/{folder}/bedrock-server-{version}.zip"
        self._bedrock["Preview" if preview else ""] = self.put(BEDROCK_FILES, at, archive)
        links = [
            {"downloadType": f"serverBedrock{which}{system}", "downloadUrl": url.replace("linux", system.lower())}
            for which, url in self._bedrock.items()
            for system in ("Windows", "Linux")
        ]
        self._json(BEDROCK, BEDROCK_LINKS, {"result": {"links": links}})

    # -- other games ------------------------------------------------------------------------------------------------

    def factorio(
        self,
        version: str,
        archive: bytes | None = None,
        *,
        stable: bool = False,
        experimental: bool = False,
        checksum: bool = True,
    ) -> None:
        """Add a version; its file is redirected to, as the vendor does."""
        if archive is None:
            archive = tar_of({"factorio/bin/x64/factorio": f"factorio {version}".encode()}, "xz")
        if version not in self._factorio:
            self._factorio.append(version)
        for chosen, channel in ((stable, "stable"), (experimental, "experimental")):
            if chosen or not self._channels[channel]:
                self._channels[channel] = dict.fromkeys(("alpha", "demo", "expansion", "headless"), version)
        self._json(FACTORIO, "/api/latest-releases", self._channels)
        steps = [{"from": a, "to": b} for a, b in zip(self._factorio, self._factorio[1:], strict=False)]
        stable_now = self._channels["stable"]["headless"]
        self._json(
            FACTORIO_UPDATES,
            "/get-available-versions",
            {"core-linux64": steps, "core-linux_headless64": [*steps, {"stable": stable_now}]},
        )
        name = f"factorio-headless_linux_{version}.tar.xz"
        self.redirect(
            FACTORIO, f"/get-download/{version}/headless/linux64", f"https://{FACTORIO_FILES}/releases/{name}?key=k"
        )
        self.put(FACTORIO_FILES, f"/releases/{name}", archive)
        if checksum:
            self._sums = [line for line in self._sums if not line.endswith(f"  {name}")]
            self._sums.append(f"{hashlib.sha256(archive).hexdigest()}  {name}")
        body = "\n".join([f"{'0' * 64}  factorio_linux_{version}.tar.xz", *self._sums, ""]).encode()
        self.put(FACTORIO, "/download/sha256sums/", body, content_type="text/plain")

    def sourcemod(self, version: str, archive: bytes | None = None) -> None:
        """Add a build of SourceMod, as "1.10-6499"."""
        self._drop(SOURCEMOD, "smdrop", "sourcemod", version, archive)

    def metamod(self, version: str, archive: bytes | None = None) -> None:
        """Add a build of Metamod:Source, as "1.11-1148"."""
        self._drop(METAMOD, "mmsdrop", "mmsource", version, archive)

    def _drop(self, host: str, folder: str, name: str, version: str, archive: bytes | None) -> None:
        branch, build = version.split("-")
        if archive is None:
            archive = tar_of({f"addons/{name}/bin/{name}.so": f"{name} {version}".encode()}, "gz")
        file = f"{name}-{branch}.0-git{build}-linux.tar.gz"
        at = f"/{folder}/{branch}/"
        files = self._drops.setdefault((host, branch), [])
        if file not in files:
            files.append(file)
        self.put(host, at + file, archive)
        self.put(host, f"{at}{name}-latest-linux", file.encode(), content_type="text/plain")
        windows = [item.replace("linux.tar.gz", "windows.zip") for item in files]
        listing = _listing(at, sorted([*files, *windows, f"{name}-latest-linux"]))
        self.put(host, at, listing, content_type="text/html")

    def _json(self, host: str, path: str, document: Any) -> None:
        self.put(host, path, json.dumps(document).encode(), content_type="application/json")


def tar_of(files: Mapping[str, bytes], compression: Literal["gz", "xz"]) -> bytes:
    """Return a compressed tar of those files, all executable."""
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w") as tar:
        for name, body in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(body), 0o755
            tar.addfile(entry, io.BytesIO(body))
    if compression == "xz":
        return lzma.compress(plain.getvalue())
    return gzip.compress(plain.getvalue(), mtime=0)


def zip_of(files: Mapping[str, bytes]) -> bytes:
    """Return a zip of those files, all executable."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        for name, body in files.items():
            entry = zipfile.ZipInfo(name)
            entry.external_attr = 0o755 << 16
            archive.writestr(entry, body)
    return made.getvalue()


def _jar(name: str, version: str) -> bytes:
    manifest = f"Manifest-Version: 1.0\r\nImplementation-Title: {name}\r\nImplementation-Version: {version}\r\n\r\n"
    return zip_of({"META-INF/MANIFEST.MF": manifest.encode(), "filling": bytes(range(256)) * 64})


def _listing(at: str, names: list[str]) -> bytes:
    lines = [f'<a href="{name}">{name}</a>          01-Jan-2024 00:00      1234' for name in names]
    head = f'<html><head><title>Index of {at}</title></head><body><h1>Index of {at}</h1><hr><pre><a href="../">../</a>'
    return "\n".join([head, *lines, "</pre><hr></body></html>"]).encode()
