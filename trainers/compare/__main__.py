"""`python -m trainers.compare`."""

from trainers.compare.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
