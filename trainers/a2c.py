"""Train with A2C: `python -m trainers.a2c [CONFIG.yaml] [--env ENV]`."""

from trainers.training.cli import main

if __name__ == "__main__":
    raise SystemExit(main(trainer_type="a2c"))
