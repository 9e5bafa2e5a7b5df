"""The dialect as a customer meets it: a house that rents servers out, and everybody who may or may not do something."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx

from innkeeper.core.accounts.model import Account
from innkeeper.core.nodes.model import Region
from innkeeper.core.servers.directory import Record
from innkeeper.panel.dialects.serverflex.ids import label_of
from innkeeper.panel.dialects.serverflex.levels import PERMISSIONS, Given
from innkeeper.testing.products import PASSWORD, House
from tests.unit.core.conftest import FakeClock

PACKAGES = Path(__file__).parent / "packages"
SHARED: dict[str, Given] = {"alice": "admin", "walter": "write", "rita": "read"}
"""With whom the example is shared."""
Headers = Sequence[tuple[str, str]]


@dataclass
class Served:
    """A house, its owner's server, where the dialect is served, and keys by the names of their accounts."""

    house: House
    clock: FakeClock
    example: Record
    owner: Account
    url: str
    keys: dict[str, str]

    @property
    def id(self) -> str:
        """The server's id."""
        return str(self.example.server.uuid)

    @property
    def names(self) -> dict[str, str]:
        """What transcripts call by name."""
        accounts = self.house.product.authority.accounts.values()
        return {
            "id": self.id,
            "label": label_of(self.example.server),
            "key": self.keys[self.owner.username],
            "referral": self.owner.referral_token,
            **{f"{name}_key": key for name, key in self.keys.items()},
            **{account.username: str(account.uuid) for account in accounts},
        }

    async def ask(self, method: str, path: str, *, headers: Headers = (), body: bytes | None = None) -> httpx.Response:
        """Send one request, as it stands: nothing is followed and nothing added that a client would not."""
        async with httpx.AsyncClient(base_url=self.url, trust_env=False) as client:
            return await client.request(method, path, headers=list(headers), content=body)

    async def get(self, path: str, *, key: str | None = None) -> httpx.Response:
        """Ask for a path with a key (the owner's, if none is given)."""
        secret = key or self.keys[self.owner.username]
        return await self.ask("GET", path, headers=[("Authorization", f"Bearer {secret}")])

    def account(self, name: str) -> Account:
        """Return an account by its name."""
        found = self.house.product.authority.by_username(name)
        assert found is not None
        return found


async def furnish(house: House) -> tuple[Record, Account, dict[str, str]]:
    """Rent out: a region with a node in it, a customer with a server, and others; return also everybody's key."""
    product, root = house.product, house.actor(house.root)
    await product.regions.put(root, Region(name="us-1", country="US", city="Ashburn"))
    await product.nodes.change(root, house.node.uuid, region="us-1", memory_mib=8192, disk_mib=100_000)
    owner = await product.accounts.create(
        None,
        username="legend",
        password=PASSWORD,
        email="legend@example.com",
        given_name="Awesome",
        family_name="Legend",
        country="GB",
    )
    people = {"legend": owner, "root": house.root}
    for name in (*SHARED, "newcomer"):
        people[name] = await product.accounts.create(
            None,
            username=name,
            password=PASSWORD,
            email=f"{name}@example.com",
            given_name=name.capitalize(),
            family_name="Flex",
        )
    await product.access.create_role(
        root, name="customers", permissions=frozenset({"servers.create"}), members=frozenset({owner.id})
    )
    example = await house.server(
        owner=owner,
        name="My Minecraft Server",
        package="minecraft",
        runtime="vanilla",
        version="latest",
        plan="mc.grass",
        region="us-1",
        properties={"eula": True},
    )
    for name, level in SHARED.items():
        await house.share(example, people[name], *PERMISSIONS[level])
    return house.now(example), owner, {name: await house.key(account) for name, account in people.items()}
