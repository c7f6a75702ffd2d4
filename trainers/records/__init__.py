"""The files of a run, written and read: checkpoints, policies, metrics, reports, plots, timers, the run folder.

`trainers.training` decides when each of them is written.
"""
