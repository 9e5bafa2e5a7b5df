"""An Innkeeper for each test, in both its forms; what games are installed from is made once for all of them."""

import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from innkeeper.testing.postgres import PostgresServer, postgres_server
from tests.acceptance.innkeepers import Embedded, Innkeeper, Separate, remove_tree

__all__ = ["postgres_server"]

KEPT = "INNKEEPER_TEST_SHARED"
"""A folder in which installed games are kept from one run of the tests to the next; for whoever works on them."""


@pytest.fixture(scope="session", autouse=True)
def compiled_once(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Have the commands' imports compiled by the first of them, wherever this runs: each is started many times."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
        if "PYTHONPYCACHEPREFIX" not in os.environ:
            patch.setenv("PYTHONPYCACHEPREFIX", str(tmp_path_factory.mktemp("compiled")))
        yield


@pytest.fixture(scope="session")
def shared_games(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """What installers make for all servers of a node: filled by the first test that needs it, used by the others."""
    if KEPT in os.environ:
        kept = Path(os.environ[KEPT], os.environ.get("PYTEST_XDIST_WORKER", "")).absolute()
        kept.mkdir(parents=True, exist_ok=True)
        yield kept
        return
    folder = tmp_path_factory.mktemp("shared-games")
    yield folder
    remove_tree(folder)


@pytest.fixture(params=["embedded", "separate"])
async def innkeeper(
    request: pytest.FixtureRequest, tmp_path: Path, shared_games: Path, postgres_server: PostgresServer
) -> AsyncIterator[Innkeeper]:
    """An Innkeeper that runs, empty, in each form."""
    inn: Innkeeper
    if request.param == "embedded":
        inn = Embedded(tmp_path, shared=shared_games)
    else:
        inn = Separate(tmp_path, postgres_server, shared=shared_games)
    async with inn:
        yield inn


@pytest.fixture
async def embedded(tmp_path: Path, shared_games: Path) -> AsyncIterator[Embedded]:
    """An Innkeeper that runs, empty, in the embedded form."""
    async with Embedded(tmp_path, shared=shared_games) as inn:
        yield inn
