"""Drivers' tests read the mirror of the vendors, whose documents have the vendors' shapes."""

import hashlib
from collections.abc import AsyncIterator, Iterator

import httpx
import pytest

from innkeeper.contracts.versions import Download, Fetch, NotOffered
from innkeeper.kit.mirrors import mirrored
from tests.vendors.mirror import Mirror


@pytest.fixture
def mirror() -> Iterator[Mirror]:
    with Mirror() as mirror:
        yield mirror


@pytest.fixture
async def fetch(mirror: Mirror) -> AsyncIterator[Fetch]:
    async with httpx.AsyncClient() as client:

        async def get(url: str) -> bytes:
            answer = await client.get(mirrored(url, mirror.url))
            if answer.status_code == 404:
                raise NotOffered(url)
            if answer.is_redirect:
                return await get(answer.headers["Location"])
            return answer.raise_for_status().content

        yield get


async def body_of(download: Download, fetch: Fetch) -> bytes:
    """Return the file, which is what its checksum and its size say."""
    body = await fetch(download.url)
    if download.algorithm is not None:
        assert hashlib.new(download.algorithm, body).hexdigest() == download.digest
    if download.size is not None:
        assert len(body) == download.size
    return body
