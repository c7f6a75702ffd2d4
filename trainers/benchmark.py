"""Make rows of `docs/results.md` again: `python -m trainers.benchmark [TASK ...]`."""

from trainers.playback.benchmark import main

if __name__ == "__main__":
    raise SystemExit(main())
