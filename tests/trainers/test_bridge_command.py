"""The installed command `bridge`."""

import importlib
import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

from gym_adapters.commands import interpreter, shell_line
from trainers.__main__ import main as learn
from trainers.commands import PROGRAMS, Program, main
from trainers.config import catalogue

ROOT = Path(__file__).parents[2]


def test_help_names_every_program(capsys: pytest.CaptureFixture[str]) -> None:
    for words in (["--help"], [], ["help"]):
        assert main(words) == 0
        said = capsys.readouterr().out
        assert all(f"  {name} " in said for name in PROGRAMS)


def test_every_algorithm_has_a_program() -> None:
    """The list of programs is written out, because the catalogue takes a moment to import."""
    assert {program.trainer_type for program in PROGRAMS.values()} - {None} == set(
        catalogue.algorithm_names()
    )


@pytest.mark.parametrize("name", PROGRAMS)
def test_every_program_has_its_own_help(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main([name, "--help"])
    assert end.value.code == 0
    usage = " ".join(capsys.readouterr().out.split())
    assert usage.startswith(f"usage: bridge {name} ")
    assert " -m " not in usage.split(" options:")[0]


@pytest.mark.parametrize("program", dict.fromkeys(PROGRAMS.values()), ids=lambda program: program.module)
def test_a_module_names_itself(program: Program, capsys: pytest.CaptureFixture[str]) -> None:
    main = importlib.import_module(program.module).main
    with pytest.raises(SystemExit, match="0"):
        main(["--help"], **({"trainer_type": program.trainer_type} if program.trainer_type else {}))
    usage = " ".join(capsys.readouterr().out.split()).removeprefix("usage: ")
    assert usage.startswith(f"{shell_line(interpreter())} -m ")
    module = usage.split(" -m ")[1].split()[0]
    assert importlib.util.find_spec(module) is not None


def test_a_mistake_is_told_by_the_command_that_was_typed(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["evaluate", "run", "--epsodes", "3"])
    said = capsys.readouterr().err
    assert said.endswith(
        "bridge evaluate: error: unrecognized arguments: --epsodes 3; did you mean --episodes?\n"
    )


@pytest.mark.parametrize(
    ("started", "called"), [("bin/bridge-learn", "bridge-learn"), ("x/__main__.py", " -m trainers")]
)
def test_the_older_name_of_the_training_command(
    started: str, called: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", [started, "--help"])
    with pytest.raises(SystemExit, match="0"):
        learn()
    assert f"{called} [trainer_config_path]" in capsys.readouterr().out.splitlines()[0]


def test_the_version_is_that_of_the_training_command(capsys: pytest.CaptureFixture[str]) -> None:
    said = []
    for words in (["--version"], ["train", "--version"]):
        with pytest.raises(SystemExit, match="0"):
            main(words)
        said.append(capsys.readouterr().out)
    assert said[0] == said[1]
    assert said[0].startswith("mlagents-bridge")


@pytest.mark.parametrize("words", [["my walker.yaml", "--force"], ["--env", "CartPole-v1"]])
def test_options_of_training_without_the_program(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """`mlagents-learn` takes them so."""
    assert main(words) == 2
    assert capsys.readouterr().err.endswith(f"; to train: {shell_line('bridge', 'train', *words)}\n")


def test_a_misspelled_program_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["trian", "file.yaml"]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert said.endswith("did you mean train?\n")


def test_status_of_a_program_is_that_of_the_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["config", str(tmp_path / "none.yaml")]) == 2
    assert "no such file" in capsys.readouterr().err


def test_modules_in_the_current_folder_are_importable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "my_maze.py").write_text("raise ImportError('found my_maze')\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [entry for entry in sys.path if entry not in ("", str(Path.cwd()))])
    assert main(["config", "none.yaml"]) == 2
    with pytest.raises(ImportError, match="found my_maze"):
        importlib.import_module("my_maze")


@pytest.mark.parametrize("package", ["bridge", "gym_adapters", "trainers", "unity_configs"])
def test_packages_say_that_they_are_typed(package: str) -> None:
    assert (ROOT / package / "py.typed").is_file()


def test_maintained_commands_start_without_a_heavy_import() -> None:
    code = "import sys, trainers.commands; sys.exit('torch' in sys.modules or 'gymnasium' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0
