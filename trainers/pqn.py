"""Train with PQN: `python -m trainers.pqn [CONFIG.yaml] [--env ENV]`."""

from trainers import run_command

if __name__ == "__main__":
    raise SystemExit(run_command("trainers.training.cli", trainer_type="pqn"))
