"""Where an exception is said to come from: the last line of the user's own code, not one inside of a library."""

import random
from collections.abc import Callable, Iterator
from types import ModuleType

import numpy as np
import pytest

from gym_adapters.errors import ADDED, exit_status, raised


def own_line() -> None:
    _ = 1 / 0


def in_python() -> None:
    random.choice([])


def in_a_package() -> None:
    np.concatenate([np.zeros(2), np.zeros((2, 2))])


def caught(call: Callable[[], None]) -> BaseException:
    with pytest.raises((ArithmeticError, IndexError, ValueError)) as found:
        call()
    return found.value


@pytest.mark.parametrize("call", [own_line, in_python, in_a_package])
def test_the_place_is_in_the_code_that_a_user_wrote(call: Callable[[], None]) -> None:
    line = call.__code__.co_firstlineno + 1
    assert raised(caught(call)).endswith(f" ({__file__}, line {line})")


def test_without_any_it_is_the_innermost_place() -> None:
    error = caught(in_python)
    while error.__traceback__.tb_next is not None:
        error.__traceback__ = error.__traceback__.tb_next
    assert f"({random.__file__}, line " in raised(error)


@pytest.fixture
def package() -> Iterator[ModuleType]:
    """An installed package, whose code adds something to this project."""
    module = ModuleType("added_package")
    module.__file__ = "/somewhere/site-packages/added_package.py"
    code = compile("def update():\n    return [][0]", module.__file__, "exec")
    exec(code, module.__dict__)
    ADDED["added_package"] = ["trainer_type awr"]
    yield module
    del ADDED["added_package"]


def test_an_exception_of_added_code_is_one_line(package, capsys) -> None:
    assert exit_status(caught(package.update)) == 2
    line = "error: the code of trainer_type awr raised IndexError: list index out of range"
    assert capsys.readouterr().err == f"{line} ({package.__file__}, line 2)\n"


def test_another_exception_says_which_packages_were_there(package) -> None:
    with pytest.raises(ZeroDivisionError) as found:
        exit_status(caught(own_line))
    assert any("trainer_type awr" in note for note in found.value.__notes__)
