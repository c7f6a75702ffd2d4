"""Supervised learning of demonstrations alone: epochs over one part of them, judged by another part."""

import math
from collections.abc import Generator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from trainers.imitation.cloning import Cloning
from trainers.maths.schedules import LEARNING_RATE_FLOOR, linear

if TYPE_CHECKING:
    from bridge.demonstrations import Demonstrations

HELD_OUT = 0.1
"""The part of the demonstrations that is not learned from."""
WHOLE = 5
"""With at least so many trajectories, whole ones are held out; otherwise single decisions, or the end of each."""
GRADIENT_STEPS = 30_000
"""About how many gradient steps there are unless the number of epochs is given."""
LEAST_EPOCHS = 20
PATIENCE = 0.1
"""The part of all epochs, and at least 20, after which learning ends without a better held-out loss."""
CHUNK = 4096
"""Decisions whose loss is computed at a time."""


@dataclass(frozen=True)
class Epoch:
    """What an epoch achieved.

    Attributes:
        number: from 1.
        loss: mean loss of its minibatches.
        held_out: loss of the held-out part after it; NaN if there is none.
        rate: its learning rate.
        samples: decisions learned from so far.
        is_best: whether no epoch before had a lower held-out loss.
    """

    number: int
    loss: float
    held_out: float
    rate: float
    samples: int
    is_best: bool


def divided(
    demonstrations: "Demonstrations", seed: int, in_order: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """Return the numbers of the decisions to learn from, and of those held out; none of fewer than ten.

    Args:
        demonstrations: at least one trajectory.
        seed: of the random choice.
        in_order: whether decisions of one trajectory stay together, as a memory needs them.
    """
    lengths = np.array([len(run) for run in demonstrations.trajectories])
    total, rng = int(lengths.sum()), np.random.default_rng(seed)
    if len(lengths) >= WHOLE:
        chosen = rng.permutation(len(lengths))[: max(1, round(HELD_OUT * len(lengths)))]
        is_held = np.repeat(np.isin(np.arange(len(lengths)), chosen), lengths)
    elif in_order:
        is_held = np.concatenate(
            [np.arange(length) >= math.ceil(length * (1 - HELD_OUT)) for length in lengths]
        )
    else:
        is_held = np.isin(np.arange(total), rng.permutation(total)[: int(HELD_OUT * total)])
    return np.flatnonzero(~is_held), np.flatnonzero(is_held)


def default_epochs(cloning: Cloning) -> int:
    """Return the epochs that take about `GRADIENT_STEPS` gradient steps, but at least `LEAST_EPOCHS`."""
    return max(LEAST_EPOCHS, round(GRADIENT_STEPS * cloning.batch_size / len(cloning.rows)))


def fit(cloning: Cloning, held_out: np.ndarray, epochs: int) -> Generator[Epoch, None, None]:
    """Learn, and yield each epoch. The learning rate falls linearly to the last one. The weights end at the best epoch.

    Learning ends early after a tenth of the epochs (`PATIENCE`) without a lower held-out loss. Closing the iterator
    ends it too, and restores the best weights as well.

    Args:
        cloning: learns from the decisions in its `rows`.
        held_out: numbers of the decisions that judge.
        epochs: the most epochs.
    """
    patience = max(LEAST_EPOCHS, round(PATIENCE * epochs))
    weights = cloning.weights.detach()
    best, best_weights, best_number, samples = math.inf, weights.clone(), 0, 0
    try:
        for number in range(1, epochs + 1):
            rate = linear(cloning.initial_rate, LEARNING_RATE_FLOOR, number - 1, epochs)
            cloning.set_rate(rate)
            losses = []
            for rows in cloning.minibatches():
                losses.append(cloning.descend(rows))
                samples += len(rows)
            loss = float(torch.stack(losses).mean())
            judged = mean_loss(cloning, held_out)
            score = judged if len(held_out) else loss
            is_best = score < best
            if is_best:
                best, best_number = score, number
                best_weights = weights.clone()
            yield Epoch(number, loss, judged, rate, samples, is_best)
            if number - best_number >= patience or not math.isfinite(score):
                return
    finally:
        weights.copy_(best_weights)


@torch.no_grad()
def mean_loss(cloning: Cloning, rows: np.ndarray) -> float:
    """Return the mean loss of decisions by number; NaN without any."""
    parts = [rows[start : start + CHUNK] for start in range(0, len(rows), CHUNK)]
    if not parts:
        return math.nan
    return float(sum(float(cloning.loss(part)) * len(part) for part in parts)) / len(rows)


@torch.no_grad()
def deviation(cloning: Cloning, rows: np.ndarray) -> torch.Tensor:
    """Return the root mean square error of each continuous action over decisions, (size,), as a raw action.

    It is the standard deviation by which a Gaussian around the policy's actions is likeliest to give what was shown.
    """
    parts = [cloning.errors(rows[start : start + CHUNK]) for start in range(0, len(rows), CHUNK)]
    return torch.cat(parts).square().mean(0).sqrt() * cloning.policy.action_limit
