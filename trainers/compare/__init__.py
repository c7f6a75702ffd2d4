"""Runs of this trainer beside runs of `mlagents-learn`: one table, one page. `python -m trainers.compare --help`."""
