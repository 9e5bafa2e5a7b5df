"""The reads that are answered before the framework: the routes would have said the same."""

from pathlib import Path

import httpx
import pytest

from innkeeper.core.access.permissions import ServerPermission
from innkeeper.core.servers.model import ServerChanges
from innkeeper.panel.dialects.exaroton.app import exaroton_application
from innkeeper.panel.dialects.exaroton.ids import Ids
from innkeeper.panel.dialects.exaroton.routes.servers import ServerRoutes
from innkeeper.panel.http.fast import Reads
from innkeeper.panel.http.needs import Needs
from innkeeper.testing.products import House

FAST = {
    "/v1/servers",
    "/v1/servers/",
    "/v1/servers?limit=1",
    "/v1/servers/{mine}",
    "/v1/servers/{mine}/",
    "/v1/servers/{theirs}",
    "/v1/servers/{theirs}/",
}
PATHS = [
    *sorted(FAST),
    "/v1/servers/nothing",
    "/v1/servers/{mine}/nothing",
    "/v1/servers//",
    "/v1/servers/{mine}//",
    "/v1/serversandmore",
    "/v1/servers/%2e%2e",
]
HEADERS = [
    {"Authorization": "Bearer {key}"},
    {"Authorization": "bearer  {key} "},
    {"Authorization": "Bearer wrong"},
    {"Authorization": "Basic {key}"},
    {},
]


class Watched:
    """Counts what is answered without the routes."""

    def __init__(self, reads: Reads) -> None:
        self._reads = reads
        self.answered = 0

    def answer(self, scope: object) -> bytes | None:
        body = self._reads.answer(scope)  # type: ignore[arg-type]
        self.answered += body is not None
        return body


@pytest.mark.parametrize("path", PATHS)
async def test_the_fast_way_and_the_routes_say_the_same(tmp_path: Path, path: str) -> None:
    async with House.open(tmp_path) as house:
        guest = await house.account("guest")
        ids = Ids(house.product)
        mine = ids.of_server((await house.server(owner=guest, name="mine")).server)
        theirs = ids.of_server((await house.server(name="theirs")).server)
        keys = [await house.key(guest), await house.key(house.root), await house.key(guest, ServerPermission.START)]
        application = exaroton_application(house.product)
        assert application.reads is not None
        watched = Watched(application.reads)
        transport = httpx.ASGITransport(application)
        async with httpx.AsyncClient(transport=transport, base_url="http://panel") as http:
            for key in keys:
                for template in HEADERS:
                    headers = {name: value.format(key=key) for name, value in template.items()}
                    said = []
                    for reads in (watched, None, watched):
                        application.reads = reads
                        answer = await http.get(path.format(mine=mine, theirs=theirs), headers=headers)
                        said.append((answer.status_code, answer.headers.raw, answer.content))
                    assert said[0] == said[1] == said[2]
        assert bool(watched.answered) == (path in FAST)


async def test_a_list_follows_what_changes_of_servers_and_of_rights(tmp_path: Path) -> None:
    async with House.open(tmp_path) as house:
        guest = await house.account("guest")
        record = await house.server(owner=guest, name="before")
        headers = {"Authorization": f"Bearer {await house.key(guest)}"}
        transport = httpx.ASGITransport(exaroton_application(house.product))
        async with httpx.AsyncClient(transport=transport, base_url="http://panel") as http:

            async def names() -> list[str]:
                data = (await http.get("/v1/servers", headers=headers)).json()["data"]
                return [server["name"] for server in data]

            assert await names() == ["before"]
            actor = house.product.authority.actor_of(house.root.id, "system")
            await house.product.servers.change(actor, record, ServerChanges(name="after"))
            assert await names() == ["after"]
            other = await house.server(name="shared")
            assert await names() == ["after"]
            await house.share(other, guest, ServerPermission.VIEW)
            assert await names() == ["after", "shared"]


def test_the_list_needs_nothing_but_a_key() -> None:
    needs: Needs = ServerRoutes.list_servers.opt["needs"]
    assert needs == Needs("account")
