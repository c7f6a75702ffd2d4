"""Environments small enough to know by heart, and ways to run them."""

import gymnasium
import numpy as np
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from mlagents_envs.base_env import ActionTuple

from gym_adapters import VectorEnvAdapter

NAME = "Small"


def box(*shape, dtype=np.float32, low=-1, high=1) -> spaces.Box:
    return spaces.Box(low, high, shape, dtype)


class Counter(gymnasium.Env):
    """Observes (episode, step), pays the step, and ends after `length` steps.

    Attributes:
        actions: Every action it was given.
    """

    observation_space = spaces.Box(0, np.inf, (2,), np.float64)
    action_space = spaces.Discrete(3)

    def __init__(self, length: int, ending: str = "terminated", masked: bool = False) -> None:
        self.length, self.ending, self.masked = length, ending, masked
        self.episode = -1
        self.actions: list[int] = []

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.episode, self.count = self.episode + 1, 0
        return self._look(), self._info()

    def step(self, action):
        assert self.count < self.length, "stepped after the end"
        self.actions.append(int(action))
        self.count += 1
        ended = self.count == self.length
        terminated = ended and self.ending in ("terminated", "both")
        truncated = ended and self.ending in ("truncated", "both")
        return self._look(), float(self.count), terminated, truncated, self._info()

    def _look(self):
        return np.array([self.episode, self.count], dtype=np.float64)

    def _info(self):
        """Allows only action `count` modulo 3."""
        return {"action_mask": (np.arange(3) == self.count % 3).astype(np.int8)} if self.masked else {}


class Scripted(gymnasium.Env):
    """Observes samples of a space, takes only actions of a space, and ends after `length` steps."""

    def __init__(self, observation_space, action_space, length: int = 7) -> None:
        self.observation_space, self.action_space, self.length = observation_space, action_space, length

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        if seed is not None:
            self.observation_space.seed(seed)
        self.count = 0
        return self.observation_space.sample(), {}

    def step(self, action):
        assert self.action_space.contains(action), action
        self.count += 1
        return self.observation_space.sample(), 1.0, False, self.count == self.length, {}


def counters(lengths, mode=AutoresetMode.SAME_STEP, **settings) -> VectorEnvAdapter:
    """An adapter around one `Counter` per length."""
    makers = [lambda length=length: Counter(length, **settings) for length in lengths]
    return VectorEnvAdapter(SyncVectorEnv(makers, autoreset_mode=mode), NAME, 0)


def scripted(observation_space, action_space, num_envs=3, **settings) -> VectorEnvAdapter:
    """An adapter around equal `Scripted` environments, which reuses its buffers wherever it may."""
    makers = [lambda: Scripted(observation_space, action_space, **settings)] * num_envs
    vector_env = SyncVectorEnv(makers, copy=False, autoreset_mode=AutoresetMode.SAME_STEP)
    return VectorEnvAdapter(vector_env, NAME, 0)


def random_action(rng: np.random.Generator, spec, count: int) -> ActionTuple:
    """Uniform actions, continuous ones a little beyond [-1, 1]. Shape: (count, ...)."""
    continuous = rng.uniform(-1.2, 1.2, (count, spec.continuous_size)).astype(np.float32)
    discrete = rng.integers(0, spec.discrete_branches or 1, (count, spec.discrete_size))
    return ActionTuple(continuous, discrete.astype(np.int32))
