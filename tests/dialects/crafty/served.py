"""The dialect as its users meet it: a superuser, somebody with a role, and somebody with nothing."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx

from innkeeper.core.accounts.model import Account
from innkeeper.core.metrics.model import Disk, HostUsage
from innkeeper.core.servers.directory import Record
from innkeeper.panel.dialects.crafty import masks
from innkeeper.testing.products import PASSWORD, House

Headers = Sequence[tuple[str, str]]
NOTHING = "0" * len(masks.SERVER_BITS)
NOTHING_BESIDE = "0" * len(masks.PRODUCT_BITS)


@dataclass
class Served:
    """A house, where the dialect is served, a server that others may have roles on, and one that nobody has."""

    house: House
    client: httpx.AsyncClient
    """Of paths below `/api/v2`."""
    example: Record
    foreign: Record
    tokens: dict[str, str] = field(default_factory=dict)
    """Those that were signed in before, by their names."""

    async def ask(self, method: str, path: str, *, token: str | None = None, **more: Any) -> httpx.Response:
        """Send one request to a path below `/api/v2`."""
        headers = {"Authorization": f"Bearer {token}"} if token is not None else {}
        return await self.client.request(method, path, headers=headers | more.pop("headers", {}), **more)

    async def data(self, method: str, path: str, *, token: str | None = None, **more: Any) -> Any:
        """Return the data of a reply to the superuser (or whoever's token it is), which must be a success."""
        reply = await self.ask(method, path, token=token or await self.token("root"), **more)
        assert reply.is_success, f"{method} {path}: {reply.status_code} {reply.text}"
        body = reply.json()
        assert body["status"] == "ok", body
        return body.get("data")

    async def token(self, name: str, password: str = PASSWORD) -> str:
        """Return a token of an account, which signs in the first time."""
        if name not in self.tokens:
            reply = await self.ask("POST", "/auth/login", json={"username": name, "password": password})
            assert reply.status_code == 200, reply.text
            self.tokens[name] = reply.json()["data"]["token"]
        return self.tokens[name]

    def account(self, name: str) -> Account:
        """Return an account by its name."""
        found = self.house.product.authority.by_username(name)
        assert found is not None
        return found

    async def with_role(self, name: str, mask: str, product: str = NOTHING_BESIDE) -> str:
        """Return the token of a new account with a role of that mask on the example, and a mask beside servers."""
        product_permissions = masks.on_product(product)
        account = await self.house.product.accounts.create(
            None, username=name, password=PASSWORD, permissions=product_permissions
        )
        if mask != NOTHING:
            await self.house.product.access.create_role(
                self.house.actor(self.house.root),
                name=f"role of {name}",
                servers={self.example.server.id: masks.on_server(mask)},
                members=frozenset({account.id}),
            )
        return await self.token(name)

    async def key(self, name: str, server: str, product: str = NOTHING_BESIDE) -> str:
        """Return the token of a new key of an account, with masks."""
        account = self.account(name)
        token = await self.token(name)
        body = {"name": "a key", "server_permissions_mask": server, "crafty_permissions_mask": product}
        made = await self.data("PATCH", f"/users/{account.id}/key", token=token, json=body)
        return str(await self.data("GET", f"/users/{account.id}/key/{made['id']}", token=token))


async def host_told(served: Served) -> None:
    """The node's host told what it uses."""
    now = served.house.clock.now()
    disk = Disk(
        device="/dev/vda", mount="/", filesystem="ext4", total_bytes=252 << 30, used_bytes=31 << 30, free_bytes=70 << 30
    )
    usage = HostUsage(
        at=now,
        cpu_percent=29.0,
        cpus=2,
        cpu_mhz=2500.0,
        memory_bytes=4 << 30,
        memory_total_bytes=16 << 30,
        disks=(disk,),
        booted_at=now,
    )
    served.house.product.metrics.take_host(served.house.node.id, usage)


async def furnish(house: House) -> tuple[Record, Record]:
    """Make two servers of the superuser's."""
    return await house.server(name="example"), await house.server(name="foreign")
