"""What one client may take of sockets and their messages."""

import pytest
from websockets.exceptions import InvalidStatus

from innkeeper.panel.dialects.exaroton.streams.socket import BURST
from tests.dialects.exaroton.served import Served


async def test_an_account_has_so_many_sockets_and_no_more(served: Served) -> None:
    guest = await served.house.account("guest", superuser=True)
    async with served.at(most_sockets=2):
        async with served.socket(), served.socket():
            with pytest.raises(InvalidStatus) as refused:
                async with served.socket():
                    pass
            assert refused.value.response.status_code == 403
            async with served.socket(key=await served.house.key(guest)):
                pass
        async with served.socket():
            pass


async def test_a_flood_of_messages_is_obeyed_in_the_end(served: Served) -> None:
    async with served.socket() as socket:
        for _ in range(BURST + 5):
            await socket.send({"stream": "console", "type": "stop"})
        assert await socket.frames(BURST + 5) == [{"stream": "console", "type": "stopped"}] * (BURST + 5)
