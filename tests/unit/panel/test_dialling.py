"""No address that is not public is dialled, however it is written; those that an administrator allows are."""

from ipaddress import ip_address

import httpcore
import pytest

from innkeeper.panel.dialling import AddressIsRefused, Guard, GuardedBackend
from innkeeper.testing.receivers import Receiver

# One a word: a list of them would fill a page.
INSIDE = """
0.0.0.0 0.1.2.3 10.1.2.3 100.64.0.1 100.127.255.255 127.0.0.1 127.255.0.1 169.254.169.254 172.16.0.1 172.31.255.255
168.63.129.16
192.0.0.8 192.0.2.1 192.88.99.1 192.168.1.1 198.18.0.1 198.51.100.7 203.0.113.9 224.0.0.1 239.255.255.250 240.0.0.1
255.255.255.255
:: ::1 ::ffff:127.0.0.1 ::ffff:10.0.0.1 ::ffff:169.254.169.254 ::10.0.0.1 ::ffff:0:10.0.0.1
64:ff9b::10.0.0.1 64:ff9b::169.254.169.254 64:ff9b:1::8.8.8.8 100::1 2001::1 2001:0:7f00:1:: 2001:db8::1
2002:7f00:1:: 2002:808:808:: 3fff::1 5f00::1 fc00::1 fd12:3456::1 fe80::1 fe80::1%eth0 fec0::1 ff02::1 ff0e::1
""".split()  # noqa: SIM905
OUTSIDE = (
    *("8.8.8.8", "1.1.1.1", "100.63.255.255", "172.32.0.1"),
    *("2606:4700::1111", "2a00:1450::1", "::ffff:8.8.8.8", "64:ff9b::8.8.8.8"),
)


@pytest.mark.parametrize("text", INSIDE)
def test_what_is_no_part_of_the_public_internet_is_refused(text: str) -> None:
    assert not Guard().permits(ip_address(text))


@pytest.mark.parametrize("text", OUTSIDE)
def test_what_is_public_is_permitted(text: str) -> None:
    assert Guard().permits(ip_address(text))


def test_networks_are_allowed_one_by_one() -> None:
    guard = Guard(["10.1.0.0/16", "fd00::/8"])
    assert guard.permits(ip_address("10.1.2.3"))
    assert guard.permits(ip_address("::ffff:10.1.2.3"))
    assert guard.permits(ip_address("fd00::7"))
    assert not guard.permits(ip_address("10.2.0.1"))
    assert not guard.permits(ip_address("127.0.0.1"))


def test_what_is_no_network_is_refused() -> None:
    with pytest.raises(ValueError):
        Guard(["everything"])


def test_numbers_are_judged_before_anything_is_dialled_and_names_are_not() -> None:
    assert not Guard().permits_host("127.0.0.1")
    assert Guard().permits_host("localhost")


async def test_the_number_that_was_judged_is_the_one_that_is_dialled() -> None:
    """A name that means something else each time it is looked up is looked up once."""
    asked: list[str] = []

    class Rebinding(GuardedBackend):
        async def _resolve(self, host: str, port: int) -> list[str]:
            asked.append(host)
            return await super()._resolve("127.0.0.1" if len(asked) == 1 else "192.0.2.1", port)

    async with Receiver.open() as receiver:
        port = int(receiver.url.split(":")[2].split("/")[0])
        backend = Rebinding(Guard(["127.0.0.0/8"]))
        stream = await backend.connect_tcp("rebinding.example", port, timeout=5)
        await stream.aclose()
        backend.close()
    assert asked == ["rebinding.example"]


async def test_a_name_of_this_host_is_refused() -> None:
    backend = GuardedBackend(Guard())
    with pytest.raises(AddressIsRefused):
        await backend.connect_tcp("localhost", 1, timeout=5)
    with pytest.raises(AddressIsRefused):
        await backend.connect_unix_socket("/run/docker.sock")
    backend.close()


async def test_a_name_of_nobody_is_said_to_be_so() -> None:
    backend = GuardedBackend(Guard())
    with pytest.raises(httpcore.ConnectError):
        await backend.connect_tcp("no-such-name.invalid", 80, timeout=20)
    with pytest.raises(httpcore.ConnectError):
        await backend.connect_tcp("a" * 64 + ".example", 80, timeout=20)
    backend.close()
