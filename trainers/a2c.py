"""Train with A2C: `python -m trainers.a2c [CONFIG.yaml] [--env ENV]`."""

from trainers import run_command

if __name__ == "__main__":
    raise SystemExit(run_command("trainers.training.cli", trainer_type="a2c"))
