"""What new servers may be imported from: folders of the nodes' hosts that their administrators have opened to it.

Knows nothing of how it is imported: an installation does that.
"""

from innkeeper.core.access.model import Actor
from innkeeper.core.access.permissions import ProductPermission
from innkeeper.core.access.service import require
from innkeeper.core.errors import CoreError
from innkeeper.core.files.errors import FileNotFound
from innkeeper.core.files.model import Importable
from innkeeper.core.nodes.errors import NoNodeIsOnline
from innkeeper.core.nodes.gateway import NodeGateway
from innkeeper.core.nodes.service import NodeService


class ImportService:
    """Looks, for those who may make servers."""

    def __init__(self, *, gateway: NodeGateway, nodes: NodeService) -> None:
        self._gateway = gateway
        self._nodes = nodes

    async def list(self, actor: Actor, path: str) -> list[Importable]:
        """Return what is at a path of the first node that has it, by name: a folder, an archive, a folder in one.

        Needs `servers.create`. Raises NoNodeIsOnline, FileNotFound, FileNotPermitted outside of what was opened to
        imports, ArchiveIsUnusable, FileIsTooLarge.
        """
        require(actor, ProductPermission.SERVERS_CREATE)
        nodes = [node for node in self._nodes.known() if self._nodes.is_online(node.id)]
        if not nodes:
            raise NoNodeIsOnline
        failed: CoreError = FileNotFound()
        for node in sorted(nodes, key=lambda node: node.id):
            try:
                return await self._gateway.list_imports(node, path)
            except CoreError as error:
                failed = error
        raise failed
