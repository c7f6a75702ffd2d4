"""Train tasks for `docs/results.md`, or write its tables: `python -m trainers.benchmark [TASK ...]`, or `--table`."""

from trainers import run_command

if __name__ == "__main__":
    raise SystemExit(run_command("trainers.playback.benchmark"))
