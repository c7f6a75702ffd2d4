"""The noise of continuous actions, which may be correlated from one decision of an agent to the next."""

from dataclasses import dataclass
from typing import Self

import numpy as np

from trainers.config import BehaviorSettings, NoiseSettings


@dataclass(frozen=True)
class Noise:
    """Noise that follows that of each agent's decision before: an autoregressive process of order 1.

    Each number is standard normal, as without correlation, so the log-probability of an action given its observation is
    the same. Correlated noise pushes in one direction for a while, and so reaches what independent noise averages out.
    Source: Hollenstein et al. 2024, "Colored Noise in PPO", with noise of one time scale in place of coloured noise.

    Attributes:
        before: (n, size) float32 noise of each agent's decision before; zeros for agents whose episodes begin.
        correlation: that of successive numbers, from 0 to below 1. The time scale is -1 / ln(correlation) decisions.
    """

    before: np.ndarray
    correlation: float

    @classmethod
    def at(cls, step: int, before: np.ndarray, settings: BehaviorSettings) -> Self | None:
        """Return the noise that follows at an agent step; None where it is independent.

        The correlation falls linearly from `noise_correlation` to 0 over `noise_correlation_steps` agent steps.
        """
        hyper = settings.hyperparameters
        assert isinstance(hyper, NoiseSettings)
        steps = hyper.noise_correlation_steps or 0.1 * settings.max_steps
        correlation = hyper.noise_correlation * (1.0 - step / steps)
        return cls(before, correlation) if correlation > 0.0 else None

    def after(self, fresh: np.ndarray) -> np.ndarray:
        """Return the noise of this decision, (n, size) float32, from independent standard normal numbers, (n, size)."""
        weight = np.where(self.before.any(1, keepdims=True), np.float32(self.correlation), np.float32(0.0))
        return weight * self.before + np.sqrt(1.0 - weight * weight) * fresh
