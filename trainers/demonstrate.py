"""Record a trained policy as demonstrations: `python -m trainers.demonstrate RUN --out expert.demo`."""

from trainers import run_command

if __name__ == "__main__":
    raise SystemExit(run_command("trainers.playback.demonstrate"))
