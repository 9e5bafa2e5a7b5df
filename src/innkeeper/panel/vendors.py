"""Ask vendors what versions there are: the one way in which a panel reads their indexes.

It fetches for the index drivers, from the vendors' own places or from a mirror that keeps the same, and holds whatever
they answer to bounds: of size, of time, of redirects, of what a name, a path and a checksum may be. What was fetched is
remembered with its validators, so that a document that did not change is not sent again. Every failure is
VendorIsUnavailable, with the reason for people.
"""

import asyncio
import re
from collections import OrderedDict
from collections.abc import Awaitable, Iterable
from typing import TYPE_CHECKING, Self, TypeVar
from urllib.parse import urljoin, urlsplit

import msgspec

from innkeeper.contracts.versions import Fetch, IndexDriver, IndexUnreadable, NotOffered
from innkeeper.contracts.versions import Release as ToldRelease
from innkeeper.core.catalog.errors import NoSuchVersion, VendorIsUnavailable
from innkeeper.core.catalog.versions import IndexSource, VersionIndex
from innkeeper.core.servers.model import Release
from innkeeper.kit.log import get_logger
from innkeeper.kit.mirrors import mirrored
from innkeeper.panel.api.versions import own_version

if TYPE_CHECKING:
    import httpx

T = TypeVar("T")
log = get_logger(__name__)

PATIENCE_S = 10.0
"""For a connection and for each piece; a whole document may take three times as long."""
MAX_DOCUMENT = 16 * 1024 * 1024
_MAX_REMEMBERED = 2 * MAX_DOCUMENT
_MAX_REDIRECTS = 5
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_ABSENT = frozenset({404, 410})
_HEX_DIGITS = {"md5": 32, "sha1": 40, "sha256": 64, "sha512": 128}
_DIGEST = re.compile(r"[0-9a-f]+")
_PATH = re.compile(r"[0-9A-Za-z][0-9A-Za-z._+-]{0,127}(?:/[0-9A-Za-z][0-9A-Za-z._+-]{0,127}){0,7}")
_MAX_FACT = 1024
_MAX_NUMBER = 1 << 53
_MAX_JAVA = 1000


class _Known(msgspec.Struct, frozen=True):
    """A document as it was fetched, with what a vendor tells by that it is still the same."""

    body: bytes
    validators: dict[str, str]


class _Reading:
    """Keeps `contracts.versions.Fetch` for one question, and what was fetched for it."""

    def __init__(self, fetch: Fetch) -> None:
        self._fetch = fetch
        self.urls: list[str] = []

    async def __call__(self, url: str) -> bytes:
        self.urls.append(url)
        return await self._fetch(url)


class HttpVendors:
    """Keeps `core.catalog.versions.Vendors`; `aclose` it in the end."""

    def __init__(self, drivers: Iterable[IndexDriver], *, mirror: str = "", patience_s: float = PATIENCE_S) -> None:
        """`mirror`: where everything is fetched from, as `kit.mirrors` says; empty: from the vendors themselves."""
        self._drivers = {driver.name: driver for driver in drivers}
        self._mirror = mirror
        self._patience_s = patience_s
        self._known: OrderedDict[str, _Known] = OrderedDict()
        self._http: httpx.AsyncClient | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Ask no more."""
        if self._http is not None:
            await self._http.aclose()

    async def index(self, source: IndexSource) -> VersionIndex:
        """Return what there is of a source; raise VendorIsUnavailable."""
        driver, reading = self._driver(source), _Reading(self._fetch)
        try:
            told = await self._readable(driver.index(source.url, source.options, reading), source, reading)
        except NotOffered as error:
            raise _unavailable(source, str(error)) from error
        return msgspec.convert(told, VersionIndex, from_attributes=True)

    async def release(self, source: IndexSource, version: str) -> Release:
        """Return what a version consists of; raise VendorIsUnavailable, NoSuchVersion."""
        driver, reading = self._driver(source), _Reading(self._fetch)
        try:
            told = await self._readable(driver.release(source.url, source.options, version, reading), source, reading)
        except NotOffered as error:
            raise NoSuchVersion(f"This version cannot be had: {error}.", version=version) from error
        if (wrong := _wrong_with(told)) is not None:
            raise _unavailable(source, f"of version {version} the vendor gives {wrong}")
        return msgspec.convert(told, Release, from_attributes=True)

    def _driver(self, source: IndexSource) -> IndexDriver:
        try:
            return self._drivers[source.uses]
        except KeyError:
            raise _unavailable(source, f"there is no index driver {source.uses!r}") from None

    async def _readable(self, telling: Awaitable[T], source: IndexSource, reading: "_Reading") -> T:
        try:
            return await telling
        except IndexUnreadable as error:
            for (
                url
            ) in reading.urls:  # else it is asked whether it changed, and a bad answer lasts as long as a good one
                self._known.pop(url, None)
            log.warning("vendor.unreadable", uses=source.uses, url=source.url, error=str(error))
            raise _unavailable(source, str(error)) from error

    # -- fetching ---------------------------------------------------------------------------------------------------

    async def _fetch(self, url: str) -> bytes:
        """Keep `contracts.versions.Fetch`; raise VendorIsUnavailable."""
        import httpx  # much for those who never ask

        try:
            async with asyncio.timeout(3 * self._patience_s):
                return await self._document(url)
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError, ValueError) as error:
            reason = str(error) or type(error).__name__
            raise VendorIsUnavailable(url=url, reason=f"{_host(url)}: {reason}") from error

    async def _document(self, url: str) -> bytes:
        known, at, client = self._known.get(url), url, self._client()
        for _ in range(_MAX_REDIRECTS + 1):
            headers = known.validators if known is not None else {}
            async with client.stream("GET", self._place_of(at), headers=headers) as answer:
                if answer.status_code in _REDIRECTS:
                    at = self._following(at, answer.headers.get("Location", ""))
                    continue
                if answer.status_code == 304 and known is not None:
                    self._known.move_to_end(url)
                    return known.body
                if answer.status_code in _ABSENT:
                    raise NotOffered(f"{urlsplit(url).netloc} has no {urlsplit(url).path}")
                if answer.status_code != 200:
                    raise ValueError(f"answers {answer.status_code}")
                body = await _bounded(answer)
                self._remember(url, _Known(body, _validators(answer)))
                return body
        raise ValueError("redirects without end")

    def _client(self) -> "httpx.AsyncClient":
        import httpx

        if self._http is None:
            self._http = httpx.AsyncClient(
                timeout=httpx.Timeout(self._patience_s),
                follow_redirects=False,
                headers={
                    "User-Agent": f"innkeeper/{own_version()} (game server keeper; versions of server software)",
                    "Accept-Encoding": "identity",
                },
            )
        return self._http

    def _place_of(self, url: str) -> str:
        return url if self._is_of_mirror(url) else mirrored(url, self._mirror)

    def _is_of_mirror(self, url: str) -> bool:
        """Say whether a redirect led to the mirror itself rather than to a vendor."""
        return bool(self._mirror) and url.startswith(f"{self._mirror.rstrip('/')}/")

    def _following(self, url: str, location: str) -> str:
        """Return where a redirect leads, which is no step back from TLS."""
        there = urljoin(url, location)
        if url.startswith("https:") and not there.startswith("https:") and not self._is_of_mirror(there):
            raise ValueError("redirects to where nothing is encrypted")
        return there

    def _remember(self, url: str, document: _Known) -> None:
        self._known.pop(url, None)
        if not document.validators:
            return
        self._known[url] = document
        while sum(len(known.body) for known in self._known.values()) > _MAX_REMEMBERED:
            self._known.popitem(last=False)


def _host(url: str) -> str:
    try:
        return urlsplit(url).netloc
    except ValueError:
        return repr(url[:100])


async def _bounded(answer: "httpx.Response") -> bytes:
    if answer.headers.get("Content-Encoding", "identity") != "identity":
        raise ValueError("answers in an encoding that was not asked for")
    body = bytearray()
    async for chunk in answer.aiter_raw():
        body += chunk
        if len(body) > MAX_DOCUMENT:
            raise ValueError(f"answers more than {MAX_DOCUMENT} bytes")
    return bytes(body)


def _validators(answer: "httpx.Response") -> dict[str, str]:
    names = (("ETag", "If-None-Match"), ("Last-Modified", "If-Modified-Since"))
    given = {asked: answer.headers.get(told, "") for told, asked in names}
    # What could not be sent back as it stands would fail every later question.
    return {asked: value for asked, value in given.items() if value and value.isascii() and value.isprintable()}


def _wrong_with(release: ToldRelease) -> str | None:
    """Return what of a release cannot be used: it becomes addresses, paths and commands elsewhere."""
    for file in release.downloads:
        try:
            mirrored(file.url, "")
        except ValueError:
            return "an address that is none"
        if len(file.url) > _MAX_FACT or not (file.url.isascii() and file.url.isprintable()):
            return "an address that is none"
        if not _PATH.fullmatch(file.path):
            return "a file name that is none"
        if file.size is not None and not 0 < file.size < _MAX_NUMBER:
            return "a size that is none"
        if file.algorithm is None:
            continue
        if len(file.digest) != _HEX_DIGITS.get(file.algorithm) or not _DIGEST.fullmatch(file.digest):
            return "a checksum that is none"
    if any(len(fact) > _MAX_FACT or not fact.isprintable() for fact in release.facts.values()):
        return "a fact that cannot be shown"
    if release.java is not None and not 0 < release.java < _MAX_JAVA:
        return "a Java that is none"
    return None


def _unavailable(source: IndexSource, reason: str) -> VendorIsUnavailable:
    return VendorIsUnavailable(uses=source.uses, reason=reason)
