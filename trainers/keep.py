"""Keep a trained policy in the repository: `python -m trainers.keep RUN`."""

from trainers.playback.keep import main

if __name__ == "__main__":
    raise SystemExit(main())
