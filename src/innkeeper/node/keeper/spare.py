"""A keeper forked in advance: what a start need not wait for is done already, and it waits for its order.

    zygote ──forks──▶ spare ──order, and the connection of whoever gave it──▶ keeper
                        └──end of its channel: the zygote does not want it, or is dead──▶ gone

An order is one message: a spare has it wholly or not at all. The zygote keeps nothing of it, so where the spare dies
with it the connection closes, which tells whoever waits for an answer that nothing was started.

Refuses to know what is kept, and when a spare is wanted. Standard library only, and cheap to import.
"""

from __future__ import annotations

import errno
import json
import os
import socket
import sys

from innkeeper.node.keeper import keeper
from innkeeper.node.keeper.log import report

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn

DISMISS_PATIENCE = 1.0
MAX_ORDER_BYTES = 128 << 10
_CHANNEL = 3
_FD_BYTES = 4


class Spare:
    """The zygote's end of one; make it with `fork`, then `order` or `dismiss` it once."""

    def __init__(self, channel: socket.socket) -> None:
        self._channel = channel

    @classmethod
    def fork(cls) -> Spare:
        """Return a new one, nobody's child and in another session, with no descriptor of ours. Raises OSError."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            child = os.fork()
            if child == 0:
                _become_spare(theirs.fileno())
            if os.waitpid(child, 0)[1] != 0:
                raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))
        except OSError:
            ours.close()
            raise
        finally:
            theirs.close()
        ours.setblocking(False)
        return cls(ours)

    def order(self, keep_dir: str, journal_dir: str, connection: socket.socket) -> bool:
        """Have it keep a server and answer on `connection`, of which it gets a copy; return False where it is dead."""
        wanted = json.dumps([keep_dir, journal_dir]).encode()
        copy = connection.fileno().to_bytes(_FD_BYTES, sys.byteorder)
        try:
            self._channel.sendmsg([wanted], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, copy)])
        except OSError as error:
            report("spare.lost", error)
            return False
        finally:
            self._channel.close()
        return True

    def dismiss(self) -> None:
        """Have it end, and wait until it has."""
        try:
            self._channel.settimeout(DISMISS_PATIENCE)
            self._channel.shutdown(socket.SHUT_WR)
            self._channel.recv(1)
        except OSError as error:
            report("spare.not_dismissed", error)
        finally:
            self._channel.close()


def _become_spare(channel: int) -> NoReturn:
    """Never return: what the stack above holds is never destroyed, so no socket there closes a number given anew."""
    try:
        os.setsid()
        keeper.protect()  # before it is nobody's child: none is ever seen that looks like another zygote
        if os.fork() != 0:
            os._exit(0)
        os.dup2(channel, _CHANNEL)
        os.closerange(_CHANNEL + 1, os.sysconf("SC_OPEN_MAX"))
        os.set_inheritable(_CHANNEL, False)
    except BaseException as error:  # noqa: BLE001 - this process may not go on as a second zygote
        report("spare.fork.failed", error)
        os._exit(1)
    keeper.keep(_await_order)


def _await_order() -> keeper.Order:
    """Return once there is an order; where none can come any more, this process ends."""
    with socket.socket(fileno=_CHANNEL) as channel:
        wanted, copies, _, _ = channel.recvmsg(MAX_ORDER_BYTES, socket.CMSG_SPACE(_FD_BYTES), socket.MSG_CMSG_CLOEXEC)
    if not wanted:
        os._exit(0)
    connection = int.from_bytes(copies[0][2], sys.byteorder)
    os.set_blocking(connection, True)

    def answer(told: dict[str, Any]) -> None:
        try:
            os.write(connection, json.dumps(told).encode() + b"\n")
        except OSError as error:  # whoever asked is gone: the game runs all the same
            report("keeper.answer.unheard", error)
        os.close(connection)

    keep_dir, journal_dir = json.loads(wanted)
    return keep_dir, journal_dir, answer
