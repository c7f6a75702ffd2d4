"""How a run was started: its command lines, the versions of the packages, and the commits of the code.

No variable of the environment is recorded, since some hold secrets.
"""

import json
import os
import platform
import subprocess
import sys
import time
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

from gym_adapters.commands import shell_line
from gym_adapters.files import write_text

COMMAND, SYSTEM = Path("run_logs", "command.txt"), Path("run_logs", "system.json")
GIT_SECONDS = 5.0


def write_origin(folder: Path) -> None:
    """Add this process's command line to a run's `command.txt`, and write its `system.json`.

    Raises:
        OSError: a file could not be written.
    """
    path = folder / COMMAND
    earlier = path.read_text("utf-8", "replace") if path.is_file() else ""
    write_text(path, f"{earlier}{time.strftime('%Y-%m-%d %H:%M:%S')}  {command_line()}\n")
    write_text(folder / SYSTEM, json.dumps(system(), indent=4))


def command_line() -> str:
    """Return the command line of this process, as it would be typed again."""
    line = shell_line(*sys.orig_argv)
    return line.encode("utf-8", "replace").decode()  # names may have bytes that are no text


@cache
def system() -> dict[str, Any]:
    """Return Python, platform, all installed packages, and the commits of this trainer and of the current folder."""
    packages = {each.name: each.version for each in metadata.distributions()}
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cores": os.cpu_count(),
        "git": {
            "trainer": commit(Path(__file__).parent),
            "current folder": commit(Path.cwd()),
        },
        "packages": dict(sorted(packages.items(), key=lambda item: str(item[0]).lower())),
    }


def commit(folder: Path) -> str | None:
    """Return the git commit that a folder is at, with `-dirty` if files were changed since; None without git.

    A repository that has no file of the folder is another project's, such as one that a virtual environment lies in.
    Git writes nothing meanwhile, so that the repository is not left locked if git takes too long and is ended.
    """

    def git(*words: str) -> str:
        command = ["git", "--no-optional-locks", "-C", str(folder), *words]
        done = subprocess.run(command, capture_output=True, text=True, timeout=GIT_SECONDS, check=True)
        return done.stdout.strip()

    try:
        if not git("ls-files", "--", "."):
            return None
        head = git("rev-parse", "HEAD")
        return f"{head}-dirty" if git("status", "--porcelain", "--untracked-files=no") else head
    except (OSError, subprocess.SubprocessError):
        return None
