"""The conditions, as a closed set that dialects can map totally."""

import importlib
import pkgutil

import pytest

import innkeeper.core
from innkeeper.core.errors import KINDS, CoreError, all_conditions, snake

for module in pkgutil.walk_packages(innkeeper.core.__path__, "innkeeper.core."):
    importlib.import_module(module.name)
CONDITIONS = [condition for condition in all_conditions() if condition.__module__.startswith("innkeeper.core.")]
CASES = [condition for condition in CONDITIONS if condition is not CoreError]


def test_all_conditions_are_found() -> None:
    assert len(CASES) > 60


@pytest.mark.parametrize("condition", CASES, ids=lambda condition: condition.__name__)
def test_a_condition_has_a_message_of_one_sentence(condition: type[CoreError]) -> None:
    assert "__doc__" in vars(condition), "the docstring is the message, and is inherited by nobody"
    message = condition().message
    assert message.endswith(".")
    assert message[0].isupper()
    assert "\n" not in message


@pytest.mark.parametrize("condition", CASES, ids=lambda condition: condition.__name__)
def test_a_condition_is_of_exactly_one_kind(condition: type[CoreError]) -> None:
    kinds = [kind for kind in KINDS if issubclass(condition, kind)]
    assert len(kinds) == 1
    assert condition.kind == kinds[0].kind


def test_codes_are_unique_and_in_snake_case() -> None:
    codes = [condition().code for condition in CASES]
    assert len(set(codes)) == len(codes)
    assert all(code.replace("_", "").isalpha() and code == code.lower() for code in codes)


def test_kinds_have_names_of_their_own() -> None:
    assert len({kind.kind for kind in KINDS}) == len(KINDS)
    assert CoreError.kind not in {kind.kind for kind in KINDS}


def test_an_error_says_what_it_was_told_and_keeps_its_data() -> None:
    condition = next(condition for condition in CASES if condition.__name__ == "PortIsTaken")
    assert condition("Port 7 is taken.", port=7).message == "Port 7 is taken."
    assert condition(port=7).data == {"port": 7}
    assert condition(port=7).message == "Another server of the node has this port."


@pytest.mark.parametrize(
    ("name", "code"), [("NoSuchServer", "no_such_server"), ("Gone", "gone"), ("PortIsTaken", "port_is_taken")]
)
def test_snake_case(name: str, code: str) -> None:
    assert snake(name) == code
