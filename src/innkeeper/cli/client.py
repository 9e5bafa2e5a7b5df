"""Speaks to an Innkeeper's API over HTTP: requests, pages, streams, and its refusals as `CommandFailed`.

Knows addresses and error shapes; nothing of what is printed.
"""

import ssl
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, NoReturn, Self
from urllib.parse import urlsplit

import httpx

from innkeeper.cli.failures import CommandFailed, NotConnected
from innkeeper.cli.profiles import Place

PREFIX = "/api/innkeeper/v1"
HEADERS = {"User-Agent": "innkeeper-cli", "X-Innkeeper-Client": "cli"}
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_CONNECT_S = 10.0
_ANSWER_S = 60.0
_PAGE = 500


class Client:
    """One Innkeeper, spoken to with one key. Use as a context manager."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self._http = httpx.Client(
            base_url=place.url + PREFIX,
            headers=HEADERS | ({"Authorization": f"Bearer {place.key}"} if place.key else {}),
            timeout=httpx.Timeout(_ANSWER_S, connect=_CONNECT_S),
            trust_env=urlsplit(place.url).hostname not in LOOPBACK,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def get(self, path: str, /, **params: Any) -> Any:
        """Return what is at `path`; parameters that are None are left out."""
        return self.ask("GET", path, params=params)

    def post(self, path: str, body: Any = None, /, **params: Any) -> Any:
        """Post JSON (nothing where it is None); return the answer."""
        return self.ask("POST", path, body=body, params=params)

    def patch(self, path: str, body: Any) -> Any:
        """Change what is at `path`; return the answer."""
        return self.ask("PATCH", path, body=body)

    def put(self, path: str, body: Any) -> Any:
        """Put JSON at `path`; return the answer."""
        return self.ask("PUT", path, body=body)

    def delete(self, path: str, /, **params: Any) -> Any:
        """Delete what is at `path`; return the answer, None where it has no body."""
        return self.ask("DELETE", path, params=params)

    def pages(self, path: str, /, *, limit: int | None = None, **params: Any) -> list[Any]:
        """Return the items of a list, of all its pages or up to `limit`."""
        found: list[Any] = []
        cursor: Any = None
        while limit is None or len(found) < limit:
            wanted = _PAGE if limit is None else min(_PAGE, limit - len(found))
            page = self.get(path, **params, limit=wanted, cursor=cursor)
            found += page["items"]
            cursor = page.get("next")
            if cursor is None or not page["items"]:
                break
        return found if limit is None else found[:limit]

    def ask(self, method: str, path: str, *, body: Any = None, params: dict[str, Any] | None = None) -> Any:
        """Ask something; raise CommandFailed with the API's own words, NotConnected."""
        with self._translated():
            answer = self._http.request(method, path, params=_given(params), json=body)
        return self._content(answer)

    def upload(self, path: str, content: Iterable[bytes], size: int | None, /, **params: Any) -> Any:
        """Send bytes as they come; return the answer."""
        headers = {"Content-Type": "application/octet-stream"}
        if size is not None:
            headers["Content-Length"] = str(size)
        with self._translated():
            timeout = httpx.Timeout(600, connect=_CONNECT_S)
            answer = self._http.put(path, params=_given(params), content=content, headers=headers, timeout=timeout)
        return self._content(answer)

    @contextmanager
    def download(self, path: str, /, **params: Any) -> Iterator[tuple[int | None, Iterator[bytes]]]:
        """Give a body's length, where that is known, and its bytes as they come."""
        with self._translated(), self._http.stream("GET", path, params=_given(params)) as answer:
            if not answer.is_success:
                answer.read()
                self._content(answer)
            length = answer.headers.get("content-length")
            yield int(length) if length and "content-encoding" not in answer.headers else None, answer.iter_bytes()

    def _content(self, answer: httpx.Response) -> Any:
        if answer.status_code == 204 or (answer.is_success and not answer.content):
            return None
        try:
            content = answer.json()
        except (ValueError, UnicodeDecodeError):
            content = None
        if answer.is_success and content is not None:
            return content
        refuse(content, answer.status_code, self.place)

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except httpx.HTTPError as error:
            raise NotConnected(why_not_connected(error, self.place.url)) from error


def refuse(content: Any, status: int, place: Place) -> NoReturn:
    """Raise what an answer that is no success says."""
    match content:
        case {"error": {"code": str(code), "kind": str(kind), "message": str(message), "data": dict(data)}}:
            if kind == "unauthenticated" and place.key is None:
                message = f"{place.url} wants a key: sign in with `innkeeper login {place.url}`, or give --key-file."
            elif kind == "unauthenticated" and place.profile is not None:
                message = f"{message} Sign in again: innkeeper login {place.url}"
            elif code == "request_is_invalid" and isinstance(data.get("problems"), list):
                problems = [f"{item.get('field')}: {item.get('message')}" for item in data["problems"]]
                message = " ".join([message, *problems])
            raise CommandFailed(message, code=code, kind=kind, data=data)
    raise CommandFailed(
        f"{place.url} answered with status {status}, and not as an Innkeeper does.", code="no_innkeeper"
    )


def why_not_connected(error: BaseException, url: str) -> str:
    """Return one sentence on why `url` could not be reached."""
    cause: BaseException | None = error
    seen = []
    while cause is not None:
        seen.append(cause)
        cause = cause.__cause__ or cause.__context__
    for one in seen:
        if isinstance(one, ssl.SSLCertVerificationError):
            return f"The certificate of {url} is not to be trusted: {one.verify_message}."
        if isinstance(one, ssl.SSLError):
            return f"No secure connection to {url} can be made: is it https?"
    for one in seen:
        if isinstance(one, ConnectionRefusedError):
            return f"No Innkeeper answers at {url}: the connection was refused."
        if isinstance(one, TimeoutError | httpx.TimeoutException):
            return f"{url} did not answer in time."
    text = str(error).strip() or type(error).__name__
    return f"{url} cannot be reached: {text.rstrip('.')}."


def _given(params: dict[str, Any] | None) -> dict[str, Any]:
    return {name: value for name, value in (params or {}).items() if value is not None}
