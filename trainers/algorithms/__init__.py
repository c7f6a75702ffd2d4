"""Algorithms, one module each, and what they share: actors, the learner, and its on-policy and off-policy versions.

Losses belong in `maths`. The training loop, commands and files of a run belong in `training`.
"""
