"""The installed command `bridge`."""

import importlib
import subprocess
import sys
from pathlib import Path

import pytest

from trainers.commands import PROGRAMS, main

ROOT = Path(__file__).parents[2]


def test_help_names_every_program(capsys: pytest.CaptureFixture[str]) -> None:
    for words in (["--help"], [], ["help"]):
        assert main(words) == 0
        said = capsys.readouterr().out
        assert all(f"  {name} " in said for name in PROGRAMS)


@pytest.mark.parametrize("name", PROGRAMS)
def test_every_program_has_its_own_help(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main([name, "--help"])
    assert end.value.code == 0
    assert "usage:" in capsys.readouterr().out


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
