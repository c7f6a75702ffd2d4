"""What a run leaves and reads back: checkpoints, policies, metrics, reports, plots, timers, the run folder.

When something is written is decided in `trainers.training`.
"""
