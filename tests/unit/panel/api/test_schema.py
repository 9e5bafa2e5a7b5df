"""Whatever is sent to the API, it answers as its document says, and never with a fault of its own."""

import asyncio
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from innkeeper.core.metrics.model import HostUsage
from innkeeper.kit.tasks import TaskSet, every
from innkeeper.panel.api.app import HANDLERS, api_application
from innkeeper.panel.api.reference import openapi_document
from innkeeper.panel.http.serving import HttpServer
from innkeeper.testing.products import House

pytestmark = pytest.mark.slow

DOCUMENT = openapi_document(HANDLERS, "v1")
SCHEMA = schemathesis.openapi.from_dict(msgspec.json.decode(msgspec.json.encode(DOCUMENT)))
CHECKS = [not_a_server_error, response_schema_conformance, content_type_conformance, status_code_conformance]


@dataclass
class Served:
    url: str = ""
    key: str = ""
    server: str = ""
    node: str = ""


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Serve a house from a thread of its own: schemathesis asks as any other client does."""
    found, ready = Served(), threading.Event()
    loop = asyncio.new_event_loop()
    stop = asyncio.Event()

    async def serve(folder: Path) -> None:
        async with House.open(folder) as house:
            server = await house.server(start=True)
            house.gateway.say(server.server.uuid, "a line", "another")
            tasks = TaskSet("served").start_set()
            http = HttpServer(api_application(house.product), tasks)
            await http.open("127.0.0.1", 0)

            async def heard() -> None:
                house.product.nodes.heard(house.node.id)
                now = house.clock.now()
                usage = HostUsage(
                    at=now, cpu_percent=3, cpus=2, memory_bytes=1 << 30, memory_total_bytes=4 << 30, booted_at=now
                )
                house.product.metrics.take_host(house.node.id, usage)

            tasks.start(every(timedelta(seconds=5), heard, name="the node is there"), name="the node is there")
            found.url, found.key, found.server = http.url, await house.key(house.root), str(server.server.uuid)
            found.node = str(house.node.uuid)
            ready.set()
            await stop.wait()
            await http.close()
            await tasks.aclose()

    thread = threading.Thread(
        target=loop.run_until_complete, args=(serve(tmp_path_factory.mktemp("house")),), name="served", daemon=True
    )
    thread.start()
    assert ready.wait(30)
    yield found
    loop.call_soon_threadsafe(stop.set)
    thread.join(20)
    loop.close()


@SCHEMA.parametrize()
@settings(
    max_examples=12,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)
def test_hostile_requests(case: schemathesis.Case, served: Served) -> None:
    deletes = case.method.upper() == "DELETE"
    if "server" in case.path_parameters and not (deletes and case.path.endswith("/{server}")):
        case.path_parameters["server"] = served.server
    if "node" in case.path_parameters and not deletes:
        case.path_parameters["node"] = served.node
    headers = {"Authorization": f"Bearer {served.key}"}
    if "wait" in (case.query or {}):
        case.query["wait"] = 0
    response = case.call(base_url=served.url, headers=headers)
    case.validate_response(response, checks=CHECKS)
