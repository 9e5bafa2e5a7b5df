"""Ask a profile service for players' accounts: the one way in which a panel asks somebody outside about a player.

Off unless an administrator names a service. It speaks as Mojang's does: `GET URL/NAME` answers
`{"id": "32 hexadecimal digits", "name": …}`, or 404 or 204 where there is no such account. What it answers is not
trusted: it is bounded in size and time.
"""

from collections import OrderedDict
from datetime import timedelta
from typing import Self
from urllib.parse import quote, urlsplit
from uuid import UUID

import httpx
import msgspec

from innkeeper.core.players.errors import ProfilesAreUnavailable, ProfileServiceIsInvalid
from innkeeper.kit.clock import Clock
from innkeeper.kit.log import get_logger

log = get_logger(__name__)

_TIMEOUT = httpx.Timeout(5.0)
_MAX_ANSWER = 16 * 1024
_MAX_KNOWN = 1000
_KNOWN_FOR = timedelta(minutes=10)
_ABSENT = frozenset({204, 404})


class _Profile(msgspec.Struct, frozen=True):
    id: str


class HttpProfiles:
    """Keeps `core.players.profiles.Profiles`; `aclose` it in the end."""

    def __init__(self, url: str, clock: Clock) -> None:
        """Ask at `url`; raise ProfileServiceIsInvalid."""
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ProfileServiceIsInvalid(f"{url!r} is no URL of a profile service")
        self._url = url.rstrip("/")
        self._clock = clock
        self._known: OrderedDict[str, tuple[float, UUID | None]] = OrderedDict()
        self._http = httpx.AsyncClient(timeout=_TIMEOUT, follow_redirects=False)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Ask no more."""
        await self._http.aclose()

    async def find(self, name: str) -> UUID | None:
        """Return the UUID of the account of that name, None where there is none; raise ProfilesAreUnavailable."""
        lowered = name.casefold()
        at, found = self._known.get(lowered, (0.0, None))
        now = self._clock.monotonic()
        if lowered in self._known and now < at:
            return found
        found = await self._ask(name)
        self._known[lowered] = (now + _KNOWN_FOR.total_seconds(), found)
        self._known.move_to_end(lowered)
        while len(self._known) > _MAX_KNOWN:
            self._known.popitem(last=False)
        return found

    async def _ask(self, name: str) -> UUID | None:
        try:
            async with self._http.stream("GET", f"{self._url}/{quote(name, safe='')}") as answer:
                if answer.status_code in _ABSENT:
                    return None
                if answer.status_code != 200:
                    raise ProfilesAreUnavailable(status=answer.status_code)
                body = bytearray()
                async for chunk in answer.aiter_bytes():
                    body += chunk
                    if len(body) > _MAX_ANSWER:
                        raise ProfilesAreUnavailable
                return UUID(hex=msgspec.json.decode(body, type=_Profile).id)
        except (httpx.HTTPError, httpx.InvalidURL, msgspec.DecodeError, UnicodeDecodeError, ValueError) as error:
            log.warning("profiles.failed", error=f"{type(error).__name__}: {error}")
            raise ProfilesAreUnavailable from error
