"""`python -m trainers.search`."""

from trainers.search.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
