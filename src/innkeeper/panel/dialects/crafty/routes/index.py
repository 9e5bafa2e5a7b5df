"""Crafty's root: what is this, asked to see whether somebody is there."""

from typing import Any

from litestar import Controller, Response, get

from innkeeper.panel.dialects.crafty.auth import open_to_all
from innkeeper.panel.dialects.crafty.replies import show

VERSION = "4.2.3"
"""The version of Crafty whose API this is."""


class IndexRoutes(Controller):
    """The root of all paths."""

    @get("/", opt=open_to_all())
    async def get_index(self) -> Response[bytes]:
        """Say which API this is."""
        told: dict[str, Any] = {
            "version": VERSION,
            "message": "This is Innkeeper, which speaks Crafty Controller's API.",
        }
        return show(told)
