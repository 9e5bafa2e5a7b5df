"""Everything below a folder, at once: asked of the node folder by folder, many at a time.

Bounded in entries and depth; links are shown and never followed.
"""

from collections import deque
from itertools import islice

from innkeeper.core.files.model import FileEntry, FileNode
from innkeeper.core.nodes.gateway import NodeGateway
from innkeeper.core.servers.model import Server

MAX_ENTRIES = 20_000
MAX_DEPTH = 64
_FOLDERS_AT_ONCE = 256


async def read_tree(gateway: NodeGateway, server: Server, path: str) -> FileNode:
    """Return what is at `path` with all below it, by name; a folder past the limits has no children (None).

    A folder in which the number of entries ends has those that were counted until then.
    """
    root = await gateway.stat(server, path, sniff=True)
    folders: dict[str, list[FileEntry]] = {}
    waiting = deque([(root.path, 0)] if root.kind == "directory" else [])
    room = MAX_ENTRIES
    while waiting and room > 0:
        batch = list(islice(waiting, _FOLDERS_AT_ONCE))
        listed = await gateway.list_folders(server, [name for name, _ in batch], room)
        if not listed:
            break
        for (name, depth), folder in zip(batch, listed, strict=False):
            waiting.popleft()
            entries = list(folder.entries)
            more = folder.more
            while more and entries and len(entries) < room:
                [rest] = await gateway.list_folders(server, [name], room - len(entries), after=entries[-1].name)
                entries += rest.entries
                more = rest.more and bool(rest.entries)
            room -= len(entries)
            folders[name] = entries
            if depth < MAX_DEPTH:
                waiting.extend((entry.path, depth + 1) for entry in entries if entry.kind == "directory")
    return _node(root, folders)


def _node(entry: FileEntry, folders: dict[str, list[FileEntry]]) -> FileNode:
    inside = folders.get(entry.path) if entry.kind == "directory" else None
    return FileNode(entry, None if inside is None else tuple(_node(child, folders) for child in inside))
