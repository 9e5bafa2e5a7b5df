"""Downloads arrive whole, once, and as promised, whatever vendors and connections do; or it is said why not."""

import asyncio
import hashlib
import os
import random
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from innkeeper.contracts.installer import InstallFailed
from innkeeper.drivers.fetching.store import Downloads, Wanted
from innkeeper.kit.tasks import TaskSet
from tests.vendors.serving import Fault, FileServer, corrupt, dropped, garbage, hang, slow, status, truncated

VENDOR, PATH = "files.vendor.example", "/game/server.jar"
CONTENT = random.Random(1).randbytes(3_000_000)
SHA256 = hashlib.sha256(CONTENT).hexdigest()
DEADLINE_S = 20


@pytest.fixture
def vendor() -> Iterator[FileServer]:
    with FileServer() as files:
        files.put(VENDOR, PATH, CONTENT)
        yield files


@pytest.fixture
def reports() -> list[str]:
    return []


class Store:
    """A store that fetches from the stand-in, and what a test wants of it."""

    def __init__(self, vendor: FileServer, shared: Path, reports: list[str], **options: Any) -> None:
        self.shared = shared
        self._reports = reports
        given = {"pauses_s": (0.01, 0.01, 0.01), "stalled": timedelta(seconds=10), **options}
        self.downloads = Downloads(mirror=vendor.url, **given)

    async def get(self, path: str = PATH, **promised: Any) -> bytes:
        async with asyncio.timeout(DEADLINE_S):
            file = await self.downloads.get(
                Wanted(url=f"https://{VENDOR}{path}", **promised),
                self.shared,
                lambda text, fraction=None: self._reports.append(text),
            )
        with file:
            return file.read()

    @property
    def files(self) -> list[str]:
        folder = self.shared / "downloads"
        return sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []

    def begin_part(self, name: str, content: bytes, etag: str = "") -> None:
        """Leave what a node leaves that was killed in the middle."""
        folder = self.shared / "downloads"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{name}.part").write_bytes(content)
        if etag:
            (folder / f"{name}.part.json").write_bytes(b'{"etag": "%s"}' % etag.replace('"', '\\"').encode())


@pytest.fixture
def store(vendor: FileServer, tmp_path: Path, reports: list[str]) -> Store:
    return Store(vendor, tmp_path, reports)


def promised(content: bytes = CONTENT) -> dict[str, Any]:
    return {"algorithm": "sha256", "digest": hashlib.sha256(content).hexdigest(), "size": len(content)}


def etag(content: bytes) -> str:
    return f'"{hashlib.sha256(content).hexdigest()[:16]}"'


def by_address(path: str = PATH) -> str:
    return f"url-{hashlib.sha256(f'https://{VENDOR}{path}'.encode()).hexdigest()}"


async def test_a_file_of_known_content_is_fetched_once_and_then_never_asked_for(
    store: Store, vendor: FileServer, reports: list[str]
) -> None:
    assert await store.get(**promised()) == CONTENT
    vendor.put(VENDOR, "/elsewhere", CONTENT)
    assert await store.get("/elsewhere", **promised()) == CONTENT
    assert vendor.count(VENDOR) == 1
    assert any("of 3.0 MB" in text for text in reports)
    assert store.files == [f"sha256-{SHA256}", f"sha256-{SHA256}.json"]


@pytest.mark.parametrize("algorithm", ["md5", "sha1", "sha512"])
async def test_every_kind_of_checksum_is_known(store: Store, algorithm: str) -> None:
    digest = hashlib.new(algorithm, CONTENT).hexdigest().upper()
    assert await store.get(algorithm=algorithm, digest=digest) == CONTENT


async def test_servers_that_want_the_same_at_once_wait_for_one_download(
    store: Store, vendor: FileServer, reports: list[str]
) -> None:
    assert await asyncio.gather(*(store.get(**promised()) for _ in range(8))) == [CONTENT] * 8
    assert vendor.count(VENDOR) == 1
    assert sum("another server is downloading" in text for text in reports) == 7


async def test_a_waiting_server_goes_on_with_the_download_of_one_that_is_cancelled(
    store: Store, vendor: FileServer
) -> None:
    vendor.fail(VENDOR, PATH, Fault(pause_s=0.05, pieces=60), times=1)
    async with TaskSet("test") as tasks:
        first = tasks.start(store.get(**promised()), name="first")
        part = store.shared / "downloads" / f"sha256-{SHA256}.part"
        async with asyncio.timeout(DEADLINE_S):
            while not part.exists() or part.stat().st_size == 0:  # noqa: ASYNC110 - a file has no event
                await asyncio.sleep(0)
        second = tasks.start(store.get(**promised()), name="second")
        first.cancel()
        assert await second == CONTENT
    assert vendor.requests[-1].headers["range"].startswith("bytes=")


async def test_a_broken_connection_is_gone_on_with_where_it_broke(store: Store, vendor: FileServer) -> None:
    vendor.fail(VENDOR, PATH, dropped(after=1_000_000), times=2)
    assert await store.get(**promised()) == CONTENT
    ranges = [request.headers.get("range") for request in vendor.requests]
    assert ranges[0] is None
    assert all(one is not None and one != "bytes=0-" for one in ranges[1:])


async def test_a_connection_that_breaks_more_often_than_is_tried_gets_there_if_each_try_brings_something(
    store: Store, vendor: FileServer
) -> None:
    vendor.fail(VENDOR, PATH, dropped(after=300_000), times=9)
    assert await store.get(**promised()) == CONTENT


async def test_what_a_killed_node_left_is_gone_on_with(store: Store, vendor: FileServer) -> None:
    store.begin_part(f"sha256-{SHA256}", CONTENT[:2_000_000])
    assert await store.get(**promised()) == CONTENT
    assert vendor.requests[0].headers["range"] == "bytes=2000000-"


async def test_what_a_killed_node_left_whole_is_not_asked_for_again(store: Store, vendor: FileServer) -> None:
    store.begin_part(f"sha256-{SHA256}", CONTENT)
    assert await store.get(**promised()) == CONTENT
    assert vendor.count(VENDOR) == 0


async def test_what_a_killed_node_left_damaged_is_found_out_and_fetched_anew(store: Store, vendor: FileServer) -> None:
    store.begin_part(f"sha256-{SHA256}", bytes(2_000_000))
    assert await store.get(**promised()) == CONTENT
    assert [request.headers.get("range") for request in vendor.requests] == ["bytes=2000000-", None]


async def test_without_a_checksum_a_part_is_gone_on_with_only_if_the_file_is_still_the_same(
    store: Store, vendor: FileServer
) -> None:
    store.begin_part(by_address(), b"old" * 1000, etag='"old"')
    assert await store.get() == CONTENT
    assert vendor.requests[0].headers["if-range"] == '"old"'
    store.begin_part(by_address("/b"), CONTENT[:1000], etag=etag(CONTENT))
    vendor.put(VENDOR, "/b", CONTENT)
    assert await store.get("/b") == CONTENT
    store.begin_part(by_address("/c"), b"of nothing known")
    vendor.put(VENDOR, "/c", CONTENT)
    assert await store.get("/c") == CONTENT
    assert "range" not in vendor.requests[-1].headers


async def test_a_file_known_by_its_address_is_fetched_again_when_it_has_changed(
    store: Store, vendor: FileServer
) -> None:
    assert await store.get() == CONTENT
    assert await store.get() == CONTENT
    assert vendor.requests[1].headers["if-none-match"] == etag(CONTENT)
    vendor.put(VENDOR, PATH, b"new")
    assert await store.get() == b"new"
    assert store.files == [by_address(), f"{by_address()}.json"]


async def test_a_vendor_that_is_away_does_not_take_back_what_was_fetched_before(
    store: Store, vendor: FileServer, reports: list[str]
) -> None:
    assert await store.get() == CONTENT
    vendor.fail(VENDOR, PATH, status(503))
    assert await store.get() == CONTENT
    assert any("of an earlier download" in text for text in reports)
    with pytest.raises(InstallFailed, match="503"):
        await store.get(size=5)


async def test_a_vendor_in_trouble_is_asked_again_and_one_that_refuses_is_not(store: Store, vendor: FileServer) -> None:
    vendor.fail(VENDOR, PATH, status(503), times=2)
    assert await store.get(**promised()) == CONTENT
    vendor.requests.clear()
    with pytest.raises(InstallFailed, match="answers 404"):
        await store.get("/missing")
    assert vendor.count(VENDOR) == 1
    vendor.fail(VENDOR, "/always", status(500))
    with pytest.raises(InstallFailed, match="answers 500"):
        await store.get("/always")
    assert vendor.count(VENDOR, "/always") == 4


async def test_wrong_content_is_fetched_once_more_and_then_said_with_what_was_expected_and_found(
    store: Store, vendor: FileServer
) -> None:
    vendor.fail(VENDOR, PATH, corrupt(), times=1)
    assert await store.get(**promised()) == CONTENT
    other = b"other"
    vendor.put(VENDOR, "/other", other)
    with pytest.raises(InstallFailed) as caught:
        await store.get("/other", algorithm="sha256", digest="ab" * 32)
    assert f"expected sha256 {'ab' * 32}, found {hashlib.sha256(other).hexdigest()}" in caught.value.reason
    assert vendor.count(VENDOR, "/other") == 2
    assert not [name for name in store.files if ".part" in name or name.startswith("sha256-abab")]


@pytest.mark.parametrize(
    ("fault", "found"),
    [(truncated(after=1000), "found 1000"), (garbage(b"<html>"), "found 6"), (garbage(b""), "found 0")],
)
async def test_a_wrong_size_is_said_and_nothing_of_it_is_kept(
    store: Store, vendor: FileServer, fault: Fault, found: str
) -> None:
    vendor.fail(VENDOR, PATH, fault)
    with pytest.raises(InstallFailed, match=f"expected 3000000 bytes, {found}"):
        await store.get(**promised())
    assert store.files == []


async def test_a_transfer_that_stands_still_is_given_up(vendor: FileServer, tmp_path: Path, reports: list[str]) -> None:
    store = Store(vendor, tmp_path, reports, stalled=timedelta(seconds=0.1), pauses_s=())
    vendor.fail(VENDOR, PATH, hang())
    with pytest.raises(InstallFailed, match=r"has not sent a byte for 0\.1 s"):
        await store.get()


async def test_what_is_larger_than_anybody_may_want_is_not_fetched(
    vendor: FileServer, tmp_path: Path, reports: list[str]
) -> None:
    store = Store(vendor, tmp_path, reports, max_bytes=2_000_000)
    with pytest.raises(InstallFailed, match="larger than 2 MB"):
        await store.get()


async def test_redirects_lead_through_the_mirror_and_not_without_end(store: Store, vendor: FileServer) -> None:
    vendor.redirect(VENDOR, "/latest", f"https://{VENDOR}/moved")
    vendor.redirect(VENDOR, "/moved", f"{vendor.url}/{VENDOR}{PATH}?key=1")
    assert await store.get("/latest", **promised()) == CONTENT
    vendor.redirect(VENDOR, "/round", f"https://{VENDOR}/round")
    with pytest.raises(InstallFailed, match="without end"):
        await store.get("/round")
    for number, target in enumerate(("file:///etc/passwd", "ftp://vendor.example/a", "https://user@vendor.example/")):
        vendor.redirect(VENDOR, f"/bad{number}", target)
        with pytest.raises(InstallFailed, match="no address of a vendor"):
            await store.get(f"/bad{number}")
    vendor.redirect(VENDOR, "/broken", "https://[there/")
    with pytest.raises(InstallFailed, match="no address"):
        await store.get("/broken")
    vendor.redirect(VENDOR, "/relative", PATH)
    assert await store.get("/relative") == CONTENT


async def test_a_redirect_away_from_tls_is_followed_only_for_what_a_checksum_proves(
    store: Store, vendor: FileServer
) -> None:
    vendor.redirect(VENDOR, "/plain", f"http://{VENDOR}{PATH}")
    with pytest.raises(InstallFailed, match="nothing is encrypted"):
        await store.get("/plain")
    assert await store.get("/plain", **promised()) == CONTENT


async def test_a_tag_that_cannot_be_sent_back_is_no_tag(store: Store, vendor: FileServer) -> None:
    vendor.put(VENDOR, "/odd", CONTENT, headers={"ETag": '"\xe9"'})
    vendor.fail(VENDOR, "/odd", dropped(after=1_000_000), times=1)
    assert await store.get("/odd") == CONTENT
    assert await store.get("/odd") == CONTENT
    assert not {"if-range", "if-none-match"} & {name for item in vendor.requests for name in item.headers}


async def test_a_vendor_that_only_trickles_is_given_up(vendor: FileServer, tmp_path: Path, reports: list[str]) -> None:
    store = Store(vendor, tmp_path, reports, pauses_s=(0.01,), stalled=timedelta(seconds=0.05))
    vendor.put(VENDOR, "/slow", b"x" * 1000)
    vendor.fail(VENDOR, "/slow", slow(0.02, pieces=1000))
    with pytest.raises(InstallFailed, match="has sent less than 65536 bytes"):
        await store.get("/slow")


async def test_of_what_is_larger_than_anything_may_be_nothing_is_kept(
    vendor: FileServer, tmp_path: Path, reports: list[str]
) -> None:
    store = Store(vendor, tmp_path, reports, max_bytes=1_000_000)
    with pytest.raises(InstallFailed, match="larger than 1 MB"):
        await store.get()
    assert store.files == []


@pytest.mark.parametrize(
    "wanted",
    [
        {"digest": "ab" * 32},
        {"algorithm": "sha256"},
        {"algorithm": "sha256", "digest": "ab"},
        {"algorithm": "sha1", "digest": "../" * 13 + "a"},
    ],
)
async def test_what_is_no_checksum_is_refused(store: Store, vendor: FileServer, wanted: dict[str, Any]) -> None:
    with pytest.raises(InstallFailed, match="no checksum"):
        await store.get(**wanted)
    assert vendor.count(VENDOR) == 0


async def test_leftovers_and_what_nobody_uses_are_swept_and_what_is_used_is_not(
    store: Store, vendor: FileServer
) -> None:
    folder = store.shared / "downloads"
    vendor.put(VENDOR, "/used", b"used")
    await store.get(**promised())
    await store.get("/used")
    store.begin_part("sha256-old", b"1", etag="x")
    store.begin_part("sha256-new", b"1", etag="x")

    def age(name: str, days: float) -> None:
        then = folder.joinpath(name).stat().st_mtime - days * 86400
        os.utime(folder / name, (then, then))

    for name in (f"sha256-{SHA256}", by_address("/used")):
        age(name, 31)
    for name in ("sha256-old.part", "sha256-old.part.json"):
        age(name, 1.1)
    age("sha256-new.part", 0.9)
    await store.get("/used")
    await store.downloads.sweep(store.shared)
    assert store.files == sorted(
        [by_address("/used"), f"{by_address('/used')}.json", "sha256-new.part", "sha256-new.part.json"]
    )


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a tiny disk")
async def test_a_full_disk_is_said_and_freed_again(vendor: FileServer, tmp_path: Path, reports: list[str]) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tiny", disk], capture_output=True, check=False)
    if done.returncode:
        pytest.skip(f"nothing can be mounted here: {done.stderr.decode()}")
    try:
        with pytest.raises(InstallFailed, match=r"no space left for server\.jar"):
            await Store(vendor, disk, reports).get(**promised())
        assert Store(vendor, disk, reports).files == []
    finally:
        subprocess.run(["umount", "-l", disk], check=True)


def test_a_node_that_fetches_nothing_does_not_load_what_fetches() -> None:
    script = "import sys, innkeeper.node.main; sys.exit('httpx' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
