"""A run of the tests ends with what was skipped and why."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = """
import pytest

@pytest.mark.parametrize("number", [1, 2])
@pytest.mark.skipif(True, reason="needs a unicorn")
def test_rides(number):
    pass

def test_magic():
    pytest.importorskip("no_such_module_anywhere", reason="needs magic")

def test_last():
    assert {passes}
"""


@pytest.mark.parametrize("passes", [True, False])
@pytest.mark.parametrize("options", [[], ["-rs"], ["-v"]])
def test_the_last_lines_name_what_is_missing(options: list[str], passes: bool, tmp_path: Path) -> None:
    shutil.copy(Path(__file__).with_name("conftest.py"), tmp_path)
    (tmp_path / "test_some.py").write_text(TESTS.format(passes=passes))
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            *options,
            "-p",
            "no:cacheprovider",
            "--rootdir",
            tmp_path,
            tmp_path,
        ],
        cwd=tmp_path,
        env={**os.environ, "PYTEST_ADDOPTS": "", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},  # they take a while
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == (0 if passes else 1), done.stdout
    assert done.stdout.splitlines()[-2:] == ["not tested (2): needs a unicorn", "not tested (1): needs magic"]
