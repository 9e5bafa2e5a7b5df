"""The stream of the game's own management server: what it tells, and what a client asks of it, passed through.

    {"type": "request", "data": {"id", "method", "params"}}   →   {"type": "response", "data": {"id", "data"}}
    it tells by itself                                        →   {"type": "notification", "data": {"name", "data"}}

The data of a response is {"success": true, "data": …} or {"success": false, "error": …}, the latter a JSON-RPC error.
ref: the npm client 2, whose `mc-server-management` tells by `success` whether a call went well.
"""

from typing import Any

import msgspec

from innkeeper.core.access.permissions import ServerPermission
from innkeeper.core.errors import CoreError
from innkeeper.core.servers.errors import ManagementRefused
from innkeeper.core.servers.lifecycle import State
from innkeeper.panel.dialects.exaroton.streams.feed import Feed, Socket
from innkeeper.panel.http.bodies import BodyIsInvalid

MAX_REQUESTS = 32
"""Under way at once on one socket."""
_INTERNAL_ERROR = -32603


class Request(msgspec.Struct, frozen=True):
    """What a client asks of the management server."""

    id: str | int
    method: str
    params: Any = None


class ManagementFeed(Feed):
    """Tells notifications and answers requests."""

    name = "management"
    permission = ServerPermission.MANAGEMENT
    states = frozenset({State.RUNNING})

    def __init__(self, socket: Socket) -> None:
        super().__init__(socket)
        self._under_way = 0

    async def pump(self, data: Any) -> None:
        socket = self.socket
        async with socket.product.management.follow(socket.actor, socket.record) as following:
            await self.begin()
            while True:
                name, told = await following.next()
                await self.say("notification", data={"name": name, "data": told})

    async def obey(self, kind: str, data: Any) -> None:
        """Pass a request on; its answer comes when it is there."""
        if kind != "request":
            return
        try:
            request = msgspec.convert(data, Request)
        except msgspec.ValidationError as error:
            raise BodyIsInvalid(f"This is no request: {error}.") from error
        socket = self.socket
        socket.product.directory.reach(socket.actor, socket.record, self.permission)
        if self._under_way >= MAX_REQUESTS:
            await self._answer(request, _error("Too many requests are under way."))
            return
        self._under_way += 1
        socket.tasks.start(self._serve(request), name="exaroton management request", fatal=False)

    async def _serve(self, request: Request) -> None:
        socket = self.socket
        try:
            result = await socket.product.management.call(socket.actor, socket.record, request.method, request.params)
            answer = {"success": True, "data": result}
        except ManagementRefused as error:
            answer = {"success": False, "error": error.data.get("error", _error(error.message)["error"])}
        except CoreError as error:
            answer = _error(error.message)
        finally:
            self._under_way -= 1
        await self._answer(request, answer)

    async def _answer(self, request: Request, data: Any) -> None:
        await self.say("response", data={"id": request.id, "data": data})


def _error(message: str) -> dict[str, Any]:
    return {"success": False, "error": {"code": _INTERNAL_ERROR, "message": message}}
