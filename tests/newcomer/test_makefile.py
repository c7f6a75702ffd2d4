"""What `make` does on a machine where something is missing, or after it was interrupted; with a stand-in for Python."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
STAND_IN = """#!/bin/sh
echo "$*" >> calls
case "$*" in
  "-m venv .venv"|"venv "*) mkdir -p .venv/bin
    for name in python tensorboard; do cp "$HERE/python3" .venv/bin/$name; done
    [ -z "$VENV_FAILS" ] && touch .venv/pip ;;
  "-m pip --version") test -e .venv/pip ;;
  "-m pip install "*|"pip install "*) [ -z "$INSTALL_FAILS" ] ;;
esac
"""

pytestmark = pytest.mark.skipif(
    shutil.which("make") is None or os.name == "nt", reason="needs make and a shell"
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the project as far as `make` looks at it."""
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, tmp_path)
    (tmp_path / "tools").mkdir()
    stand_in = tmp_path / "tools" / "python3"
    stand_in.write_text(STAND_IN)
    stand_in.chmod(0o755)
    return tmp_path


def make(folder: Path, *words: str, **variables: str) -> tuple[subprocess.CompletedProcess[str], list[str]]:
    """The result of a `make`, and the arguments with which it called Python (or uv)."""
    tools = folder / "tools"
    environment = {"PATH": f"{tools}:/usr/bin:/bin", "HERE": str(tools), **variables}
    done = subprocess.run(
        ["make", *words], cwd=folder, env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    calls = folder / "calls"
    said = (
        [line for line in calls.read_text().splitlines() if not line.startswith("-c")]
        if calls.exists()
        else []
    )
    calls.unlink(missing_ok=True)
    return done, said


def installs(calls: list[str]) -> int:
    return sum("pip install" in call for call in calls)


def test_first_installs_then_trains_and_later_only_trains(folder: Path) -> None:
    done, calls = make(folder, "train")
    assert done.returncode == 0, done.stderr
    assert installs(calls) == 1
    assert "quiet" not in " ".join(calls), "the installation shows what it does"
    assert calls[-1] == "-m trainers.ppo --env Walker2d-v5 --seed 0"
    _, again = make(folder, "train", "ENV=Hopper-v5", "ARGS=--max-steps 2000")
    assert again == ["-m trainers.ppo --env Hopper-v5 --seed 0 --max-steps 2000"]


def test_a_venv_that_cannot_be_made_is_removed_and_made_later(folder: Path) -> None:
    done, _ = make(folder, "train", VENV_FAILS="1")
    # a stand-in that ends with the status of its last command: a venv without pip, as Debian leaves it
    assert done.returncode != 0
    assert "could not be made" in done.stderr
    assert not (folder / ".venv").exists()
    done, calls = make(folder, "train")
    assert done.returncode == 0
    assert installs(calls) == 1


def test_a_half_made_venv_is_made_anew_and_one_that_works_is_kept(folder: Path) -> None:
    (folder / ".venv" / "bin").mkdir(parents=True)
    shutil.copy(folder / "tools" / "python3", folder / ".venv" / "bin" / "python")
    (folder / ".venv" / "rest").touch()
    assert make(folder, "train")[0].returncode == 0
    assert not (folder / ".venv" / "rest").exists()
    (folder / ".venv" / "made").unlink()
    (folder / ".venv" / "mine").touch()
    assert make(folder, "train")[0].returncode == 0
    assert (folder / ".venv" / "mine").exists()


def test_an_installation_that_was_broken_off_is_done_again(folder: Path) -> None:
    done, calls = make(folder, "train", INSTALL_FAILS="1")
    assert done.returncode != 0
    assert not any("trainers" in call for call in calls)
    done, calls = make(folder, "train")
    assert done.returncode == 0
    assert installs(calls) == 1


def test_uv_installs_where_it_is_there(folder: Path) -> None:
    shutil.copy(folder / "tools" / "python3", folder / "tools" / "uv")
    done, calls = make(folder, "train")
    assert done.returncode == 0, done.stderr
    assert any(call.startswith("venv ") for call in calls)
    assert any(call.startswith("pip install --python .venv/bin/python") for call in calls)


def test_pip_installs_where_uv_fails(folder: Path) -> None:
    (folder / "tools" / "uv").write_text("#!/bin/sh\nexit 2\n")
    (folder / "tools" / "uv").chmod(0o755)
    done, calls = make(folder, "train")
    assert done.returncode == 0, done.stderr
    assert "-m venv .venv" in calls
    assert any(call.startswith("-m pip install ") for call in calls)


def test_evaluate_takes_the_newest_run_or_the_one_that_is_named(folder: Path) -> None:
    done, _ = make(folder, "evaluate")
    assert done.returncode != 0
    assert "error: there is no run in runs/" in done.stderr
    for age, name in enumerate(("newest", "older")):
        (folder / "runs" / name).mkdir(parents=True)
        os.utime(folder / "runs" / name, (1e9 - age, 1e9 - age))
    assert make(folder, "evaluate")[1][-1] == "-m trainers.evaluate runs/newest/"
    assert make(folder, "evaluate", "RUN=runs/older")[1][-1] == "-m trainers.evaluate runs/older"
    assert make(folder, "tensorboard")[1][-1] == "--logdir runs"


def test_docs_installs_what_it_needs_and_builds_strictly(folder: Path) -> None:
    done, calls = make(folder, "docs")
    assert done.returncode == 0, done.stderr
    assert [call for call in calls if "pip install" in call and ".[docs]" in call]
    assert calls[-1] == "-m mkdocs build --strict"
    assert "site/index.html" in done.stdout
