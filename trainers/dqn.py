"""Train with DQN: `python -m trainers.dqn [CONFIG.yaml] [--env ENV]`."""

from trainers.training.cli import main

if __name__ == "__main__":
    raise SystemExit(main(trainer_type="dqn"))
