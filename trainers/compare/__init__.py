"""Comparison of runs of this trainer and of `mlagents-learn`. See `python -m trainers.compare --help`."""
