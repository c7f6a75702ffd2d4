"""Folders with installed packages, each with one process that runs commands: most of a short one's time are imports."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

from command_tools import REPOSITORY, command

RUNS_COMMANDS = """
import contextlib, io, json, os, runpy, sys, traceback
import tests.pictures

for line in sys.stdin:
    folder, *sys.argv = json.loads(line)
    os.chdir(folder)
    out, err, status = io.StringIO(), io.StringIO(), 0
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            if sys.argv[0] == "-c":
                exec(sys.argv[1], {"__name__": "__main__"})
            else:
                runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
        except SystemExit as end:
            status = end.code or 0
        except BaseException:
            traceback.print_exc()
            status = 1
    print(json.dumps([status, out.getvalue(), err.getvalue()]), flush=True)
"""


class Site:
    """A folder with packages, and a process that sees them and runs commands.

    Args:
        files: a package's source, which is left as it is.
        folder: where it is installed.
    """

    def __init__(self, files: Path, folder: Path) -> None:
        copy = shutil.copytree(files, folder / "source")
        options = [
            "--quiet",
            "--no-index",
            "--no-deps",
            "--no-build-isolation",
            "--disable-pip-version-check",
        ]
        done = subprocess.run(
            command("pip", "install", *options, "--target", folder / "site", copy),
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        self.folder = folder
        paths = map(str, (folder / "site", REPOSITORY, REPOSITORY / "tests" / "trainers"))
        self.process = subprocess.Popen(
            [sys.executable, "-c", RUNS_COMMANDS],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def run(self, module: str, *arguments: object, cwd: Path | None = None) -> SimpleNamespace:
        """What `python -m MODULE ARGUMENTS` ends with and says; of `-c CODE` too."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        words = map(str, (cwd or self.folder, module, *arguments))
        self.process.stdin.write(json.dumps(list(words)) + "\n")
        self.process.stdin.flush()
        status, out, err = json.loads(self.process.stdout.readline())
        return SimpleNamespace(returncode=status, stdout=out, stderr=err)


@contextmanager
def installed(files: Path, folder: Path) -> Iterator[Site]:
    site = Site(files, folder)
    with site.process:
        yield site


def good(done: SimpleNamespace) -> str:
    assert done.returncode == 0, done.stderr
    return done.stdout


def the_error(done: SimpleNamespace) -> str:
    """The one line of a command that ended with status 2."""
    assert done.returncode == 2, done.stderr
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1, done.stderr
    return done.stderr
