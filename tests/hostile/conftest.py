"""One house for all hostile tests, with one game that runs and one that is there to be mistreated."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.hostile.house import Game, House


@pytest.fixture(scope="session")
def imports(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that the administrator has opened to imports."""
    folder = tmp_path_factory.mktemp("imports")
    folder.chmod(0o755)
    (folder / "world").mkdir()
    (folder / "world" / "level.dat").write_bytes(b"a world")
    return folder


@pytest.fixture(scope="session")
def house(tmp_path_factory: pytest.TempPathFactory, imports: Path) -> Iterator[House]:
    """An Innkeeper that serves; whatever is done to it, it must go on serving to the end."""
    house = House(tmp_path_factory.mktemp("house"), "--imports", str(imports), "--log-share-url", "")
    try:
        house.start()
        yield house
        house.alive()
        secrets = [word for word in (house.key, house.password) if house.log.count(word) > 1]
        assert not secrets, "a secret stands in the log, beside the place where it is told once"
    finally:
        house.close()


@pytest.fixture(scope="session")
def game(house: House) -> Game:
    """A game that runs."""
    return house.game("the game")


@pytest.fixture(scope="session")
def victim(house: House) -> Game:
    """A game that may be started, stopped and suspended by whatever is sent."""
    return house.game("the victim", start=False)


@pytest.fixture(autouse=True)
def it_lives_on(house: House) -> Iterator[None]:
    """Whatever a test did, the house answers afterwards."""
    yield
    house.alive()
