"""An installation killed in the middle of a deploy, at each of its steps: it ends honestly, and nothing is left over.

The game is a package of the test's own, sold by the hour: a file and an archive of a vendor who takes his time, then a
start. What became of a deploy is read where customers read it, in ServerFlex's dialect, and in the books.
"""

import asyncio
import hashlib
import io
import tarfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.acceptance.innkeepers import Embedded, run
from tests.acceptance.looking import eventually, processes_of
from tests.vendors.mirror import Mirror
from tests.vendors.serving import slow

pytestmark = pytest.mark.slow

VENDOR = "orchard.example"
TOOLS, FRUIT = b"spade\n" * 200_000, b"apple\n" * 400_000
HOURLY, GIVEN = 70_000, 100_000_000
"""Micro-units of the currency: what an hour costs, and what the customer has."""

GAME = """
import socket, sys, time
time.sleep(0.5)
door = socket.create_server(("127.0.0.1", int(sys.argv[1])))
print("The orchard is open", flush=True)
for line in sys.stdin:
    if line.strip() == "stop":
        break
"""

PACKAGE = """
name = "orchard"
title = "Orchard"

[[plans]]
name = "or.tree"
title = "Tree"
prices = [{{ currency = "USD", hourly = "0.07", monthly = "7.00" }}]
[plans.resources]
memory_mib = 256
cpu_percent = 100
disk_mib = 1000

[[runtimes]]
name = "orchard"
title = "Orchard"
default = true
requires = ["python3"]

[[install]]
uses = "download"
files = [{{ url = "https://{vendor}/tools.bin", path = "tools.bin", algorithm = "sha256", digest = "{tools}" }}]

[[install]]
uses = "archive"
url = "https://{vendor}/fruit.tar.gz"
algorithm = "sha256"
digest = "{fruit}"
into = "fruit"

[[install]]
uses = "files"
files = {{ "game.py" = "game.py" }}

[start]
command = ["python3", "-u", "game.py", "{{port}}"]
timeout_s = 30
ready_when = "pattern"

[stop]
command = "stop"
timeout_s = 10
clean_exit = [0]

[console]
ready = '^The orchard is open$'

[[ports]]
name = "game"
default = 4710
"""


def fruit() -> bytes:
    """Return the vendor's archive."""
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w:gz") as tar:
        for number in range(200):
            member = tarfile.TarInfo(f"apple-{number}")
            member.size = len(FRUIT) // 200
            tar.addfile(member, io.BytesIO(FRUIT[: member.size]))
    return archive.getvalue()


ARCHIVE = fruit()


def put_package(folder: Path) -> None:
    """Write the package into a folder of packages."""
    (folder / "orchard").mkdir(parents=True)
    (folder / "orchard" / "game.py").write_text(GAME)
    (folder / "orchard" / "package.toml").write_text(
        PACKAGE.format(
            vendor=VENDOR, tools=hashlib.sha256(TOOLS).hexdigest(), fruit=hashlib.sha256(ARCHIVE).hexdigest()
        )
    )


@pytest.fixture
def vendor() -> Iterator[Mirror]:
    """The vendor, who sends what he has in twenty pieces, each after 50 ms."""
    with Mirror() as mirror:
        mirror.put(VENDOR, "/tools.bin", TOOLS)
        mirror.put(VENDOR, "/fruit.tar.gz", ARCHIVE)
        for path in ("/tools.bin", "/fruit.tar.gz"):
            mirror.fail(VENDOR, path, slow(0.05, pieces=20))
        yield mirror


@pytest.fixture
async def inn(tmp_path: Path, vendor: Mirror) -> AsyncIterator[Embedded]:
    """An installation that sells orchards and charges for them."""
    put_package(tmp_path / "packages")
    options = ("--no-sample", "--mirror", vendor.url, "--packages", str(tmp_path / "packages"))
    async with Embedded(tmp_path, arguments=options) as inn:
        await customer(inn, "billing", "on")
        await customer(inn, "credits", "give", "admin", "100", "--currency", "USD")
        yield inn


async def customer(inn: Embedded, *arguments: str) -> str:
    """Return what a command of `innkeeper` printed."""
    status, output, events = await run(*arguments, "--url", inn.url, "--key", inn.api_key)
    assert status == 0, output + events
    return output


class Customer:
    """Somebody who rents servers, through ServerFlex's dialect."""

    def __init__(self, inn: Embedded) -> None:
        self._inn = inn

    async def ask(self, method: str, path: str, *, status: int = 200, json: Any = None) -> Any:
        """Return the body of an answer, which must have that status."""
        headers = {"Authorization": f"Bearer {self._inn.api_key}"}
        async with httpx.AsyncClient(base_url=self._inn.url, headers=headers, trust_env=False, timeout=60) as client:
            answer = await client.request(method, path, json=json)
        assert answer.status_code == status, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json() if answer.content else None

    async def deploy(self, name: str) -> str:
        """Return the UUID of a new orchard."""
        wish = {"name": name, "billingType": "hourly", "package": "orchard", "plan": "or.tree", "region": "local"}
        made = await self.ask("POST", "/1.0/server/new", json={**wish, "properties": {}})
        return str(made["uuid"])

    async def settled(self, uuid: str) -> dict[str, Any]:
        """Return the deploy once it has ended and the server has come to rest."""
        found: dict[str, Any] = {}

        async def look() -> bool:
            nonlocal found
            operations = (await self._inn.api.ask("GET", f"/servers/{uuid}/operations"))["items"]
            found = operations[-1]
            state = (await self.ask("GET", f"/1.0/server/{uuid}"))["state"]
            return all(one["state"] in ("done", "failed") for one in operations) and state in ("running", "stopped")

        await eventually(look, "the deploy to end", otherwise=lambda: str(found))
        return found

    async def balance(self) -> float:
        """Return what is left of the customer's money."""
        return float((await self.ask("GET", "/1.0/account/balance"))[0]["amount"])


async def test_a_deploy_that_is_killed_at_any_step_ends_honestly_and_leaves_nothing(inn: Embedded) -> None:
    renter = Customer(inn)
    loop = asyncio.get_running_loop()
    begun = loop.time()
    whole = await renter.deploy("undisturbed")
    assert (await renter.settled(whole))["state"] == "done"
    took = loop.time() - begun
    made = [whole]
    for moment in range(8):
        clear_store(inn)
        uuid = await renter.deploy(f"killed at {moment} of 8")
        made.append(uuid)
        await asyncio.sleep(took * moment / 8)
        await inn.kill()
        await inn.start()
        operation = await renter.settled(uuid)
        state = (await renter.ask("GET", f"/1.0/server/{uuid}"))["state"]
        if operation["state"] == "done":
            assert state == "running", (moment, state)
            assert (inn.node_data / "servers" / uuid / "files" / "tools.bin").read_bytes() == TOOLS
        else:
            assert operation["reason"] and state == "stopped", (moment, operation, state)
        assert await renter.balance() == pytest.approx((GIVEN - len(made) * HOURLY) / 1_000_000)

    views = [await renter.ask("GET", f"/1.0/server/{uuid}") for uuid in made]
    ports = [view["network"]["ports"][0]["port"] for view in views]
    assert len(set(ports)) == len(ports), ports

    for uuid in made:
        await inn.api.ask("DELETE", f"/servers/{uuid}", params={"purge": True, "wait": 30})
    folders = inn.node_data / "servers"
    await eventually(
        lambda: not list(folders.iterdir()), "the folders to be gone", otherwise=lambda: str(list(folders.iterdir()))
    )
    left = [process for process in await processes_of(inn.folder) if process.pid != inn.commands["serve"].pid]
    assert not [process for process in left if "game.py" in " ".join(process.cmdline())]
    assert not [file for file in (inn.node_data / "shared").rglob("*") if "part" in file.name or "making" in file.name]
    again = await renter.deploy("after all")
    assert (await renter.settled(again))["state"] == "done"
    port = (await renter.ask("GET", f"/1.0/server/{again}"))["network"]["ports"][0]["port"]
    assert port == min(ports), (port, ports)
    assert await renter.balance() == pytest.approx((GIVEN - (len(made) + 1) * HOURLY) / 1_000_000)
    await customer(inn, "credits", "check")


def clear_store(inn: Embedded) -> None:
    """Have the node download everything anew."""
    for file in (inn.node_data / "shared").glob("downloads/**/*"):
        if file.is_file():
            file.unlink()
