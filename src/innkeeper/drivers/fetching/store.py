"""Downloads from vendors: each file once for all servers of a node, checked before anybody gets it.

    get ──▶ whole, and of the promised checksum ──────────────────────────────▶ opened
     │          └── known by its address alone: the vendor is asked whether it is still the same
     └──▶ what came before a broken connection or the node's end, and the rest of it ──▶ checked ──▶ whole ──▶ opened

A connection that breaks, a vendor in trouble (5xx) and a transfer that stands still are tried again, with growing
waits, as long as each try brings something; what a vendor refuses (404) is not. A file that is not what was promised is
thrown away and fetched once more from the beginning. Refuses to know what the files are for.
"""

import asyncio
import errno
import hashlib
import importlib
import os
import re
import time
from collections.abc import Sequence
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Literal
from urllib.parse import urljoin, urlsplit
from weakref import WeakValueDictionary

import msgspec
import structlog

from innkeeper.contracts.installer import InstallFailed, Report
from innkeeper.drivers.fetching.shelf import Part, Said, Shelf, sweep
from innkeeper.kit.mirrors import mirrored
from innkeeper.kit.threads import to_the_end

if TYPE_CHECKING:
    import httpx

log = structlog.get_logger(__name__)

FOLDER = "downloads"
MAX_BYTES = 32 << 30
STALLED = timedelta(seconds=30)
PAUSES_S = (1.0, 2.0, 5.0, 10.0, 20.0)
UNFINISHED = timedelta(days=1)
UNUSED = timedelta(days=30)
MAX_REDIRECTS = 10
_BLOCK = 512 << 10
_PROGRESS = 64 << 10
"""What a try must bring beyond all before it, for the tries to be counted anew."""
_SLOW = 10
"""After so many times the patience for a single byte, a try must have brought that much, too."""
USER_AGENT = "Mozilla/5.0 (compatible; innkeeper)"
"""Some vendors' sites leave whatever does not begin like a browser without an answer."""
_TRY_AGAIN = frozenset({408, 425, 429})
_RANGE = re.compile(r"bytes (\d+)-\d+/(\d+|\*)")
MB = 1_000_000


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """A file of a vendor. `digest` is in hexadecimal, `size` in bytes; without them, what comes is believed."""

    url: str
    algorithm: Literal["sha256", "sha1", "md5", "sha512"] | None = None
    digest: str = ""
    size: int | None = None

    @property
    def name(self) -> str:
        """What the file is called, for people."""
        return urlsplit(self.url).path.rpartition("/")[2] or urlsplit(self.url).netloc


class _Broken(Exception):
    """The transfer came to no end, and may be tried again; the text says why."""


class _TooLarge(InstallFailed):
    """Nobody will ever want the rest of it."""


class _NotAsPromised(Exception):
    """What the vendor gives is another file; the text says what was expected and what was found."""


class Downloads:
    """The store, for all servers of one node; its files are in `downloads` of the shared folder."""

    def __init__(
        self,
        *,
        mirror: str = "",
        max_bytes: int = MAX_BYTES,
        stalled: timedelta = STALLED,
        pauses_s: Sequence[float] = PAUSES_S,
    ) -> None:
        """`mirror`: see `kit.mirrors`. `pauses_s`: what is waited before each further try."""
        self._mirror = mirror
        self._max_bytes = max_bytes
        self._stalled = stalled
        self._pauses_s = tuple(pauses_s)
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def get(self, wanted: Wanted, shared: Path, report: Report) -> BinaryIO:
        """Return the file, opened for reading, whole and as promised; the caller closes it.

        Servers that want the same at once wait for one download. Raises InstallFailed, after which what has come so far
        is kept for the next try where that may go on with it.
        """
        key = _key(wanted)
        lock = self._locks.setdefault(key, asyncio.Lock())
        if lock.locked():
            report(f"Waiting for {wanted.name}, which another server is downloading")
        async with lock:
            try:
                return await _Download(self, wanted, Shelf(shared / FOLDER, key), report).opened()
            except OSError as error:
                raise InstallFailed(f"{wanted.name} could not be stored: {error.strerror or error}") from error

    async def sweep(self, shared: Path) -> None:
        """Delete what was left unfinished a day ago, and what was not used for thirty."""
        busy = frozenset(key for key, lock in self._locks.items() if lock.locked())
        count = await to_the_end(
            lambda: sweep(
                shared / FOLDER,
                busy,
                now=time.time(),
                unfinished_s=UNFINISHED.total_seconds(),
                unused_s=UNUSED.total_seconds(),
            )
        )
        if count:
            log.info("downloads.swept", files=count)

    def address(self, url: str) -> str:
        """Return where `url` is fetched from. Raises InstallFailed for what is no address of a vendor."""
        try:
            return url if self.is_of_mirror(url) else mirrored(url, self._mirror)
        except ValueError as error:
            raise InstallFailed(str(error)) from error

    def is_of_mirror(self, url: str) -> bool:
        """Say whether a redirect led to the mirror itself rather than to a vendor."""
        return bool(self._mirror) and url.startswith(f"{self._mirror.rstrip('/')}/")


class _Download:
    """One file on its way from its vendor to its shelf."""

    def __init__(self, store: Downloads, wanted: Wanted, shelf: Shelf, report: Report) -> None:
        self._store = store
        self._wanted = wanted
        self._shelf = shelf
        self._report = report

    async def opened(self) -> BinaryIO:
        """Fetch what is missing and open the whole."""
        whole = await to_the_end(self._shelf.open)
        if whole is None or not self._wanted.digest:
            try:
                await self._fetch(have=whole is not None and self._wanted.size in (None, _size(whole)))
            finally:
                if whole is not None:
                    whole.close()
            whole = await to_the_end(self._shelf.open)
        if whole is None:
            raise InstallFailed(f"{self._wanted.name} was removed while it was downloaded")
        self._report(f"{self._wanted.name} is downloaded", 1.0)
        return whole

    async def _fetch(self, *, have: bool) -> None:
        """Make the whole what the vendor offers. `have`: there is a whole of this address already."""
        httpx = await to_the_end(lambda: importlib.import_module("httpx"))
        limit = self._store._stalled.total_seconds()
        # Made in a thread: the certificates that it reads take their time.
        client = await to_the_end(lambda: httpx.AsyncClient(timeout=limit, follow_redirects=False))
        async with client:
            try:
                await self._fetch_by(client, have)
            except _Broken as error:
                if not have:
                    raise InstallFailed(f"{self._wanted.name} could not be downloaded: {error}") from error
                # It was whole and true when it came; a vendor that is away is no reason to do without.
                log.warning("downloads.unconfirmed", url=self._wanted.url, error=str(error))
                self._report(f"Using the {self._wanted.name} of an earlier download: {error}")

    async def _fetch_by(self, client: "httpx.AsyncClient", have: bool) -> None:
        """Try until it is there. Raises _Broken once the last try has failed, and InstallFailed."""
        failures, wrong, furthest = 0, False, 0
        while True:
            part, said = await to_the_end(lambda: self._shelf.part(self._wanted.algorithm))
            furthest = max(furthest, part.size)
            try:
                if await self._attempt(client, part, said, have):
                    return
            except _NotAsPromised as error:
                await to_the_end(self._shelf.discard)
                if wrong:
                    raise InstallFailed(f"{self._wanted.name} is not what was promised: {error}") from error
                wrong = True
                self._report(f"{self._wanted.name} is not what was promised, and is downloaded once more: {error}")
            except _TooLarge:
                await to_the_end(self._shelf.discard)
                raise
            except _Broken as error:
                failures = 1 if part.size >= furthest + _PROGRESS else failures + 1
                if failures > len(self._store._pauses_s):
                    raise
                pause = self._store._pauses_s[failures - 1]
                self._report(f"{error}; trying again in {pause:g} s")
                await asyncio.sleep(pause)
            except OSError as error:
                if error.errno in (errno.ENOSPC, errno.EDQUOT):
                    await to_the_end(self._shelf.discard)
                    raise InstallFailed(f"this node's disk has no space left for {self._wanted.name}") from error
                raise
            finally:
                await to_the_end(part.close)
                if part.size == 0:
                    await to_the_end(self._shelf.discard)

    async def _attempt(self, client: "httpx.AsyncClient", part: Part, said: Said, have: bool) -> bool:
        """Ask once; return whether the whole is there now. Raises _Broken, _NotAsPromised, InstallFailed."""
        if self._wanted.digest and part.digest() == self._wanted.digest.lower():
            await to_the_end(lambda: self._shelf.publish(part, said))  # the node ended between the last byte and this
            return True
        httpx = importlib.import_module("httpx")
        wants_rest = part.size > 0 and bool(self._wanted.digest or said.proof)
        asked = await self._headers(part, said, wants_rest, have)
        try:
            response = await self._answer(client, asked)
            try:
                if response.status_code == 304 and have:
                    return True
                said, rest = self._check(response, part, said, wants_rest)
                if not rest:
                    await to_the_end(lambda: self._shelf.begin(part, said))
                await self._receive(response, part)
            finally:
                await response.aclose()
        except httpx.InvalidURL as error:
            raise InstallFailed(f"{self._wanted.url!r} cannot be fetched: {error}") from error
        except httpx.TimeoutException as error:
            raise _Broken(f"{self._host} has not sent a byte for {self._store._stalled.total_seconds():g} s") from error
        except httpx.HTTPError as error:
            raise _Broken(f"the connection to {self._host} failed: {error or type(error).__name__}") from error
        self._compare(part)
        await to_the_end(lambda: self._shelf.publish(part, said))
        return True

    async def _headers(self, part: Part, said: Said, wants_rest: bool, have: bool) -> dict[str, str]:
        # What is compressed on the way would have another size, and cannot be gone on with.
        headers = {"Accept-Encoding": "identity", "User-Agent": USER_AGENT}
        if wants_rest:
            headers["Range"] = f"bytes={part.size}-"
            if said.proof:
                headers["If-Range"] = said.proof
        elif have:
            known = await to_the_end(self._shelf.said)
            if known.etag:
                headers["If-None-Match"] = known.etag
            elif known.modified:
                headers["If-Modified-Since"] = known.modified
        return headers

    async def _answer(self, client: "httpx.AsyncClient", headers: dict[str, str]) -> "httpx.Response":
        """Ask, and follow where the vendor sends us."""
        at = self._wanted.url
        for _ in range(MAX_REDIRECTS + 1):
            address = self._store.address(at)
            response = await client.send(client.build_request("GET", address, headers=headers), stream=True)
            if not response.has_redirect_location:
                return response
            await response.aclose()
            at = self._following(at, response.headers["location"])
        raise InstallFailed(f"{self._host} sends us from one address to the next without end")

    def _following(self, at: str, location: str) -> str:
        """Return where a redirect leads. What nothing proves to be the promised file must not come unprotected."""
        try:
            target = urljoin(at, location)
        except ValueError as error:
            raise InstallFailed(f"{self._host} sends us to {location!r}, which is no address") from error
        lost = at.startswith("https:") and target.startswith("http:") and not self._store.is_of_mirror(target)
        if lost and not self._wanted.digest:
            raise InstallFailed(f"{self._host} sends us to where nothing is encrypted")
        return target

    def _check(self, response: "httpx.Response", part: Part, said: Said, wants_rest: bool) -> tuple[Said, bool]:
        """Look at the answer's head; return what the vendor says of the file, and whether only the rest comes."""
        status = response.status_code
        if status == 416 and wants_rest:
            raise _NotAsPromised(f"there is nothing after byte {part.size}")
        if status >= 500 or status in _TRY_AGAIN:
            raise _Broken(f"{self._host} answers {status}")
        if status not in (200, 206) or response.headers.get("content-encoding", "identity") != "identity":
            raise InstallFailed(f"{self._host} answers {status} for {self._wanted.url}")
        rest = status == 206
        if rest:
            found = _RANGE.fullmatch(response.headers.get("content-range", ""))
            if not wants_rest or found is None or int(found[1]) != part.size:
                raise _NotAsPromised(f"{self._host} gives another part than byte {part.size} and what follows")
        else:
            said = Said(_repeatable(response, "etag"), _repeatable(response, "last-modified"))
        length = response.headers.get("content-length", "")
        if length.isdecimal():
            self._check_size(int(length) + (part.size if rest else 0), whole=True)
        return said, rest

    def _check_size(self, size: int, *, whole: bool) -> None:
        wanted = self._wanted.size
        if wanted is not None and (size != wanted if whole else size > wanted):
            raise _NotAsPromised(f"expected {wanted} bytes, found {size if whole else f'more than {wanted}'}")
        if size > self._store._max_bytes:
            raise _TooLarge(f"{self._wanted.name} is larger than {self._store._max_bytes // MB} MB")

    async def _receive(self, response: "httpx.Response", part: Part) -> None:
        """Take the body in; what came before a failure is kept."""
        length = response.headers.get("content-length", "")
        total = part.size + int(length) if length.isdecimal() else self._wanted.size
        held = bytearray()
        clock, slow = asyncio.get_running_loop().time, _SLOW * self._store._stalled.total_seconds()
        since, then = clock(), part.size
        try:
            async for chunk in response.aiter_raw():
                held += chunk
                if part.size + len(held) >= then + _PROGRESS:
                    since, then = clock(), part.size + len(held)
                elif clock() - since > slow:
                    raise _Broken(f"{self._host} has sent less than {_PROGRESS} bytes in {slow:g} s")
                self._check_size(part.size + len(held), whole=False)
                if len(held) >= _BLOCK:
                    block, held = bytes(held), bytearray()
                    await to_the_end(partial(part.write, block))
                    self._tell(part.size, total)
        finally:
            if held:
                await to_the_end(partial(part.write, bytes(held)))
        self._tell(part.size, total)

    def _tell(self, done: int, total: int | None) -> None:
        text = f"Downloading {self._wanted.name}: {done / MB:.1f}"
        if total:
            self._report(f"{text} of {total / MB:.1f} MB", min(done / total, 1.0))
        else:
            self._report(f"{text} MB")

    def _compare(self, part: Part) -> None:
        self._check_size(part.size, whole=True)
        expected, found = self._wanted.digest.lower(), part.digest()
        if expected and found != expected:
            raise _NotAsPromised(f"expected {self._wanted.algorithm} {expected}, found {found}")

    @property
    def _host(self) -> str:
        return urlsplit(self._wanted.url).netloc


def _repeatable(response: "httpx.Response", name: str) -> str:
    """Return a header's value, empty where it could not be sent back as it stands."""
    value: str = response.headers.get(name, "")
    return value if value.isascii() and value.isprintable() else ""


def _size(file: BinaryIO) -> int:
    return os.fstat(file.fileno()).st_size


def _key(wanted: Wanted) -> str:
    """Return the name of the download in the store: by what it must be, else by where it comes from."""
    if wanted.algorithm is None and not wanted.digest:
        return f"url-{hashlib.sha256(wanted.url.encode()).hexdigest()}"
    digest = wanted.digest.lower()
    size = hashlib.new(wanted.algorithm, usedforsecurity=False).digest_size if wanted.algorithm else 0
    if len(digest) != 2 * size or not re.fullmatch(r"[0-9a-f]+", digest):
        raise InstallFailed(f"{wanted.digest!r} is no checksum of the kind {wanted.algorithm}")
    return f"{wanted.algorithm}-{digest}"
