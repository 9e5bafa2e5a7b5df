"""Connections to the outside that never lead inside: the address is judged at the moment it is dialled.

    a name ──resolved once──▶ addresses ──those that are public──▶ connected to, by number

What is asked for by name stays named (Host, TLS), what is dialled is the number that was judged: a name that means
something else a moment later changes nothing. Every redirect dials anew, so every one is judged. No proxy is asked.
"""

import asyncio
import socket
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any, Self

import httpcore

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_NAT64 = IPv6Network("64:ff9b::/96")
_INSIDE: tuple[Network, ...] = tuple(
    ip_network(text)
    for text in (
        "0.0.0.0/8",  # this network
        "10.0.0.0/8",
        "100.64.0.0/10",  # carriers' own
        "127.0.0.0/8",
        "168.63.129.16/32",  # a public number, by which the machines of a cloud reach their own host
        "169.254.0.0/16",  # link-local; clouds tell machines their secrets here
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.88.99.0/24",  # 6to4 relays
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, broadcast
        "::/96",  # unspecified, loopback, IPv4-compatible
        "::ffff:0:0:0/96",  # IPv4-translated
        "64:ff9b:1::/48",  # NAT64 within a network
        "100::/64",
        "2001::/23",  # Teredo, ORCHID and their like
        "2001:db8::/32",
        "2002::/16",  # 6to4
        "3fff::/20",
        "5f00::/16",
        "fc00::/7",  # networks' own
        "fe80::/10",
        "fec0::/10",
        "ff00::/8",  # multicast
    )
)
"""No part of the public Internet, or a way around this list."""
_RESOLVERS = 8


class AddressIsRefused(Exception):
    """The name or number leads to where nothing may be sent."""


class Guard:
    """Says which addresses may be dialled: public ones, and those within `allowed` networks."""

    def __init__(self, allowed: Iterable[str] = ()) -> None:
        """Raise ValueError where one of `allowed` is no network in CIDR form."""
        self._allowed = tuple(ip_network(text) for text in allowed)

    def permits(self, address: Address) -> bool:
        """Say whether `address` may be dialled. One that carries an IPv4 address is judged as that one."""
        if isinstance(address, IPv6Address):
            if address.scope_id is not None:
                return False
            if address.ipv4_mapped is not None:
                return self.permits(address.ipv4_mapped)
            if address in _NAT64:
                return self.permits(IPv4Address(int(address) & 0xFFFFFFFF))
        if any(address.version == network.version and address in network for network in self._allowed):
            return True
        inside = any(address.version == network.version and address in network for network in _INSIDE)
        return not inside and address.is_global

    def permits_host(self, host: str) -> bool:
        """Say whether `host` may be tried: any name, and numbers that may be dialled."""
        try:
            return self.permits(ip_address(host))
        except ValueError:
            return True


class GuardedBackend(httpcore.AsyncNetworkBackend):
    """Dials for httpcore, by numbers that a guard permits. `close` it in the end."""

    def __init__(self, guard: Guard) -> None:
        self._guard = guard
        self._dialler = httpcore.AnyIOBackend()
        # Of its own: names that do not resolve for long keep nobody else's work waiting.
        self._resolvers = ThreadPoolExecutor(_RESOLVERS, thread_name_prefix="resolver")

    def close(self) -> None:
        """Resolve no more names."""
        self._resolvers.shutdown(wait=False, cancel_futures=True)

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Connect to the first address of `host` that is permitted and answers; raise AddressIsRefused, ConnectError.

        `timeout`, in seconds, is for all of it.
        """
        try:
            async with asyncio.timeout(timeout):
                return await self._connect_to_any(await self._resolve(host, port), port, socket_options)
        except TimeoutError as error:
            raise httpcore.ConnectTimeout(f"{host} does not answer") from error

    async def connect_unix_socket(
        self, path: str, timeout: float | None = None, socket_options: Iterable[Any] | None = None
    ) -> httpcore.AsyncNetworkStream:
        """Raise AddressIsRefused: nothing of the kind is outside."""
        raise AddressIsRefused("a socket of this host")

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await asyncio.sleep(seconds)

    async def _connect_to_any(
        self, addresses: Sequence[str], port: int, socket_options: Iterable[Any] | None
    ) -> httpcore.AsyncNetworkStream:
        failure: Exception | None = None
        for address in addresses:
            try:
                return await self._dialler.connect_tcp(address, port, socket_options=socket_options)
            except httpcore.ConnectError as error:
                failure = error
        raise failure or httpcore.ConnectError("there is no address")

    async def _resolve(self, host: str, port: int) -> list[str]:
        """Return the permitted addresses of `host`; raise AddressIsRefused where there are others only."""
        loop = asyncio.get_running_loop()
        try:
            found = await loop.run_in_executor(self._resolvers, _addresses, host, port)
        except (OSError, UnicodeError) as error:
            raise httpcore.ConnectError(f"the name {host} cannot be resolved") from error
        permitted = [address for address in found if self._guard.permits(ip_address(address))]
        if not permitted:
            raise AddressIsRefused(host)
        return permitted


def _addresses(host: str, port: int) -> list[str]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[4][0]) for address in found))


class Once(httpcore.AsyncNetworkBackend):
    """Dials by another backend for as long as the block lasts, and leaves no connection behind.

    httpcore forgets one whose TLS handshake is under way when its task is cancelled, as it is at a deadline.
    """

    def __init__(self, backend: GuardedBackend) -> None:
        self._backend = backend
        self._opened: list[httpcore.AsyncNetworkStream] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        for stream in self._opened:
            await stream.aclose()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Connect, as the other backend does."""
        stream = await self._backend.connect_tcp(host, port, timeout, local_address, socket_options)
        self._opened.append(stream)
        return stream

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await asyncio.sleep(seconds)
