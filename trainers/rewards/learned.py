"""What signals share whose rewards come from a network of their own, which learns from the rows."""

import zlib
from abc import abstractmethod
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
import torch
from mlagents_envs.base_env import BehaviorSpec
from torch import Tensor

from gym_adapters.errors import UserError, place_named
from trainers.config import LearnedSignalSettings, NetworkSettings
from trainers.experience.rows import Rows
from trainers.experience.samplers import divide
from trainers.experience.task import Task
from trainers.networks.distributions import Actions
from trainers.networks.normalizer import ObservationMoments
from trainers.networks.perception import Perception
from trainers.networks.weights import require_room
from trainers.optim.collective import set_apart, weighted_mean
from trainers.optim.optimizer import FlatAdam
from trainers.optim.threads import threads_for
from trainers.rewards.signal import RewardSignal

REWARD_CHUNK = 4096
"""Rows whose rewards are computed at a time."""


class RowBatch:
    """`n` rows as tensors on the device of a network. Each column is read when it is first used.

    Args:
        rows: the rows.
        network: prepares their observations.
    """

    def __init__(self, rows: Rows, network: Perception) -> None:
        self.rows, self.network = rows, network

    @cached_property
    def inputs(self) -> tuple[Tensor, ...]:
        """The observations as prepared inputs, (n, ...) each; see `Perception.prepare`."""
        return self.network.upload(self.rows.observations)

    @cached_property
    def next_inputs(self) -> tuple[Tensor, ...]:
        """The next observations as prepared inputs, (n, ...) each; at the end of an episode, its last observation."""
        return self.network.upload(self.rows.next_observations)

    @cached_property
    def actions(self) -> Actions:
        """The raw actions."""
        return Actions(self._tensor(self.rows.continuous), self._tensor(self.rows.discrete))

    @cached_property
    def action_numbers(self) -> Tensor:
        """The actions as numbers, (n, size + sum of branch sizes): raw continuous ones, then one-hot branches."""
        return self.actions.numbers(self.network.action_spec.discrete_branches)

    @cached_property
    def ending(self) -> Tensor:
        """(n,) int8, how each agent's trajectory continues, an `Ending` each."""
        return self._tensor(self.rows.ending)

    def _tensor(self, array: np.ndarray) -> Tensor:
        return torch.from_numpy(array).to(self.network.device)


@dataclass
class ConstantRate:
    """The optimiser of a signal: Adam with a constant learning rate, as in ML-Agents."""

    learning_rate_schedule: str = "constant"
    max_grad_norm: float | None = None
    adam_epsilon: float = 1e-8


class LearnedSignal(RewardSignal):
    """A signal with a network, an optimiser, a normaliser and random numbers of its own.

    A subclass makes the network (`make_network`), and implements the reward of rows (`reward`) and what the network
    learns from them (`loss`). After each update of the policy, the network takes as many gradient steps as the policy
    did, on minibatches of `batch_size` rows: `num_epoch` passes over a rollout, or one minibatch of a replay buffer.

    Args:
        name: the key of its block in `reward_signals`.
        settings: that block.
        task: the behavior that is rewarded.

    Attributes:
        network: the signal's network.
        observation_moments: what its normaliser normalises by.
        generator: the source of randomness, on the CPU, so that its state fits any device.

    Raises:
        UserError: an image is smaller than the encoder accepts, or the network is too large for this machine.
    """

    settings_class: ClassVar[type[LearnedSignalSettings]]
    settings: LearnedSignalSettings
    network: Perception

    def __init__(self, name: str, settings: LearnedSignalSettings, task: Task) -> None:
        super().__init__(name, settings, task)
        self.owner = f"behavior {task.name}, reward_signals.{name}"
        hyper: Any = task.settings.hyperparameters
        self.batch_size, self.passes = hyper.batch_size, getattr(hyper, "num_epoch", 1)
        seed = zlib.crc32(f"{task.seed} {name}".encode())
        rank = task.collective.rank
        self.generator = torch.Generator().manual_seed(
            zlib.crc32(f"{seed} {rank}".encode()) if rank else seed
        )
        network = settings.network_settings
        require_room(self.owner, task.spec, network, lambda: self.make_network(task.spec, network), copies=4)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            with place_named(self.owner):
                self.network = self.make_network(task.spec, network).to(task.device).eval()
        learned = [parameter for parameter in self.network.parameters() if parameter.requires_grad]
        self.optimizer = FlatAdam([learned], [settings.learning_rate], ConstantRate(), 1, task.collective)
        self.observation_moments = ObservationMoments(self.network.vector_size, task.collective)

    @abstractmethod
    def make_network(self, spec: BehaviorSpec, settings: NetworkSettings) -> Perception:
        """Return the network, with new weights. Parameters without `requires_grad` are not learned."""

    @abstractmethod
    def reward(self, batch: RowBatch) -> Tensor:
        """Return the rewards of rows before `strength`, (n,)."""

    @abstractmethod
    def loss(self, batch: RowBatch) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the loss of a minibatch, a scalar, and scalars by TensorBoard tag, the same tags in every call."""

    def rewards(self, rows: Rows) -> np.ndarray:
        """See `RewardSignal.rewards`. With the key `normalize`, they are 0 until there are observations to go by."""
        count = len(rows.settled)
        if self.network.normalizer is not None and self.observation_moments.count == 1.0:
            return np.zeros(count, np.float32)
        parts = [
            rows.select(np.arange(start, min(start + REWARD_CHUNK, count)))
            for start in range(0, count, REWARD_CHUNK)
        ]
        with torch.no_grad(), threads_for(min(count, REWARD_CHUNK), self.network.size):
            found = [self.reward(RowBatch(part, self.network)).float().cpu().numpy() for part in parts]
        return self.scaled(np.concatenate(found)) if found else np.zeros(0, np.float32)

    def scaled(self, reward: np.ndarray) -> np.ndarray:
        """Return rewards times `strength`, (n,)."""
        return reward * np.float32(self.strength)

    def update(self, rows: Rows) -> dict[str, float]:
        """See `RewardSignal.update`. The normaliser moves first.

        Raises:
            UserError: a weight is no longer finite.
        """
        rows = rows.select(np.flatnonzero(rows.settled))
        count, collective = len(rows.settled), self.optimizer.collective
        counts = collective.gather(np.array([float(count)])).astype(np.int64)[:, 0]
        if not counts.all():
            return {}
        self._update_normalizer(rows)
        division = divide(counts, collective.rank, self.batch_size)
        size, self.optimizer.weight = division.size, division.weight
        figures: list[Tensor] = []
        tags: list[str] = []
        with threads_for(size, self.network.size):
            for _ in range(self.passes):
                order = torch.randperm(count, generator=self.generator).numpy()
                for start in range(0, division.count * size, size):
                    batch = RowBatch(rows.select(order[start : start + size]), self.network)
                    loss, found = self.loss(batch)
                    self.optimizer.descend(loss)
                    figures.append(torch.stack([figure.detach() for figure in found.values()]))
                    tags = list(found)
        if not self.optimizer.is_finite:
            raise UserError(
                f"{self.owner}: training diverged, its weights are no longer finite; lower its learning_rate, or set "
                "normalize: true in its network_settings"
            )
        means = weighted_mean(collective, torch.stack(figures).mean(0), division.weight)
        return dict(zip(tags, means.tolist(), strict=True))

    def state_dict(self) -> dict[str, Any]:
        """See `RewardSignal.state_dict`."""
        return {
            "network": self.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "moments": self.observation_moments.state_dict(),
            "generator": self.generator.get_state(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """See `RewardSignal.load_state_dict`. The learning rate is that of the settings."""
        self.network.load_state_dict(state["network"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.optimizer.set_learning_rate(0)
        self.observation_moments.load_state_dict(state["moments"])
        self.generator.set_state(state["generator"])
        set_apart(self.generator, self.optimizer.collective.rank)

    def _update_normalizer(self, rows: Rows) -> None:
        """Add rows to the moments of the observations."""
        if self.network.normalizer is None:
            return
        observations = rows.observations
        vectors = [observations[index] for index in self.network.vector_columns]
        self.observation_moments.update(np.concatenate(vectors, axis=1))
        self.observation_moments.share()
        self.network.normalizer.assign(self.observation_moments)
