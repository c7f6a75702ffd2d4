"""Train tasks for `docs/results.md`, or write its tables: `python -m trainers.benchmark [TASK ...]`, or `--table`."""

from trainers.playback.benchmark import main

if __name__ == "__main__":
    raise SystemExit(main())
