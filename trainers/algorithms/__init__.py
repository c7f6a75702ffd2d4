"""The algorithms, one file each, and what they share: the learner and its on-policy and off-policy halves.

Commands, files of a run and the training loop do not belong here.
"""
