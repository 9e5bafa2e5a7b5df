"""The clients of one keeper: who may connect, what they ask, and what they are told however slowly they read.

Refuses to know what is done about a request. Standard library only, and cheap to import.
"""

# pathlib and contextlib would cost every keeper memory.
# ruff: noqa: PTH108, SIM105
from __future__ import annotations

import os
import select
import socket
import struct
from collections import deque

from innkeeper.node.keeper import frames

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

BUFFER_BYTES = 1 << 20
MAX_CLIENTS = 64
_CREDENTIALS = struct.Struct("3i")


class Client:
    """One connection. `close` may be called at any time; afterwards nothing is sent."""

    def __init__(self, connection: socket.socket, epoll: select.epoll) -> None:
        connection.setblocking(False)
        self._socket = connection
        self._epoll = epoll
        self._incoming = bytearray()
        self._outgoing: deque[tuple[bool, memoryview]] = deque()  # (may be dropped, bytes)
        self._outgoing_bytes = 0
        self._head_is_begun = False
        self.fd = connection.fileno()
        self.closed = False
        epoll.register(self.fd, select.EPOLLIN)

    @property
    def has_outgoing(self) -> bool:
        """Whether something still waits to be sent."""
        return bool(self._outgoing) and not self.closed

    def requests(self) -> list[tuple[int, int, bytes]]:
        """Return (kind, request, body) of what has arrived; close where the client is gone or breaks the frames."""
        try:
            data = self._socket.recv(65536)
        except BlockingIOError:
            return []
        except OSError:
            data = b""
        if not data:
            self.close()
            return []
        self._incoming += data
        found = []
        while len(self._incoming) >= frames.FRAME.size:
            length, kind = frames.FRAME.unpack_from(self._incoming)
            if not frames.REQUEST.size <= length <= frames.MAX_REQUEST_BYTES:
                self.close()
                break
            end = frames.FRAME.size + length
            if len(self._incoming) < end:
                break
            (request,) = frames.REQUEST.unpack_from(self._incoming, frames.FRAME.size)
            found.append((kind, request, bytes(self._incoming[frames.FRAME.size + frames.REQUEST.size : end])))
            del self._incoming[:end]
        return found

    def send(self, frame: bytes, *, droppable: bool = False, next_seq: int = 0) -> None:
        """Send a frame, now or when the client reads.

        A client that is too slow loses its `droppable` frames (blocks: the journal has them) and is told so.
        """
        if self.closed:
            return
        sent = 0
        if not self._outgoing:
            try:
                sent = self._socket.send(frame)
            except BlockingIOError:
                pass
            except OSError:
                self.close()
                return
            if sent == len(frame):
                return
            self._head_is_begun = sent > 0
            self._epoll.modify(self.fd, select.EPOLLIN | select.EPOLLOUT)
        rest = memoryview(frame)[sent:]
        self._outgoing.append((droppable, rest))
        self._outgoing_bytes += len(rest)
        if self._outgoing_bytes > BUFFER_BYTES:
            self._drop(next_seq)

    def flush(self) -> None:
        """Send on what waits, as far as the client takes it."""
        while self._outgoing and not self.closed:
            droppable, data = self._outgoing[0]
            try:
                sent = self._socket.send(data)
            except BlockingIOError:
                return
            except OSError:
                self.close()
                return
            self._outgoing_bytes -= sent
            if sent < len(data):
                self._outgoing[0] = (droppable, data[sent:])
                self._head_is_begun = True
                return
            self._outgoing.popleft()
            self._head_is_begun = False
        if not self.closed:
            self._epoll.modify(self.fd, select.EPOLLIN)

    def close(self) -> None:
        """Close the connection."""
        if not self.closed:
            self.closed = True
            self._epoll.unregister(self.fd)
            self._socket.close()
            self._outgoing.clear()

    def _drop(self, next_seq: int) -> None:
        kept = [self._outgoing.popleft()] if self._head_is_begun else []
        kept += [entry for entry in self._outgoing if not entry[0]]
        lagged = frames.pack_frame(frames.LAGGED, frames.SEQ.pack(next_seq))
        self._outgoing = deque([*kept, (True, memoryview(lagged))])
        self._outgoing_bytes = sum(len(data) for _, data in self._outgoing)
        if self._outgoing_bytes > BUFFER_BYTES:  # answers alone: it asks and never reads
            self.close()


class Clients:
    """All clients of one keeper, and the socket they come by."""

    def __init__(self, listener: socket.socket, epoll: select.epoll) -> None:
        listener.setblocking(False)
        self.listener = listener
        self._epoll = epoll
        self._by_fd: dict[int, Client] = {}
        epoll.register(listener.fileno(), select.EPOLLIN)

    def accept(self, hello: Callable[[], bytes]) -> None:
        """Take in one client and send it `hello`; send away whom the socket is not for."""
        try:
            connection, _ = self.listener.accept()
        except OSError:
            return
        if not may_connect(connection) or len(self._by_fd) >= MAX_CLIENTS:
            connection.close()
            return
        client = Client(connection, self._epoll)
        self._by_fd[client.fd] = client
        client.send(hello())

    def handle(self, fd: int, events: int, perform: Callable[[Client, int, int, bytes], None]) -> None:
        """Do what epoll says about one client; `perform` gets its requests."""
        client = self._by_fd.get(fd)
        if client is None:
            return
        if events & select.EPOLLOUT:
            client.flush()
        if events & ~select.EPOLLOUT and not client.closed:
            for kind, request, body in client.requests():
                perform(client, kind, request, body)
        self.forget_closed((client,))

    def announce(self, frame: bytes, next_seq: int) -> None:
        """Send a block to all."""
        for client in list(self._by_fd.values()):
            client.send(frame, droppable=True, next_seq=next_seq)
            if client.closed:
                self.forget_closed((client,))

    def tell(self, frame: bytes) -> None:
        """Send all a frame that none may miss."""
        for client in self._by_fd.values():
            client.send(frame)

    @property
    def any(self) -> bool:
        """Whether anybody listens."""
        return bool(self._by_fd)

    def close_told(self) -> None:
        """Close the connections of those who have been sent all."""
        told = [client for client in self._by_fd.values() if not client.has_outgoing]
        for client in told:
            client.close()
        self.forget_closed(told)

    def forget_closed(self, clients: Iterable[Client]) -> None:
        """Drop what is closed."""
        for client in clients:
            if client.closed:
                self._by_fd.pop(client.fd, None)


def may_connect(connection: socket.socket) -> bool:
    """Tell whether the other side is root or our own user."""
    _, uid, _ = _CREDENTIALS.unpack(connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size))
    return uid in (0, os.geteuid())


def listen_at(directory: str, name: str) -> socket.socket:
    """Return a listening Unix socket in `directory`, whatever the length of its path; for our user alone."""
    directory_fd = frames.open_directory(directory)
    try:
        path = frames.socket_path(directory_fd, name)
        try:
            os.unlink(path)
        except FileNotFoundError:
            pass
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        before = os.umask(0o177)
        try:
            listener.bind(path)
        finally:
            os.umask(before)
        listener.listen(16)
        return listener
    finally:
        os.close(directory_fd)
