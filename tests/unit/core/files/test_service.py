"""Files, for those who may: uploads that fail leave nothing, and who is suspended is kept out."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from innkeeper.core.access.errors import PermissionIsMissing
from innkeeper.core.files.errors import FileIsADirectory, FileNotFound
from innkeeper.core.files.service import PART, FileService
from innkeeper.core.nodes.errors import NodeIsOffline
from innkeeper.core.servers.directory import Record
from innkeeper.core.servers.errors import NoSuchServer, ServerIsDeleted, ServerIsSuspended
from innkeeper.testing.products import House


@pytest.fixture
def files(house: House) -> FileService:
    return house.product.files


@pytest.fixture
async def server(house: House) -> Record:
    return await house.server()


async def chunks(*parts: bytes, error: BaseException | None = None) -> AsyncIterator[bytes]:
    for part in parts:
        yield part
    if error is not None:
        raise error


async def content(house: House, server: Record, path: str) -> bytes:
    _, parts = await house.product.files.read(house.actor(house.root), server, path)
    return b"".join([part async for part in parts])


@pytest.mark.parametrize("sizes", [[], [0], [1], [PART], [PART - 1, 2], [1] * 10, [3 * PART + 7], [PART, 0, PART]])
async def test_what_is_written_in_any_parts_is_read_back(
    house: House, files: FileService, server: Record, sizes: list[int]
) -> None:
    parts = [bytes([number + 1]) * size for number, size in enumerate(sizes)]
    await files.write(house.actor(house.root), server, "world/level.dat", chunks(*parts))
    assert await content(house, server, "world/level.dat") == b"".join(parts)
    assert not house.gateway._uploads


async def test_no_part_is_larger_than_a_part(house: House, files: FileService, server: Record) -> None:
    sent: list[tuple[int, int]] = []
    upload_part = house.gateway.upload_part

    async def remember(record: object, upload: str, offset: int, data: bytes) -> None:
        sent.append((offset, len(data)))
        await upload_part(record, upload, offset, data)  # type: ignore[arg-type]

    house.gateway.upload_part = remember  # type: ignore[method-assign]
    await files.write(house.actor(house.root), server, "f", chunks(b"x" * (2 * PART + 5), b"y" * PART))
    assert sent == [(0, PART), (PART, PART), (2 * PART, PART), (3 * PART, 5)]


@pytest.mark.parametrize("error", [ConnectionError("the client went away"), asyncio.CancelledError()])
async def test_an_upload_that_breaks_off_leaves_the_file_as_it_was(
    house: House, files: FileService, server: Record, error: BaseException
) -> None:
    root = house.actor(house.root)
    await files.write(root, server, "f", chunks(b"old"))
    with pytest.raises(type(error)):
        await files.write(root, server, "f", chunks(b"new" * PART, error=error))
    assert await content(house, server, "f") == b"old"
    assert not house.gateway._uploads
    with pytest.raises(ConnectionError):
        await files.receive_archive(root, server, "a.zip", chunks(b"x", error=ConnectionError()))
    assert not house.gateway._uploads
    assert not house.gateway.archives


async def test_a_node_that_goes_away_meanwhile_hides_no_error_that_came_before(
    house: House, files: FileService, server: Record
) -> None:
    async def interrupted() -> AsyncIterator[bytes]:
        yield b"x"
        finish = house.gateway.finish_upload

        async def offline(*_: object, keep: bool) -> None:
            house.gateway.finish_upload = finish  # type: ignore[method-assign]
            raise NodeIsOffline

        house.gateway.finish_upload = offline  # type: ignore[method-assign]
        raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await files.write(house.actor(house.root), server, "f", interrupted())


async def test_an_archive_is_kept_apart_from_the_files(house: House, files: FileService, server: Record) -> None:
    await files.receive_archive(house.actor(house.root), server, "pack.zip", chunks(b"PK"))
    assert house.gateway.archives == {(server.server.uuid, "pack.zip"): b"PK"}
    with pytest.raises(FileNotFound):
        await files.stat(house.actor(house.root), server, "pack.zip")


async def test_a_folder_is_made_listed_in_pages_renamed_and_deleted(
    house: House, files: FileService, server: Record
) -> None:
    root = house.actor(house.root)
    await files.make_directory(root, server, "mods")
    for name in ("c", "a", "b"):
        await files.write(root, server, f"mods/{name}", chunks(b"x"))
    first, more = await files.list(root, server, "mods", after=None, limit=2)
    assert ([entry.name for entry in first], more) == (["a", "b"], True)
    rest, more = await files.list(root, server, "mods", after="b", limit=2)
    assert ([entry.name for entry in rest], more) == (["c"], False)
    with pytest.raises(FileIsADirectory):
        await files.read(root, server, "mods")
    await files.rename(root, server, "mods", "plugins")
    assert (await files.stat(root, server, "plugins/a")).size == 1
    await files.delete(root, server, "plugins")
    with pytest.raises(FileNotFound):
        await files.stat(root, server, "plugins/a")
    actions = [entry.action for entry in (await house.product.activity.of_server(server.server.id, None, 10)).items]
    assert actions[:6] == [
        "file.deleted",
        "file.renamed",
        "file.written",
        "file.written",
        "file.written",
        "file.folder_made",
    ]


NEEDS = {
    "files.read": ["stat", "list", "read"],
    "files.write": ["write", "make_directory", "rename"],
    "files.delete": ["delete"],
    "server.reinstall": ["receive_archive"],
}
VERBS = [(verb, permission) for permission, verbs in NEEDS.items() for verb in verbs]


async def attempt(house: House, verb: str, server: Record, actor: object) -> None:
    arguments: dict[str, tuple[object, ...]] = {
        "write": ("f", chunks(b"new")),
        "rename": ("f", "g"),
        "receive_archive": ("a.zip", chunks(b"x")),
        "make_directory": ("d",),
    }
    more = {"after": None, "limit": 5} if verb == "list" else {}
    path = ("",) if verb == "list" else ("f",)
    await getattr(house.product.files, verb)(actor, server, *arguments.get(verb, path), **more)


@pytest.mark.parametrize(("verb", "permission"), VERBS)
async def test_each_verb_needs_its_permission_and_no_other(
    house: House, server: Record, verb: str, permission: str
) -> None:
    await house.product.files.write(house.actor(house.root), server, "f", chunks(b"old"))
    guest = await house.account("guest")
    with pytest.raises(NoSuchServer):
        await attempt(house, verb, server, house.actor(guest))
    await house.share(server, guest, "server.view", *(set(NEEDS) - {permission}))
    with pytest.raises(PermissionIsMissing):
        await attempt(house, verb, server, house.actor(guest))
    await house.share(server, guest, "server.view", permission)
    await attempt(house, verb, server, house.actor(guest))


@pytest.mark.parametrize(("verb", "permission"), VERBS)
async def test_the_files_of_a_suspended_server_are_the_houses_only(house: House, verb: str, permission: str) -> None:
    guest = await house.account("guest")
    server = await house.server(owner=guest)
    await house.product.files.write(house.actor(guest), server, "f", chunks(b"old"))
    await house.product.servers.suspend(house.actor(house.root), server, "unpaid")
    with pytest.raises(ServerIsSuspended):
        await attempt(house, verb, house.now(server), house.actor(guest))
    await attempt(house, verb, house.now(server), house.actor(house.root))


async def test_of_a_deleted_server_there_are_no_files(house: House, server: Record) -> None:
    await house.product.servers.delete(house.actor(house.root), server)
    await house.settle()
    with pytest.raises(ServerIsDeleted):
        await attempt(house, "stat", house.now(server), house.actor(house.root))
