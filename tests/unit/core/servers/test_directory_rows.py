"""A row that was just committed is taken in as it stands, unless a later one was read meanwhile."""

from pathlib import Path

import msgspec

from innkeeper.testing.products import House


async def test_a_committed_row_is_taken_in_without_reading_it_again(tmp_path: Path) -> None:
    async with House.open(tmp_path) as house:
        server = (await house.server()).server
        later = msgspec.structs.replace(server, generation=server.generation + 1, name="renamed")
        await house.product.directory.reload(server.id, later)
        assert house.product.directory.get(server.id).server is later


async def test_a_row_older_than_what_is_known_is_read_again(tmp_path: Path) -> None:
    async with House.open(tmp_path) as house:
        server = (await house.server(name="newest")).server
        earlier = msgspec.structs.replace(server, generation=server.generation - 1, name="earlier")
        await house.product.directory.reload(server.id, earlier)
        assert house.product.directory.get(server.id).server == server
