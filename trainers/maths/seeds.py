"""The seeds of random numbers that must differ within a run."""

import numpy as np


def behavior_seed(seed: int, number: int) -> int:
    """Return the seed of behavior `number` of several, from 0. That of the first one is the seed itself."""
    if number == 0:
        return seed
    return int(np.random.SeedSequence(seed, spawn_key=(number,)).generate_state(1)[0])


def rank_seed(seed: int, rank: int) -> int:
    """Return the seed of a rank's random numbers. That of rank 0 is the seed itself."""
    if rank == 0:
        return seed
    return int(np.random.SeedSequence(seed, spawn_key=(0, rank)).generate_state(1)[0])


def acting_seed(seed: int) -> int:
    """Return the seed of the random numbers that actions are drawn with, if a thread draws those of updates."""
    return int(np.random.SeedSequence(seed, spawn_key=(1,)).generate_state(1)[0])
