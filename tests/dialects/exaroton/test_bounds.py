"""What one client may take of sockets and their messages."""

import pytest
from websockets.exceptions import InvalidStatus

from innkeeper.core.access.errors import PermissionIsMissing
from innkeeper.core.console.errors import TooManyStreams
from innkeeper.panel.dialects.exaroton.streams.places import BURST, MESSAGES_PER_S, Places, Throttle
from tests.dialects.exaroton.served import Served
from tests.unit.core.conftest import FakeClock


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


async def test_a_place_is_free_again_whatever_ended_it(served: Served) -> None:
    places, actor = Places(1), served.house.actor(served.house.root)
    for _ in range(3):
        with pytest.raises(PermissionIsMissing), places.place(actor):
            with pytest.raises(TooManyStreams), places.place(actor):
                pass
            raise PermissionIsMissing


def test_who_sends_faster_is_read_no_faster() -> None:
    clock = FakeClock()
    throttle = Throttle(clock)
    assert [throttle.take() for _ in range(BURST)] == [0.0] * BURST
    waited = 0.0
    for _ in range(100):
        wait_s = throttle.take()
        clock.advance(seconds=wait_s)
        waited += wait_s
    assert waited == pytest.approx(100 / MESSAGES_PER_S)
    clock.advance(seconds=1000)
    assert [throttle.take() for _ in range(BURST)] == [0.0] * BURST
    assert throttle.take() > 0


async def test_a_flood_of_messages_is_obeyed_in_the_end(served: Served) -> None:
    async with served.socket() as socket:
        for _ in range(BURST + 5):
            await socket.send({"stream": "console", "type": "stop"})
        assert await socket.frames(BURST + 5) == [{"stream": "console", "type": "stopped"}] * (BURST + 5)
