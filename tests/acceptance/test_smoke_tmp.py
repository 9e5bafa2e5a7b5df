"""Scratch."""
from tests.acceptance.innkeepers import Innkeeper

async def test_up(innkeeper: Innkeeper):
    print(await innkeeper.api.ask("GET", "/servers"))
    server = await innkeeper.api.minecraft()
    print(await server.view())
    print(await server.lines())
