"""The training command: `python -m trainers CONFIG.yaml`, also installed as `bridge-learn`.

The training file names the algorithm of each behavior.
"""

import sys
from pathlib import Path

from trainers import run_command
from trainers.commands import import_from_here


def main() -> int:
    """Train; returns the exit status."""
    import_from_here()
    installed = Path(sys.argv[0]).stem
    return run_command("trainers.training.cli", installed if installed == "bridge-learn" else None)


if __name__ == "__main__":
    raise SystemExit(main())
