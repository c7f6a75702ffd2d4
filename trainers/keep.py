"""Keep a trained policy in the repository: `python -m trainers.keep RUN`."""

from trainers import run_command

if __name__ == "__main__":
    raise SystemExit(run_command("trainers.playback.keep"))
