"""What every learner has: a policy, reward signals, actors, and a count of decisions.

The loop asks an `Actor` to observe and to act, and its learner to `update` when it is `ready`. Decisions are kept in
the learner's `Store`: a rollout that is learned from and dropped, or a replay buffer.
"""

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from mlagents_envs.base_env import BehaviorSpec

from gym_adapters.errors import UserError
from trainers.algorithms.actor import Actor
from trainers.config import AlgorithmSettings, BehaviorSettings, catalogue
from trainers.experience.agents import AgentBatch, AgentTable
from trainers.experience.rows import Rows
from trainers.experience.store import Store
from trainers.experience.task import Task
from trainers.maths.schedules import decayed
from trainers.networks.normalizer import RunningMoments
from trainers.networks.policy_network import ActionSample, PolicyNetwork
from trainers.optim.optimizer import FlatAdam
from trainers.optim.threads import threads_for
from trainers.records.metrics import Metrics
from trainers.rewards.signal import RewardSignal


class Learner(ABC):
    """Learns one behavior.

    A subclass names its settings class and its network class, makes the network, and says when and how it updates.

    Attributes:
        kind: the `trainer_type`.
        step: agent decisions rewarded so far, over all agents.
        training: False only acts and keeps score.
        finished: it has had its `max_steps`; it goes on acting, and nothing is counted or scored any more.
        metrics: episode results and training figures since the last summary.
    """

    settings_class: ClassVar[type[AlgorithmSettings]]
    network_class: ClassVar[type[PolicyNetwork]]
    policy: PolicyNetwork
    optimizer: FlatAdam

    def __init__(self, task: Task) -> None:
        self.task = task
        self.name, self.spec, self.settings, self.device = task.name, task.spec, task.settings, task.device
        self.kind = task.settings.trainer_type
        self.time_horizon = task.settings.time_horizon
        self.deterministic = task.settings.network_settings.deterministic
        self.training, self.finished = True, False
        self.step = 0
        self.metrics = Metrics()
        self.generator = torch.Generator(task.device).manual_seed(task.seed)
        self.actors: dict[str, Actor] = {}

        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(task.seed)
            self.policy = self.make_network(task.spec, task.settings).to(task.device)
        self.parameters = self.policy.size

        self.signals: list[RewardSignal] = [
            _signal_class(name)(name, settings, task)
            for name, settings in task.settings.reward_signals.active().items()
        ]
        vectors = [task.spec.observation_specs[index].shape[0] for index in self.policy.vector_columns]
        self.observation_moments = RunningMoments(sum(vectors))

    @classmethod
    @abstractmethod
    def make_network(cls, spec: BehaviorSpec, settings: BehaviorSettings) -> PolicyNetwork:
        """The network, with new weights."""

    @property
    @abstractmethod
    def store(self) -> Store:
        """Where decisions are kept."""

    @property
    @abstractmethod
    def ready(self) -> bool:
        """Enough decisions have been rewarded for an update."""

    @abstractmethod
    def update(self) -> None:
        """Learn from the rewarded decisions.

        Raises:
            UserError: the weights are no longer finite.
        """

    def actor(self, behavior_id: str) -> Actor:
        """The actor of `Name` or `Name?team=1`, made when first asked for."""
        if behavior_id not in self.actors:
            self.actors[behavior_id] = Actor(self)
        return self.actors[behavior_id]

    def choose(self, batch: AgentBatch) -> ActionSample:
        """See `Mind.choose`; a pass too short to share runs on one thread."""
        with threads_for(len(batch), self.parameters):
            return self.policy.choose(batch.observations, batch.forbidden, self.deterministic, self.generator)

    def noticed(self, batch: AgentBatch) -> None:
        """See `Mind.noticed`; nothing to do here."""
        del batch

    def earned(self, agents: AgentTable, slots: np.ndarray, own: np.ndarray, group: np.ndarray) -> None:
        """See `Mind.earned`."""
        if self.finished:
            return
        if self.training:
            for one in self.signals:
                one.earned(agents, slots, own, group)
        self.step += len(slots)

    def ended(self, own: np.ndarray, group: np.ndarray, lengths: np.ndarray) -> None:
        """See `Mind.ended`."""
        if self.finished:
            return
        self.metrics.add_episodes(own, group, lengths)
        for one in self.signals:
            worth = one.of_episodes(own, group)
            if worth is not None:
                self.metrics.extend(f"Policy/{one.title} Reward", worth)

    def groups_ended(self, returns: np.ndarray) -> None:
        """See `Mind.groups_ended`."""
        if not self.finished:
            self.metrics.add_groups(returns)

    def finish(self) -> None:
        """Learn and count no more; the policy goes on acting."""
        self.training, self.finished = False, True

    def forget_agents(self) -> None:
        """The environment was reset: episodes under way are dropped, their last rewards never come."""
        for actor in self.actors.values():
            actor.forget_agents()

    def set_precision(self, mixed: bool) -> None:
        """Compute image encoders in bfloat16 from now on, or not."""
        self.policy.mixed_precision = mixed

    def description(self) -> dict[str, Any]:
        """What is needed to build the policy again, as plain types."""
        return {"name": self.name, **self.policy.description()}

    def state_dict(self) -> dict[str, Any]:
        """Everything that makes the next update what it would have been, as tensors, numbers and strings."""
        return {
            "trainer_type": self.kind,
            "global_step": self.step,
            "Policy": self.policy.state_dict(),
            "Optimizer:value_optimizer": self.optimizer.state_dict(),
            "observation_moments": self.observation_moments.state_dict(),
            "reward_signals": {one.name: one.state_dict() for one in self.signals},
            "recent_returns": list(self.metrics.recent_returns),
            "lesson_returns": list(self.metrics.lesson_returns),
            "episodes": self.metrics.episodes,
            "generator": self.generator.get_state(),
        }

    def load_state_dict(self, state: dict[str, Any], only_weights: bool = False) -> None:
        """Go on from `state_dict`; `only_weights` starts counting anew (ML-Agents option `--initialize-from`)."""
        self.policy.load_state_dict(state["Policy"])
        self.observation_moments.load_state_dict(state["observation_moments"])
        known = state.get(
            "reward_signals", {"extrinsic": state}
        )  # written when extrinsic was the only signal
        for one in self.signals:
            if one.name in known:
                one.load_state_dict(known[one.name])
        if only_weights:
            return
        self.optimizer.load_state_dict(state["Optimizer:value_optimizer"])
        self.step = state["global_step"]
        self.metrics.recent_returns.extend(state["recent_returns"])
        self.metrics.lesson_returns.extend(state.get("lesson_returns", []))
        self.metrics.episodes = state["episodes"]
        self.generator.set_state(state["generator"])

    def save_store(self, folder: Path) -> None:
        """Write the decisions that are worth keeping, beside the checkpoints; called after each. Here: none."""
        del folder

    def load_store(self, folder: Path) -> None:
        """Read what `save_store` wrote, if it is there; called after `load_state_dict`."""
        del folder

    def rewards(self, rows: Rows) -> np.ndarray:
        """What rows are worth to each reward signal, (n, streams)."""
        return np.stack([one.rewards(rows) for one in self.signals], axis=1)

    def decayed(self, initial: float, floor: float, schedule: str) -> float:
        """A scheduled value at the present step."""
        return decayed(initial, floor, schedule, self.step, self.settings.max_steps)

    def require_finite_weights(self) -> None:
        """Refuse weights that have become NaN or infinite.

        Raises:
            UserError: says what to change.
        """
        if not self.optimizer.is_finite:
            raise UserError(
                f"behavior {self.name}: training diverged at step {self.step}, its weights are no longer finite; "
                "lower hyperparameters.learning_rate, set max_grad_norm, or scale rewards down"
            )


def _signal_class(name: str) -> type[RewardSignal]:
    listed = catalogue.signal(name)
    assert listed is not None
    signal_class: type[RewardSignal] = listed.load()
    return signal_class
