"""Games without a query protocol we speak: whether their TCP port takes connections is all that is asked.

Says nothing of players, and suits no game that only listens on UDP.
"""

import asyncio
from contextlib import suppress
from datetime import timedelta

from innkeeper.contracts.game import GameSilent, GameStatus


class TcpConnect:
    """The query `tcp`: a connection that is opened and closed again."""

    name = "tcp"

    async def ask(self, host: str, port: int, timeout: timedelta) -> GameStatus:
        try:
            async with asyncio.timeout(timeout.total_seconds()):
                _, writer = await asyncio.open_connection(host, port)
                writer.close()
                with suppress(OSError):
                    await writer.wait_closed()
        except TimeoutError as error:
            raise GameSilent(f"no connection within {timeout.total_seconds():g} s") from error
        except OSError as error:
            raise GameSilent(str(error)) from error
        return GameStatus(players_online=0, players_max=0)
