"""Train a policy on demonstrations alone: `python -m trainers.clone CONFIG --demo expert.demo`."""

from trainers import run_command

if __name__ == "__main__":
    raise SystemExit(run_command("trainers.training.clone_command"))
