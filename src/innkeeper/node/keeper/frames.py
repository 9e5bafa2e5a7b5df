"""What a keeper and its clients say to each other, and where the socket is.

A frame is: body length u32 | type u8 | body, little-endian. JSON where nothing is hot.

    keeper → client   HELLO     {"run_id","pid","started_us","next_seq","state"}; every block from next_seq on follows
                      BLOCK     first_seq u64 | time_us u64 | payload
                      EXIT      {"code","signal","at_us"}; the last frame
                      DONE      request u32
                      REFUSED   request u32 | why, text
                      LAGGED    next_seq u64: blocks before it were not sent, the journal has them
    client → keeper   INPUT     request u32 | bytes: DONE once all are in the terminal
                      SIGNAL    request u32 | number i32, to the game's own process
                      KILL      request u32: DONE once the game and all it started are dead

Refuses to know what a console line means. Standard library only, and cheap to import.
"""

from __future__ import annotations

import os
import struct

HELLO, BLOCK, EXIT, DONE, REFUSED, LAGGED = 1, 2, 3, 4, 5, 6
INPUT, SIGNAL, KILL = 16, 17, 18

FRAME = struct.Struct("<IB")
BLOCK_FRAME = struct.Struct("<IBQQ")
BLOCK_BODY = struct.Struct("<QQ")
REQUEST = struct.Struct("<I")
SEQ = struct.Struct("<Q")
SIGNUM = struct.Struct("<i")

MAX_REQUEST_BYTES = 64 * 1024 + REQUEST.size
SOCKET_NAME = "keeper.sock"
LOCK_NAME = "lock"
STATE_NAME = "state.json"
SPEC_NAME = "spec.json"
LOG_NAME = "keeper.log"


def pack_frame(kind: int, body: bytes) -> bytes:
    """Return one frame."""
    return FRAME.pack(len(body), kind) + body


def pack_block(first_seq: int, time_us: int, payload: bytes) -> bytes:
    """Return a BLOCK frame."""
    return BLOCK_FRAME.pack(BLOCK_BODY.size + len(payload), BLOCK, first_seq, time_us) + payload


def socket_path(directory_fd: int, name: str = SOCKET_NAME) -> str:
    """Return a name of the socket in an open directory, short whatever the directory's own path is."""
    return f"/proc/self/fd/{directory_fd}/{name}"


def open_directory(path: str) -> int:
    """Return a descriptor for `socket_path`. Raises OSError."""
    return os.open(path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
