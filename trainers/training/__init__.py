"""Training runs: the loop, its session, curricula, environments, stop signals, and the command line.

The computations of learning belong in `algorithms` and the layers below it, file formats in `records`.
"""
