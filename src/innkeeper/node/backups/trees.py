"""What a snapshot says about each name of a folder, and the one blob in which it says it.

    "IKSNAP1\\n" · length · head · SHA-256 of the head · tree · SHA-256 of the tree

The head is a `Snapshot`, the tree a zstd frame of all nodes, sorted by path, a folder before its content. What is read
back is checked as if an enemy had written it: no path leads anywhere but beneath the folder, no size is believed before
memory is given for it. This module knows nothing of chunks' content.
"""

import hashlib
import struct
from collections.abc import Iterable, Iterator, Sequence
from typing import Literal

import msgspec
import zstandard

from innkeeper.contracts.blobstore import BlobIsMissing, BlobStore
from innkeeper.node.backups.errors import FolderIsTooLarge, PathIsNotInSnapshot, RepositoryIsDamaged, SnapshotIsMissing
from innkeeper.node.backups.model import Snapshot
from innkeeper.node.backups.packs import CHUNK, DIGEST
from innkeeper.node.files.names import parse, show

PREFIX = "snapshots/"
MODES = 0o777
_BEGIN = b"IKSNAP1\n"
_LENGTH = struct.Struct("<I")
_HASH = 32
_FIRST_LOOK = 8 << 10
_MOST_HEAD = 1 << 20
_MOST_TREE = 512 << 20
_LEVEL = 3


class Run(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Chunks that follow each other in a file: the number of the first, and all their digests."""

    first: int
    digests: bytes

    def __iter__(self) -> Iterator[bytes]:
        return (self.digests[at : at + DIGEST] for at in range(0, len(self.digests), DIGEST))


class Node(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One name. `kind` is a file, folder, symbolic link, or another name of the file whose path is `target`.

    What of a file is in no run is zeros. `inode` and `changed_ns` (its ctime, 0 where it must not be believed) tell the
    next snapshot whether to read the file again; they are no part of what is restored.
    """

    path: bytes
    kind: Literal["f", "d", "l", "h"]
    mode: int = 0
    mtime_ns: int = 0
    size: int = 0
    runs: tuple[Run, ...] = ()
    target: bytes = b""
    inode: tuple[int, int] = (0, 0)
    changed_ns: int = 0

    @property
    def parts(self) -> list[bytes]:
        """The components of the path."""
        return self.path.split(b"/")

    @property
    def shown(self) -> str:
        """The path as users see it."""
        return show(self.path)

    def digests(self) -> Iterator[bytes]:
        """Give the digests of all chunks."""
        for run in self.runs:
            yield from run


_encoder = msgspec.msgpack.Encoder()
_head_decoder = msgspec.msgpack.Decoder(Snapshot)
_tree_decoder = msgspec.msgpack.Decoder(list[Node])


def sort_key(node: Node) -> list[bytes]:
    """Order nodes so that a folder comes right before all its content."""
    return node.parts


def digest_of_tree(nodes: Iterable[Node]) -> str:
    """Give the digest by which equal folders are known."""
    sums = hashlib.sha256()
    for node in nodes:
        sums.update(_encoder.encode(msgspec.structs.replace(node, inode=(0, 0), changed_ns=0)))
    return sums.hexdigest()


def encode(head: Snapshot, tree: bytes) -> bytes:
    """Give the blob of a snapshot; `tree` is what `pack_tree` gave."""
    raw = _encoder.encode(head)
    return b"".join(
        (_BEGIN, _LENGTH.pack(len(raw)), raw, hashlib.sha256(raw).digest(), tree, hashlib.sha256(tree).digest())
    )


def pack_tree(nodes: Sequence[Node]) -> bytes:
    """Give the stored form of the nodes; raises `FolderIsTooLarge`."""
    raw = _encoder.encode(nodes)
    if len(raw) > _MOST_TREE:
        raise FolderIsTooLarge("The folder holds too much for one backup, some 300 GB; leave some of it out")
    return zstandard.ZstdCompressor(level=_LEVEL, write_content_size=True).compress(raw)


def decode_head(raw: bytes) -> Snapshot:
    """Give the head of the encoded form."""
    return _head_decoder.decode(raw)


def read_head(store: BlobStore, snapshot_id: str) -> tuple[bytes, Snapshot]:
    """Give the head of a snapshot, encoded and decoded, without its tree."""
    name = PREFIX + snapshot_id
    start = len(_BEGIN) + _LENGTH.size
    try:
        blob = store.get(name, 0, _FIRST_LOOK)
        if len(blob) < start or not blob.startswith(_BEGIN):
            raise RepositoryIsDamaged(f"{name} is no snapshot")
        (length,) = _LENGTH.unpack_from(blob, len(_BEGIN))
        end = start + length + _HASH
        if length > _MOST_HEAD:
            raise RepositoryIsDamaged(f"The head of {name} states an impossible size")
        if end > len(blob):
            blob = store.get(name, 0, end)
    except BlobIsMissing as error:
        raise SnapshotIsMissing(snapshot_id) from error
    raw = blob[start : start + length]
    if len(blob) < end or hashlib.sha256(raw).digest() != blob[start + length : end]:
        raise RepositoryIsDamaged(f"The head of {name} is not what was stored")
    try:
        head = _head_decoder.decode(raw)
    except msgspec.DecodeError as error:
        raise RepositoryIsDamaged(f"The head of {name} cannot be read") from error
    if head.id != snapshot_id:
        raise RepositoryIsDamaged(f"{name} holds another snapshot, {head.id}")
    return raw, head


def read_tree(store: BlobStore, snapshot_id: str) -> list[Node]:
    """Give all nodes of a snapshot."""
    name = PREFIX + snapshot_id
    raw, _ = read_head(store, snapshot_id)
    start = len(_BEGIN) + _LENGTH.size + len(raw) + _HASH
    try:
        blob = store.get(name, start, _MOST_TREE)
    except BlobIsMissing as error:
        raise SnapshotIsMissing(snapshot_id) from error
    tree = memoryview(blob)[:-_HASH]
    if len(blob) < _HASH or hashlib.sha256(tree).digest() != blob[-_HASH:]:
        raise RepositoryIsDamaged(f"The tree of {name} is not what was stored")
    try:
        size = zstandard.frame_content_size(tree)
        if not 0 <= size <= _MOST_TREE:
            raise RepositoryIsDamaged(f"The tree of {name} states an impossible size")
        nodes = _tree_decoder.decode(zstandard.ZstdDecompressor().decompress(tree, max_output_size=size))
    except (zstandard.ZstdError, msgspec.DecodeError) as error:
        raise RepositoryIsDamaged(f"The tree of {name} cannot be read") from error
    _check(nodes, name)
    return nodes


def _check(nodes: list[Node], name: str) -> None:
    folders: set[bytes] = {b""}
    files: set[bytes] = set()
    last: list[bytes] = []
    for node in nodes:
        parts = node.parts
        if parts <= last or b"\0" in node.path or any(part in (b"", b".", b"..") for part in parts):
            raise RepositoryIsDamaged(f"{name} holds an impossible path")
        last = parts
        if node.path.rpartition(b"/")[0] not in folders:
            raise RepositoryIsDamaged(f"{name} holds a path in a folder that it does not hold")
        if node.kind == "d":
            folders.add(node.path)
        elif node.kind == "f":
            files.add(node.path)
            _check_runs(node, name)
        elif node.kind == "h" and node.target not in files:
            raise RepositoryIsDamaged(f"{name} holds a second name of no file")
        if node.mode & ~MODES or not -(1 << 62) < node.mtime_ns < 1 << 62:
            raise RepositoryIsDamaged(f"{name} holds an impossible mode or time")


def _check_runs(node: Node, name: str) -> None:
    free = 0
    for run in node.runs:
        count, rest = divmod(len(run.digests), DIGEST)
        if run.first < free or not count or rest:
            raise RepositoryIsDamaged(f"{name} holds a file of impossible chunks")
        free = run.first + count
    if not 0 <= node.size < 1 << 63 or (free and (free - 1) * CHUNK >= node.size):
        raise RepositoryIsDamaged(f"{name} holds a file of impossible size")


def plain_size(node: Node, number: int) -> int:
    """Give the bytes of the chunk `number` of a file."""
    return min(CHUNK, node.size - number * CHUNK)


def select(nodes: Sequence[Node], paths: Sequence[str] | None) -> list[Node]:
    """Give the nodes at and beneath the paths; all without. Raises `PathIsNotInSnapshot`.

    A file whose first name is not among them is told under its next one.
    """
    if paths is None:
        return list(nodes)
    wanted = {path: b"/".join(parse(path)) for path in paths}
    if b"" in wanted.values():
        return list(nodes)
    tops = set(wanted.values())
    chosen = [node for node in nodes if node.path in tops or _is_beneath(node.path, tops)]
    there = {node.path for node in chosen}
    for path, raw in wanted.items():
        if raw not in there:
            raise PathIsNotInSnapshot(path)
    files = {node.path: node for node in nodes if node.kind == "f"}
    renamed: dict[bytes, bytes] = {}
    result = []
    for node in chosen:
        if node.kind == "h" and node.target not in there:
            if node.target in renamed:
                node = msgspec.structs.replace(node, target=renamed[node.target])
            else:
                renamed[node.target] = node.path
                node = msgspec.structs.replace(files[node.target], path=node.path)
        result.append(node)
    return result


def _is_beneath(path: bytes, tops: set[bytes]) -> bool:
    at = path.rfind(b"/")
    while at > 0:
        if path[:at] in tops:
            return True
        at = path.rfind(b"/", 0, at)
    return False
