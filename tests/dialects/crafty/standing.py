"""How things stand with the server before something is asked of it, by the words that transcripts say it in."""

import io
import zipfile
from collections.abc import Awaitable, Callable

import msgspec

from innkeeper.core.house.model import HouseChanges
from innkeeper.core.servers.lifecycle import State
from innkeeper.core.servers.model import OnlinePlayer, Usage
from innkeeper.core.webhooks.model import Notice, Outcome
from innkeeper.panel.deliveries import HttpCourier
from tests.dialects.crafty.served import Served


class Arriving(HttpCourier):
    """Looks at webhooks as ever, and sends nothing anywhere: whatever is sent has arrived."""

    async def carry(self, notice: Notice) -> Outcome:
        return Outcome(arrived=True, status=204)


async def runs(served: Served) -> None:
    """The server runs, Alice is there, and it was sampled."""
    house, example = served.house, served.example
    now = house.clock.now()
    live = msgspec.structs.replace(house.gateway.live(State.RUNNING), players=(OnlinePlayer(name="Alice", since=now),))
    await house.gateway.see(example.server.uuid, live)
    usage = Usage(at=now, cpu_percent=21.12, memory_bytes=1717986918, disk_bytes=194405990, players=1)
    live = house.product.directory.get(example.server.id).live
    house.product.directory.put_live(example.server.id, msgspec.structs.replace(live, usage=usage))
    async with house.database.works() as work:
        await work.metrics.add([(example.server.id, usage)])


async def shows_status(served: Served) -> None:
    """Everybody may see how it stands with the server."""
    await served.data("PATCH", f"/servers/{served.example.server.id}", json={"show_status": True})


async def has_a_task(served: Served) -> None:
    """The server has a task that says hello each minute."""
    body = {"name": "Test 1234", "action": "custom_command", "interval": 1, "interval_type": "minutes"}
    await served.data("POST", f"/servers/{served.example.server.id}/tasks", json=body | {"command": "say hello world"})


async def has_a_reaction(served: Served) -> None:
    """Another task follows that one."""
    body = {"name": "re", "action": "command", "interval": 0, "interval_type": "reaction", "parent": 1, "delay": 5}
    await served.data("POST", f"/servers/{served.example.server.id}/tasks", json=body | {"command": "say r"})


async def has_a_webhook(served: Served) -> None:
    """The server has a webhook."""
    body = {
        "webhook_type": "Discord",
        "name": "My example webhook",
        "url": "https://webhook.example.com",
        "bot_name": "BIG BOT",
        "trigger": ["server_start"],
        "body": "Box was started\n",
        "enabled": True,
    }
    await served.data("POST", f"/servers/{served.example.server.id}/webhook", json=body)


async def has_said(served: Served) -> None:
    """The game has printed two lines, and help is a word that is coloured."""
    house = served.house
    await house.product.house.change(house.actor(house.root), HouseChanges(keywords=("help",)))
    served.house.gateway.say(
        served.example.server.uuid, "[18:27:57 INFO]: Loading properties", '[18:27:58 INFO]: For help, type "help"'
    )


async def has_files(served: Served) -> None:
    """The server has a folder, a text, an archive, and one that is none."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("world/level.dat", "level")
    served.house.gateway.trees[served.example.server.uuid] = {
        "logs": None,
        "a.txt": b"hello <b>",
        "broken.zip": b"no archive",
        "world.zip": packed.getvalue(),
    }


async def there_are_imports(served: Served) -> None:
    """On the node's host there is an archive that is opened to imports."""
    served.house.gateway.imports |= {
        "/srv/import/old.zip": {"server.jar": False, "world": True, "B & C": True, "a.txt": False},
        "/srv/import/old.zip/world": {"level.dat": False},
    }


async def has_a_backup(served: Served) -> None:
    """The server has a finished backup, the first one of all."""
    house = served.house
    await house.product.backups.create(house.actor(house.root), served.example)
    await house.settle()


STANDING: dict[str, Callable[[Served], Awaitable[None]]] = {
    "it runs": runs,
    "it shows its status": shows_status,
    "it has a task": has_a_task,
    "it has a reaction": has_a_reaction,
    "it has a webhook": has_a_webhook,
    "it has said something": has_said,
    "it has files": has_files,
    "it has a backup": has_a_backup,
    "there are imports": there_are_imports,
}
