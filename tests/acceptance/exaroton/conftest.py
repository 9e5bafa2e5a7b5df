"""Real clients of exaroton's dialect on one Innkeeper for a whole module, held to what their tests claim to prove."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.acceptance.asking import Server
from tests.acceptance.exaroton.proving import PASSED, Claims, LogHost
from tests.acceptance.innkeepers import Embedded
from tests.clients.bots import ExarotonNode
from tests.clients.exaroton_python import ExarotonPython

GAMES = Path(__file__).parents[2] / "games"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """Leave with a test that it passed."""
    yield
    item.stash[PASSED] = True


@pytest.fixture(scope="module")
def log_host() -> Iterator[LogHost]:
    """A place that takes logs."""
    with LogHost() as host:
        yield host


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def inn(
    tmp_path_factory: pytest.TempPathFactory, shared_games: Path, log_host: LogHost
) -> AsyncIterator[Embedded]:
    """An Innkeeper that runs for all tests of a module, with the tests' own games beside the shipped ones."""
    arguments = ("--no-sample", "--packages", str(GAMES), "--log-share-url", f"{log_host.url}/1/log")
    async with Embedded(tmp_path_factory.mktemp("inn"), shared=shared_games, arguments=arguments) as inn:
        yield inn


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def game(inn: Embedded) -> Server:
    """A server of Minecraft, flying-squid, for all tests of a module; each brings it into the state it wants."""
    return await inn.api.minecraft(name="example", properties={"motd": "Come in"})


@pytest_asyncio.fixture(loop_scope="module")
async def offline(game: Server) -> Server:
    """That server, stopped."""
    await game.bring_to("stopped")
    return game


@pytest_asyncio.fixture(loop_scope="module")
async def online(game: Server) -> Server:
    """That server, running."""
    await game.bring_to("running")
    return game


@pytest.fixture
def claims(request: pytest.FixtureRequest) -> Claims:
    """What the test claims."""
    return Claims(request.node, set(request.fixturenames))


NODE_PACKAGES = {"npm 1": "exaroton", "npm 2": "exaroton2"}


async def _node(name: str, inn: Embedded, claims: Claims) -> AsyncIterator[ExarotonNode]:
    async with ExarotonNode(inn.exaroton_url, inn.api_key, NODE_PACKAGES[name]) as client:
        yield client
        claims.hold_for(name, client)


@pytest_asyncio.fixture(loop_scope="module")
async def npm(inn: Embedded, claims: Claims) -> AsyncIterator[ExarotonNode]:
    """The npm client `exaroton` 1.x, as the administrator."""
    async for client in _node("npm 1", inn, claims):
        yield client


@pytest_asyncio.fixture(loop_scope="module")
async def npm2(inn: Embedded, claims: Claims) -> AsyncIterator[ExarotonNode]:
    """The npm client `exaroton` 2.x, as the administrator."""
    async for client in _node("npm 2", inn, claims):
        yield client


@pytest_asyncio.fixture(loop_scope="module", params=list(NODE_PACKAGES))
async def each_npm(request: pytest.FixtureRequest, inn: Embedded, claims: Claims) -> AsyncIterator[ExarotonNode]:
    """Either of the npm clients, as the administrator."""
    async for client in _node(request.param, inn, claims):
        yield client


@pytest_asyncio.fixture(loop_scope="module")
async def pypi(inn: Embedded, claims: Claims) -> AsyncIterator[ExarotonPython]:
    """The PyPI client `exaroton`, as the administrator."""
    async with ExarotonPython(inn.exaroton_url, inn.api_key) as client:
        yield client
        claims.hold_for("PyPI", client)
