"""Play episodes with a trained policy: `python -m trainers.evaluate RUN`."""

from trainers.playback.evaluation import main

if __name__ == "__main__":
    raise SystemExit(main())
