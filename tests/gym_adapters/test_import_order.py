"""An environment whose module imports `mlagents_envs` before `bridge` is told what to write."""

import subprocess
import sys
from pathlib import Path


def test_an_environment_that_imports_mlagents_envs_first_is_told_what_to_write(tmp_path: Path) -> None:
    (tmp_path / "own_maze.py").write_text("import mlagents_envs.environment\n")
    code = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n"
        "from gym_adapters import UserError, make_env\n"
        "try: make_env('own_maze:Maze-v0', 1, 0)\n"
        "except UserError as error: print(error)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
    (line,) = done.stdout.splitlines()
    assert line.endswith("put `import bridge` before it in own_maze"), done.stderr
