"""Servers as JSON, encoded once for each that changed and each set of permissions, and joined.

A list costs what has changed since the last one.
"""

from uuid import UUID

import msgspec

from innkeeper.core.access.errors import PermissionIsMissing
from innkeeper.core.access.model import Actor
from innkeeper.core.access.permissions import ServerPermission
from innkeeper.core.nodes.errors import NoSuchNode
from innkeeper.core.nodes.model import Node
from innkeeper.core.servers.directory import Record
from innkeeper.kit.pages import decode_integer_cursor, encode_cursor
from innkeeper.panel.api.views import AccountRef, NodeRef, PlayersView, ServerView, account_ref
from innkeeper.panel.http.dialect_ids import DialectIds
from innkeeper.panel.http.rendered import Bodies
from innkeeper.panel.product import Product

_MOST_PIECES = 20_000
_NOBODY = UUID(int=0)

_Piece = tuple[int, int, bytes]


class ServerViews:
    """Renders servers for those who ask."""

    def __init__(self, product: Product) -> None:
        self._product = product
        self._ids = DialectIds(product.secret)
        self._encode = msgspec.json.Encoder().encode
        self._pieces: dict[tuple[int, frozenset[str]], _Piece] = {}
        self._bodies = Bodies(product)

    def view(self, actor: Actor, record: Record) -> ServerView:
        """Return a server as `actor` may see it."""
        return self._view(record, actor.on(record.server.id, record.server.owner_id))

    def one(self, actor: Actor, record: Record) -> bytes:
        """Return a server as JSON, as `actor` may see it."""
        server = record.server
        held = actor.on(server.id, server.owner_id)
        nodes = self._product.nodes.version
        known = self._pieces.get((server.id, held))
        if known is not None and known[0] == record.version and known[1] == nodes:
            return known[2]
        if len(self._pieces) >= _MOST_PIECES:
            self._pieces.clear()
        piece = self._encode(self._view(record, held))
        self._pieces[server.id, held] = (record.version, nodes, piece)
        return piece

    def page(self, actor: Actor, cursor: str | None, limit: int | None) -> bytes:
        """Return the servers that `actor` may see as one JSON list, `limit` at most; raise BadCursor."""
        return self._bodies.get(actor, (cursor, limit), lambda: self._page(actor, cursor, limit))

    def _page(self, actor: Actor, cursor: str | None, limit: int | None) -> bytes:
        records = self._product.servers.list(actor)
        after = decode_integer_cursor(cursor)
        if after is not None:
            records = [record for record in records if record.server.id > after]
        following = b"null"
        if limit is not None and len(records) > limit:
            records = records[:limit]
            following = self._encode(encode_cursor(records[-1].server.id))
        return b'{"items":[%b],"next":%b}' % (b",".join([self.one(actor, record) for record in records]), following)

    def _node(self, node_id: int) -> Node | None:
        try:
            return self._product.nodes.get(node_id)
        except NoSuchNode:
            return None

    def _view(self, record: Record, held: frozenset[str]) -> ServerView:
        if ServerPermission.VIEW not in held:
            raise PermissionIsMissing
        product, server, live = self._product, record.server, record.live
        node = self._node(server.node_id)
        players = list(live.players) if ServerPermission.PLAYERS_READ in held else None
        return ServerView(
            id=server.uuid,
            name=server.name,
            description=server.description,
            owner=account_ref(product, server.owner_id) or AccountRef(_NOBODY, ""),
            node=NodeRef(node.uuid, node.name) if node is not None else NodeRef(_NOBODY, ""),
            package=server.package,
            runtime=server.runtime,
            version=server.version,
            addons=server.addons,
            plan=server.plan,
            billing_type=server.billing_type,
            region=node.region if node is not None else "",
            properties=server.properties if ServerPermission.SETTINGS_WRITE in held else None,
            address=server.address,
            port=server.port,
            host=product.nodes.host_of(server) if node is not None else server.address,
            limits=server.limits,
            crash=server.crash,
            autostart=server.autostart,
            handling=server.handling,
            idle_stop_minutes=server.idle_stop_minutes,
            keep_until=server.keep_until,
            paid_by=account_ref(product, server.paid_by),
            suspended=server.suspended,
            suspended_reason=server.suspended_reason,
            power=server.power,
            state=live.state,
            reason=live.reason,
            pid=live.pid,
            started_at=live.started_at,
            ready_at=live.ready_at,
            last_exit=live.last_exit,
            notes=list(live.notes),
            players=PlayersView(online=len(live.players), max=product.catalog.max_players(server), list=players),
            usage=live.usage if ServerPermission.METRICS_READ in held else None,
            motd=product.catalog.motd(server),
            created_at=server.created_at,
            permissions=sorted(held),
            dialect_ids=self._ids.of(server),
        )
