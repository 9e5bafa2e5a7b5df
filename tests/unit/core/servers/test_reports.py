"""What nodes report is taken for their own servers only."""

from pathlib import Path

import msgspec

from innkeeper.core.servers.lifecycle import State
from innkeeper.core.servers.reconcile import Observation
from innkeeper.kit.ids import uuid7
from innkeeper.testing.products import House


async def test_a_report_on_another_nodes_server_changes_nothing(tmp_path: Path) -> None:
    async with House.open(tmp_path) as house:
        server = await house.server()
        other = await house.product.nodes.ensure_own("far", uuid7(), "secret", address="127.0.0.1", public_host="")
        crashed = msgspec.structs.replace(server.live, state=State.CRASHED)
        said = Observation(
            uuid=server.server.uuid,
            live=crashed,
            generation=server.server.generation,
            order_id=server.server.order_id,
            progress=None,
        )

        await house.reconciler.observe(other.id, [said])
        assert house.now(server).live.state is State.STOPPED
        await house.reconciler.observe(house.node.id, [said])
        assert house.now(server).live.state is State.CRASHED


async def test_a_report_on_a_server_that_there_is_not_does_no_harm(tmp_path: Path) -> None:
    async with House.open(tmp_path) as house:
        server = await house.server()
        said = Observation(uuid=uuid7(), live=server.live, generation=1, order_id=None, progress=None)
        await house.reconciler.observe(house.node.id, [said])
        assert house.now(server).live == server.live
