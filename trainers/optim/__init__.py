"""Optimisation: the optimiser, the choice of device and threads, and small networks in numpy.

Losses belong in `maths`, and what an update consists of in `algorithms`.
"""
