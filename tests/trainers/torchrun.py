"""Commands under torchrun, as people type them."""

import subprocess
import sys
from pathlib import Path

from command_tools import PATIENCE, REPOSITORY, surroundings


def torchrun(ranks: int, *words: object, options: tuple[str, ...] = ()) -> list[str]:
    """The command line that starts a module or a script with several ranks."""
    starter = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", str(ranks), *options]
    return [*starter, *map(str, words)]


def run_ranks(
    ranks: int, *words: object, folder: Path, options: tuple[str, ...] = ()
) -> subprocess.CompletedProcess:
    """Start ranks and wait until all have ended."""
    return subprocess.run(
        torchrun(ranks, *words, options=options),
        cwd=folder,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=3 * PATIENCE,  # several trainings, one after the other
        check=False,
    )


def environment() -> dict[str, str]:
    """What the ranks find in their environment: the code that is tested, and the helpers of the tests."""
    return {**surroundings(), "PYTHONPATH": f"{REPOSITORY}:{REPOSITORY / 'tests' / 'trainers'}"}


def errors_of(text: str) -> list[str]:
    """The lines in which a command of ours says why it ended."""
    return [line for line in text.splitlines() if line.startswith("error: ")]
