"""What a command says and returns when it ends early."""

import pytest

from gym_adapters.errors import UserError, environment_called, exit_status


def left(error: BaseException) -> BaseException:
    try:
        raise error
    except BaseException as caught:
        return caught


def from_an_environment() -> BaseException:
    with pytest.raises(ZeroDivisionError) as caught, environment_called():
        _ = 1 / 0
    return caught.value


@pytest.mark.parametrize(
    ("error", "line", "status"),
    [
        (UserError("a.yaml: wrong"), "error: a.yaml: wrong", 2),
        (KeyboardInterrupt(), "interrupted", 130),
        (from_an_environment(), "error: the environment raised ZeroDivisionError: division by zero (", 2),
        (left(SystemExit(0)), "error: the code that it runs called sys.exit(0): SystemExit: 0 (", 2),
        (
            left(SystemExit("bye")),
            "error: the code that it runs called sys.exit('bye'): SystemExit: bye (",
            2,
        ),
    ],
    ids=["user", "interrupt", "environment", "exit", "exit with words"],
)
def test_what_ends_a_command_is_one_line(
    error: BaseException, line: str, status: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert exit_status(error) == status
    said = capsys.readouterr().err
    assert said.startswith(line)
    assert said.count("\n") == 1


def test_other_errors_keep_their_traceback() -> None:
    with pytest.raises(KeyError):
        exit_status(KeyError("a"))
