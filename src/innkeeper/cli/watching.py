"""Follow what a server uses, over the API's WebSocket, for as long as it tells.

Knows nothing of what is printed.
"""

import json
from collections.abc import Iterator
from typing import Any

from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus
from websockets.sync.client import connect

from innkeeper.cli.client import Client, refuse, why_not_connected
from innkeeper.cli.failures import CommandFailed, NotConnected
from innkeeper.cli.stream import opening


def usages(client: Client, server: str, *, tick: bool) -> Iterator[dict[str, Any]]:
    """Give the server's samples, one a second; raise CommandFailed when it stops telling, NotConnected."""
    address, options = opening(client.place, f"/servers/{server}/figures/stream", {"tick": str(tick).lower()})
    try:
        with connect(address, **options) as socket:
            for message in socket:
                frame = json.loads(message)
                if frame.get("type") == "usage":
                    yield frame["usage"]
    except InvalidStatus as error:
        refuse(_content(error.response.body), error.response.status_code, client.place)
    except ConnectionClosed as error:
        code = error.rcvd.reason if error.rcvd is not None else ""
        raise CommandFailed("The server tells no more figures.", code=code or "stream_ended") from error
    except (OSError, TimeoutError, InvalidHandshake) as error:
        raise NotConnected(why_not_connected(error, client.place.url)) from error


def _content(body: bytes | bytearray | None) -> Any:
    try:
        return json.loads(body or b"")
    except ValueError:
        return None
