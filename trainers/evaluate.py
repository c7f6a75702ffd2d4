"""Play episodes with a trained policy: `python -m trainers.evaluate RUN`."""

from trainers import run_command

if __name__ == "__main__":
    raise SystemExit(run_command("trainers.playback.evaluation"))
