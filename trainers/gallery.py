"""Film trained policies: `python -m trainers.gallery [RUN ...]`."""

from trainers.playback.gallery import main

if __name__ == "__main__":
    raise SystemExit(main())
