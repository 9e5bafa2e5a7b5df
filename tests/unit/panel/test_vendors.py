"""Vendors are asked within bounds, what is unchanged is not sent again, and every fault is VendorIsUnavailable."""

import asyncio
import gzip
import json
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any

import pytest

from innkeeper.contracts.versions import Download, Fetch, Release, VersionIndex
from innkeeper.core.catalog.errors import NoSuchVersion, VendorIsUnavailable
from innkeeper.core.catalog.versions import IndexSource
from innkeeper.core.servers import model
from innkeeper.drivers.versions.factorio import Factorio
from innkeeper.drivers.versions.mojang import Mojang
from innkeeper.panel import vendors as bounds
from innkeeper.panel.vendors import HttpVendors
from tests.vendors.mirror import FACTORIO, MANIFEST, MOJANG, Mirror
from tests.vendors.serving import Fault, corrupt, dropped, garbage, hang, slow, status, truncated

SOURCE = IndexSource(uses="mojang", url=f"https://{MOJANG}{MANIFEST}")


class Says:
    """An index driver that reads one document and tells a release of the test's choosing."""

    name = "says"

    def __init__(self, release: Release | None = None) -> None:
        self._release = release

    async def index(self, url: str, options: Mapping[str, str], fetch: Fetch) -> VersionIndex:
        body = await fetch(url)
        return VersionIndex(versions=(body.decode(),))

    async def release(self, url: str, options: Mapping[str, str], version: str, fetch: Fetch) -> Release:
        assert self._release is not None
        return self._release


@pytest.fixture
def mirror() -> Iterator[Mirror]:
    with Mirror() as mirror:
        mirror.vanilla("1.16.4", java=8)
        mirror.vanilla("1.20.4", b"the jar", java=17)
        yield mirror


@pytest.fixture
async def vendors(mirror: Mirror) -> AsyncIterator[HttpVendors]:
    async with HttpVendors([Mojang(), Factorio(), Says()], mirror=mirror.url, patience_s=0.3) as vendors:
        yield vendors


async def test_an_index_and_a_release_come_as_cores_own(vendors: HttpVendors, mirror: Mirror) -> None:
    index = await vendors.index(SOURCE)
    assert index.versions == ("1.20.4", "1.16.4")
    assert index.resolve("latest") == "1.20.4"
    release = await vendors.release(SOURCE, "1.20.4")
    assert isinstance(release, model.Release)
    assert isinstance(release.downloads[0], model.Download)
    assert (release.java, release.downloads[0].size) == (17, 7)
    with pytest.raises(NoSuchVersion):
        await vendors.release(SOURCE, "1.99")
    assert mirror.requests[0].headers["user-agent"].startswith("innkeeper/")


async def test_what_did_not_change_is_not_sent_again(vendors: HttpVendors, mirror: Mirror) -> None:
    first = await vendors.index(SOURCE)
    assert await vendors.index(SOURCE) == first
    assert "if-none-match" not in mirror.requests[0].headers
    assert mirror.requests[1].headers["if-none-match"].startswith('"')
    mirror.vanilla("1.21.4")
    assert (await vendors.index(SOURCE)).versions[0] == "1.21.4"


@pytest.mark.parametrize(
    "fault",
    [
        status(404),
        status(429, Retry_After="60"),
        status(500),
        status(503),
        status(204),
        status(304),
        hang(),
        slow(0.2, pieces=50),
        dropped(after=0),
        dropped(after=20),
        truncated(after=0),
        truncated(after=30),
        garbage(),
        garbage(b""),
        garbage(b"[" * 100_000),
        garbage(b'{"deep":' + b"[" * 100_000),
    ],
    ids=lambda fault: repr(fault)[:120],
)
async def test_every_fault_is_that_the_vendor_is_unavailable(
    vendors: HttpVendors, mirror: Mirror, fault: Fault
) -> None:
    mirror.fail(MOJANG, MANIFEST, fault)
    async with asyncio.timeout(5):
        with pytest.raises(VendorIsUnavailable) as caught:
            await vendors.index(SOURCE)
    assert caught.value.data["reason"]
    mirror.heal()
    assert (await vendors.index(SOURCE)).versions


async def test_a_slow_vendor_within_the_bounds_is_waited_for(vendors: HttpVendors, mirror: Mirror) -> None:
    mirror.fail(MOJANG, MANIFEST, slow(0.02, pieces=5))
    assert (await vendors.index(SOURCE)).versions


async def test_a_document_that_is_not_the_announced_one_is_not_believed(vendors: HttpVendors, mirror: Mirror) -> None:
    await vendors.index(SOURCE)
    manifest = json.loads(mirror.body(MOJANG, MANIFEST))
    mirror.fail(MOJANG, manifest["versions"][0]["url"].removeprefix(f"https://{MOJANG}"), corrupt())
    with pytest.raises(VendorIsUnavailable):
        await vendors.release(SOURCE, "1.20.4")


async def test_a_document_beyond_all_reason_is_left(vendors: HttpVendors, mirror: Mirror) -> None:
    mirror.put("big.example", "/index", b"x" * (bounds.MAX_DOCUMENT + 1))
    with pytest.raises(VendorIsUnavailable) as caught:
        await vendors.index(IndexSource(uses="says", url="https://big.example/index"))
    assert "more than" in caught.value.data["reason"]


async def test_redirects_are_followed_through_the_mirror_a_few_times_and_never_out_of_http(
    vendors: HttpVendors, mirror: Mirror
) -> None:
    def says(path: str) -> IndexSource:
        return IndexSource(uses="says", url=f"https://a.example{path}")

    mirror.put("b.example", "/there", b"1.0")
    mirror.redirect("a.example", "/elsewhere", "https://b.example/there?signed=1")
    assert (await vendors.index(says("/elsewhere"))).versions == ("1.0",)
    mirror.put("a.example", "/near", b"2.0")
    mirror.redirect("a.example", "/relative", "/near")
    assert (await vendors.index(says("/relative"))).versions == ("2.0",)
    mirror.redirect("a.example", "/within", f"{mirror.url}/a.example/near")
    assert (await vendors.index(says("/within"))).versions == ("2.0",)
    mirror.redirect("a.example", "/round", "/round")
    for place in ("file:///etc/passwd", "http://b.example/there", "https://user@b.example/", "https://", "/round"):
        mirror.redirect("a.example", "/wrong", place)
        with pytest.raises(VendorIsUnavailable):
            await vendors.index(says("/wrong"))
    assert mirror.count("a.example", "/round") == 5


async def test_an_encoding_that_nobody_asked_for_is_refused(vendors: HttpVendors, mirror: Mirror) -> None:
    mirror.put("a.example", "/bomb", gzip.compress(b"0" * 10_000_000), headers={"Content-Encoding": "gzip"})
    with pytest.raises(VendorIsUnavailable):
        await vendors.index(IndexSource(uses="says", url="https://a.example/bomb"))


async def test_a_source_that_nobody_reads_or_that_is_no_address_is_unavailable(vendors: HttpVendors) -> None:
    for uses, url in (("nobody", SOURCE.url), ("says", "ftp://a.example/"), ("says", "nowhere")):
        with pytest.raises(VendorIsUnavailable):
            await vendors.index(IndexSource(uses=uses, url=url))


@pytest.mark.parametrize(
    "change",
    [
        {"url": "file:///etc/passwd"},
        {"url": "https://user:secret@a.example/"},
        {"path": "../server.jar"},
        {"path": "/etc/passwd"},
        {"path": ""},
        {"path": "a b"},
        {"algorithm": "crc32"},
        {"digest": "00"},
        {"digest": "g" * 64},
        {"digest": "A" * 64},
        {"url": "https://a.example/\x1b[31m"},
        {"url": "https://a.example/" + "x" * 5000},
        {"url": "https://[a.example/"},
        {"size": -1},
        {"size": 1 << 80},
    ],
    ids=repr,
)
async def test_a_release_that_could_do_harm_elsewhere_is_not_taken(change: dict[str, Any], mirror: Mirror) -> None:
    right: dict[str, Any] = {"url": "https://a.example/x", "path": "a.jar", "algorithm": "sha256", "digest": "0" * 64}
    source = IndexSource(uses="says", url="https://a.example/index")
    async with HttpVendors([Says(Release(version="1", downloads=(Download(**right),)))]) as vendors:
        assert (await vendors.release(source, "1")).downloads[0].digest == "0" * 64
    async with HttpVendors([Says(Release(version="1", downloads=(Download(**(right | change)),)))]) as vendors:
        with pytest.raises(VendorIsUnavailable):
            await vendors.release(source, "1")


@pytest.mark.parametrize("java", [0, -17, 1 << 70])
async def test_a_java_that_cannot_be_is_not_taken(java: int) -> None:
    async with HttpVendors([Says(Release(version="1", java=java))]) as vendors:
        with pytest.raises(VendorIsUnavailable) as caught:
            await vendors.release(IndexSource(uses="says", url="https://a.example/index"), "1")
    assert "a Java that is none" in caught.value.data["reason"]


async def test_a_tag_that_cannot_be_sent_back_is_no_tag(vendors: HttpVendors, mirror: Mirror) -> None:
    mirror.put("a.example", "/odd", b"1.0", headers={"ETag": '"\xe9"', "Last-Modified": "\xe9"})
    for _ in range(2):
        assert (await vendors.index(IndexSource(uses="says", url="https://a.example/odd"))).versions == ("1.0",)


async def test_an_address_that_is_none_is_an_unavailable_vendor(vendors: HttpVendors) -> None:
    with pytest.raises(VendorIsUnavailable):
        await vendors.index(IndexSource(uses="says", url="https://[a.example/"))


async def test_a_whole_document_is_bounded_in_memory_and_the_least_used_is_forgotten(
    vendors: HttpVendors, mirror: Mirror
) -> None:
    for name in "abc":
        mirror.put("big.example", f"/{name}", name.encode() * (bounds.MAX_DOCUMENT - 1))
        await vendors.index(IndexSource(uses="says", url=f"https://big.example/{name}"))
    asked = []
    for name in "ca":
        await vendors.index(IndexSource(uses="says", url=f"https://big.example/{name}"))
        asked.append("if-none-match" in mirror.requests[-1].headers)
    assert asked == [True, False]


async def test_factorios_checksums_and_releases_come_of_three_places(vendors: HttpVendors, mirror: Mirror) -> None:
    mirror.everything()
    source = IndexSource(uses="factorio", url=f"https://{FACTORIO}/api/latest-releases")
    assert (await vendors.index(source)).aliases == {"stable": "1.0.0", "experimental": "1.1.6"}
    assert len((await vendors.release(source, "1.1.6")).downloads[0].digest) == 64
