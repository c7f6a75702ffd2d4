"""The training command: `python -m trainers CONFIG.yaml`, also installed as `bridge-learn`.

The training file names the algorithm of each behavior.
"""

from trainers import run_command


def main() -> int:
    """Train; returns the exit status."""
    return run_command("trainers.training.cli")


if __name__ == "__main__":
    raise SystemExit(main())
