"""Film trained policies: `python -m trainers.gallery [RUN ...]`."""

from trainers import run_command

if __name__ == "__main__":
    raise SystemExit(run_command("trainers.playback.gallery"))
