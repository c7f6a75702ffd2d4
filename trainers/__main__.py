"""`python -m trainers CONFIG.yaml`, also installed as `bridge-learn`: the file names the algorithm."""

from trainers.training.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
