"""The shipped packages name index drivers that there are, and find in every release what they are filled with."""

import pytest

from innkeeper.contracts.versions import Fetch, IndexDriver
from innkeeper.core.catalog.loader import SHIPPED, load_packages
from innkeeper.core.catalog.service import Catalog
from innkeeper.core.servers.model import Download, Release
from innkeeper.drivers.versions.bedrock import Bedrock
from innkeeper.drivers.versions.fabric import Fabric
from innkeeper.drivers.versions.factorio import Factorio
from innkeeper.drivers.versions.forge import Forge
from innkeeper.drivers.versions.mojang import Mojang
from innkeeper.drivers.versions.papermc import PaperMc
from innkeeper.drivers.versions.sourcemod import SourceMod
from innkeeper.drivers.versions.spigotmc import SpigotMc
from innkeeper.testing.store_samples import a_server
from tests.vendors.mirror import Mirror

CATALOG = Catalog(load_packages(SHIPPED))
DRIVERS: dict[str, IndexDriver] = {
    driver.name: driver
    for driver in (Bedrock(), Fabric(), Factorio(), Forge(), Mojang(), PaperMc(), SourceMod(), SpigotMc())
}
INDEXED = [
    (package.name, runtime.name)
    for package in CATALOG.all()
    for runtime in package.runtimes
    if runtime.index is not None
]
ALIASES = {
    "vanilla": {"latest", "recommended"},
    "paper": {"latest", "recommended"},
    "spigot": {"latest", "recommended"},
    "fabric": {"latest", "recommended"},
    "forge": {"latest", "recommended"},
    "factorio": {"stable", "experimental"},
    "sourcemod": {"stable", "development"},
    "bedrock": {"latest", "recommended"},
}


@pytest.mark.parametrize(("name", "runtime_name"), INDEXED)
async def test_every_version_that_a_vendor_tells_can_be_installed_and_started(
    mirror: Mirror, fetch: Fetch, name: str, runtime_name: str
) -> None:
    mirror.everything()
    for branch in ("1.12-7100", "1.13-7200"):
        mirror.sourcemod(branch)
    mirror.metamod("1.12-1219")
    package = CATALOG.get(name)
    runtime = CATALOG.runtime(package, runtime_name)
    assert runtime.index is not None
    driver, source = DRIVERS[runtime.index.uses], runtime.index
    index = await driver.index(source.url, source.options, fetch)
    assert set(index.aliases) >= ALIASES[runtime_name]
    assert index.versions
    base = CATALOG.runtime(package, None) if runtime.addon else runtime
    for version in index.versions:
        told = await driver.release(source.url, source.options, version, fetch)
        pinned = Release(
            version=told.version,
            game_version=told.game_version,
            downloads=tuple(
                Download(url=file.url, path=file.path, algorithm=file.algorithm, digest=file.digest, size=file.size)  # type: ignore[arg-type]
                for file in told.downloads
            ),
            java=told.java,
            facts=told.facts,
        )
        server = a_server(
            1,
            1,
            package=name,
            runtime=base.name,
            version="" if runtime.addon else version,
            addons={runtime_name: version} if runtime.addon else {},
            releases={runtime_name: pinned},
            properties={item.name: item.default for item in package.properties if item.default is not None},
        )
        blueprint = CATALOG.blueprint(server)
        fetched = [
            file["url"]
            for step in blueprint.install
            for file in (step["files"] if isinstance(step.get("files"), list) else [step])
            if file.get("url")
        ]
        assert fetched == [file.url for file in told.downloads]
        assert not [word for word in blueprint.argv if "{release" in word]
        assert (blueprint.java is not None) is ("java" in runtime.requires)
