"""A node in a process of its own, to be killed: `python -m tests.unit.node.backups.mortal_node DATA DESIRED`.

It is told the server of which DESIRED, a file, holds the JSON; each report of a job's end is a line of its output.
"""

import asyncio
import sys
from datetime import timedelta
from pathlib import Path

import msgspec

from innkeeper.bus.inprocess import InProcessBus
from innkeeper.node.identity import Identity
from innkeeper.node.main import NodeOptions, open_node
from innkeeper.wire import messages as wire
from innkeeper.wire.codec import decode, encode
from tests.unit.node.fakes import NODE, FakePanel


async def main(data: Path, desired: Path) -> None:
    wanted = msgspec.json.decode(desired.read_bytes(), type=wire.DesiredServer)
    async with InProcessBus() as bus:
        await FakePanel(bus).open()
        await open_node(NodeOptions(data=data), bus, identity=Identity(NODE, "s3cret"))
        reply = await bus.request(wire.node_ask(NODE), encode(wire.Apply(servers=[wanted])), timedelta(seconds=30))
        assert isinstance(decode(reply, wire.Answer), wire.Done)
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), Path(sys.argv[2])))
