"""A real HTTP server that stands in for vendors: it serves files under /HOST/PATH, and can be made to fail at any.

    with FileServer() as files:
        files.put("vendor.example", "/a/b.json", b"{}")
        files.fail("vendor.example", "/a/b.json", dropped(after=1), times=2)
        httpx.get(f"{files.url}/vendor.example/a/b.json")

It runs in threads of its own, so that any test can use it, and ends with all of them. It honours Range, If-Range and
If-None-Match, and keeps every request. Knows no vendor.
"""

import contextlib
import hashlib
import re
import socket
import struct
import sys
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

EVERYTHING = "*"
"""In place of a path: every path of a host."""
_RANGE = re.compile(r"bytes=(\d+)-(\d*)")
_PIECE = 64 * 1024


@dataclass(frozen=True, kw_only=True)
class Fault:
    """What goes wrong with an answer; see the functions below."""

    status: int | None = None
    hangs: bool = False
    pause_s: float = 0.0
    pieces: int = 1
    ends_after: int | None = None
    resets: bool = False
    body: bytes | None = None
    flips: bool = False
    headers: dict[str, str] = field(default_factory=dict)


def status(code: int, **headers: str) -> Fault:
    """Answer with that status and no file; `Retry_After="5"` becomes a header of it."""
    return Fault(status=code, headers=headers)


def hang() -> Fault:
    """Take the request and say nothing, until the server is closed."""
    return Fault(hangs=True)


def slow(pause_s: float, *, pieces: int = 10) -> Fault:
    """Send the body in so many pieces, with a pause before each."""
    return Fault(pause_s=pause_s, pieces=pieces)


def truncated(after: int) -> Fault:
    """Send a well-formed answer that holds the first `after` bytes only."""
    return Fault(ends_after=after)


def dropped(after: int) -> Fault:
    """Promise the whole body, and reset the connection after so many bytes of it."""
    return Fault(ends_after=after, resets=True)


def garbage(body: bytes = b"<html>Down for maintenance</html>") -> Fault:
    """Answer 200 with something else."""
    return Fault(body=body)


def corrupt() -> Fault:
    """Send a body of the right length with one bit of it turned: the checksum is wrong."""
    return Fault(flips=True)


@dataclass(frozen=True, kw_only=True)
class Request:
    """A request that was answered, or is not."""

    method: str
    host: str
    path: str
    query: str
    headers: dict[str, str]
    """Names in lower case."""


@dataclass(frozen=True)
class _Served:
    body: bytes
    content_type: str
    location: str = ""
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def etag(self) -> str:
        return f'"{hashlib.sha256(self.body).hexdigest()[:16]}"'


@dataclass
class _Failing:
    fault: Fault
    times: int | None


class FileServer:
    """Files by host and path; the query of an address is ignored where no file was put under it."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self._files: dict[tuple[str, str], _Served] = {}
        self._failing: dict[tuple[str, str], _Failing] = {}
        self._guard = threading.Lock()
        self._closing = threading.Event()
        self._server: _Server | None = None
        self._thread: threading.Thread | None = None

    # -- what is served ---------------------------------------------------------------------------------------------

    def put(
        self,
        host: str,
        path: str,
        body: bytes,
        *,
        content_type: str = "application/octet-stream",
        headers: dict[str, str] | None = None,
    ) -> str:
        """Serve `body` there, in place of what was; return the vendor's address of it."""
        with self._guard:
            self._files[host, path] = _Served(body, content_type, headers=headers or {})
        return f"https://{host}{path}"

    def body(self, host: str, path: str) -> bytes:
        """Return what is served there."""
        with self._guard:
            return self._files[host, path].body

    def redirect(self, host: str, path: str, to: str) -> str:
        """Send whoever asks for that to the address `to`."""
        with self._guard:
            self._files[host, path] = _Served(b"", "text/plain", to)
        return f"https://{host}{path}"

    def remove(self, host: str, path: str) -> None:
        """Serve it no more."""
        with self._guard:
            del self._files[host, path]

    def fail(self, host: str, path: str, fault: Fault, *, times: int | None = None) -> None:
        """Fail that way at a path (EVERYTHING: at all of the host's), for so many requests or until `heal`."""
        with self._guard:
            self._failing[host, path] = _Failing(fault, times)

    def heal(self, host: str | None = None, path: str | None = None) -> None:
        """Fail no more: nowhere, or not at a host, or not at one path."""
        with self._guard:
            for key in list(self._failing):
                if host in (None, key[0]) and path in (None, key[1]):
                    del self._failing[key]

    def count(self, host: str, path: str = "") -> int:
        """Return how many requests came for a path, or for all of a host."""
        with self._guard:
            return sum(item.host == host and path in ("", item.path) for item in self.requests)

    # -- its life ---------------------------------------------------------------------------------------------------

    @property
    def url(self) -> str:
        """Where it is: what `--mirror` is given."""
        assert self._server is not None, "not open"
        return f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.files = self
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), name="vendors' mirror")
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        assert self._server is not None and self._thread is not None
        self._closing.set()
        self._server.shutdown()
        self._server.hang_up()
        self._server.server_close()
        self._thread.join()

    # -- for the handler --------------------------------------------------------------------------------------------

    def taken(self, request: Request) -> tuple[_Served | None, Fault | None]:
        """Keep a request, and return what it is answered by and how that fails."""
        with self._guard:
            self.requests.append(request)
            with_query = f"{request.path}?{request.query}" if request.query else request.path
            served = self._files.get((request.host, with_query)) or self._files.get((request.host, request.path))
            for path in (with_query, request.path, EVERYTHING):
                failing = self._failing.get((request.host, path))
                if failing is None or failing.times == 0:
                    continue
                if failing.times is not None:
                    failing.times -= 1
                return served, failing.fault
            return served, None

    def pause(self, seconds: float | None) -> None:
        """Wait, but not beyond the server's end."""
        self._closing.wait(seconds)


class _Server(ThreadingHTTPServer):
    daemon_threads = False
    block_on_close = True
    request_queue_size = 256
    files: FileServer

    def __init__(self, *args: Any) -> None:
        self._open: set[socket.socket] = set()
        super().__init__(*args)

    def process_request(self, request: Any, client_address: Any) -> None:
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._open.discard(request)
        super().shutdown_request(request)

    def hang_up(self) -> None:
        for connection in list(self._open):
            with contextlib.suppress(OSError):  # the other side may be faster
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exc_info()[1], OSError):  # clients that go away in the middle are what this is for
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def log_message(self, *_: Any) -> None:
        pass

    def do_GET(self) -> None:
        files = self.server.files
        parts = urlsplit(self.path)
        _, host, rest = (parts.path + "/").split("/", 2)
        request = Request(
            method=self.command,
            host=host,
            path="/" + (rest[:-1] if rest else ""),
            query=parts.query,
            headers={name.lower(): value for name, value in self.headers.items()},
        )
        served, fault = files.taken(request)
        self.close_connection = True
        if fault is not None and fault.hangs:
            files.pause(None)
        elif fault is not None and fault.status is not None:
            self._short(fault.status, **fault.headers)
        elif served is None:
            self._short(404)
        elif served.location:
            self._short(302, Location=served.location)
        else:
            self._file(served, fault or Fault())

    do_HEAD = do_GET

    def _short(self, code: int, **headers: str) -> None:
        self.send_response(code)
        for name, value in {"Content_Length": "0", "Connection": "close", **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()

    def _file(self, served: _Served, fault: Fault) -> None:
        body = fault.body if fault.body is not None else served.body
        if fault.flips and body:
            middle = len(body) // 2
            body = body[:middle] + bytes([body[middle] ^ 1]) + body[middle + 1 :]
        if fault.body is None and self.headers.get("If-None-Match") == served.etag:
            self._short(304, ETag=served.etag)
            return
        first, last = self._range(served, body)
        if first is not None and first >= len(body):
            self._short(416, Content_Range=f"bytes */{len(body)}")
            return
        part = body if first is None else body[first : last + 1]
        sent = part if fault.ends_after is None else part[: fault.ends_after]
        self.send_response(200 if first is None else 206)
        if first is not None:
            self.send_header("Content-Range", f"bytes {first}-{last}/{len(body)}")
        self.send_header("Content-Length", str(len(part if fault.resets else sent)))
        for name, value in {"Content-Type": served.content_type, **served.headers}.items():
            self.send_header(name, value)
        self.send_header("ETag", served.etag)
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Connection", "close")
        self.end_headers()
        if self.command == "HEAD":
            return
        self._send(sent, fault)
        if fault.resets:
            self._reset()

    def _range(self, served: _Served, body: bytes) -> tuple[int | None, int]:
        wanted = _RANGE.fullmatch(self.headers.get("Range", ""))
        if wanted is None or self.headers.get("If-Range", served.etag) != served.etag:
            return None, 0
        last = min(int(wanted[2]), len(body) - 1) if wanted[2] else len(body) - 1
        return int(wanted[1]), last

    def _send(self, body: bytes, fault: Fault) -> None:
        step = max(1, -(-len(body) // fault.pieces)) if fault.pieces > 1 else _PIECE
        for at in range(0, len(body), step):
            if fault.pause_s:
                self.server.files.pause(fault.pause_s)
            self.wfile.write(body[at : at + step])

    def _reset(self) -> None:
        self.wfile.flush()
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()
