"""Train with MAPPO: `python -m trainers.mappo [CONFIG.yaml] [--env ENV]`."""

from trainers import run_command

if __name__ == "__main__":
    raise SystemExit(run_command("trainers.training.cli", trainer_type="mappo"))
