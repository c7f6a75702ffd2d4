"""What every learner does between updates: see to whom each reward belongs, and act.

Who awaits a reward is known here; what becomes of the decisions is the business of a `Store`: a rollout that is learned
from and dropped, or a replay buffer.

Seen from the loop a learner does four things: `observe` what the environment says, `update` when enough decisions
have been rewarded, `act`, and report its `metrics`.
"""

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from mlagents_envs.base_env import ActionTuple, BehaviorSpec, DecisionSteps, TerminalSteps

from gym_adapters.errors import UserError
from trainers.config import BehaviorSettings
from trainers.experience.agents import AgentTable
from trainers.experience.checks import require_finite
from trainers.experience.store import NO_ROW, Store
from trainers.maths.schedules import decayed
from trainers.networks.actor_critic import Policy, join_masks, to_action_tuple
from trainers.networks.normalizer import RunningMoments
from trainers.networks.q_network import QNetwork
from trainers.optim.optimizer import FlatAdam
from trainers.optim.threads import threads_for
from trainers.records.metrics import Metrics

SCALED_REWARD_LIMIT = 10.0


class Learner(ABC):
    """Learns one behavior; this half collects decisions and their rewards.

    Args:
        name: behavior name, without team.
        spec: its observations and actions.
        settings: its block of the training file.
        seed: seeds initial weights, action sampling and minibatch order.
        device: torch device of the networks.

    Attributes:
        step: agent decisions rewarded so far, over all agents.
        training: False only acts and keeps score.
        metrics: episode results and training figures since the last summary.
    """

    kind: ClassVar[str]
    policy: Policy | QNetwork
    optimizer: FlatAdam

    def __init__(
        self, name: str, spec: BehaviorSpec, settings: BehaviorSettings, seed: int, device: torch.device
    ) -> None:
        self.name, self.spec, self.settings, self.device = name, spec, settings, device
        self.deterministic = settings.network_settings.deterministic
        self.training = True
        self.step = 0
        self.metrics = Metrics()
        self.generator = torch.Generator(device).manual_seed(seed)

        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.policy = self._make_policy().to(device)
        self._parameters = self.policy.size

        signal = settings.reward_signals.extrinsic
        assert signal is not None
        self.gamma = np.array([signal.gamma], np.float32)
        self.strength = signal.strength
        self.return_moments = RunningMoments(1)

        vectors = [spec.observation_specs[index].shape[0] for index in self.policy.vector_columns]
        self.observation_moments = RunningMoments(sum(vectors))

        self.agents = AgentTable()
        self._asking = np.empty(0, np.int64)
        self._observations: list[np.ndarray] = []
        self._forbidden: np.ndarray | None = None

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

    @abstractmethod
    def description(self) -> dict[str, Any]:
        """What is needed to build the policy again, as plain types."""

    @abstractmethod
    def _make_policy(self) -> Policy | QNetwork:
        """The networks, with new weights."""

    @abstractmethod
    def _choose(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Actions for the agents of the last `observe`: continuous, discrete, log-probability, each (n, ...)."""

    def state_dict(self) -> dict[str, Any]:
        """Everything that makes the next update what it would have been, as tensors, numbers and strings."""
        return {
            "trainer_type": self.kind,
            "global_step": self.step,
            "Policy": self.policy.state_dict(),
            "observation_moments": self.observation_moments.state_dict(),
            "return_moments": self.return_moments.state_dict(),
            "recent_returns": list(self.metrics.recent_returns),
            "episodes": self.metrics.episodes,
            "generator": self.generator.get_state(),
        }

    def load_state_dict(self, state: dict[str, Any], only_weights: bool = False) -> None:
        """Go on from `state_dict`; `only_weights` starts counting anew (ML-Agents option `--initialize-from`)."""
        self.policy.load_state_dict(state["Policy"])
        self.observation_moments.load_state_dict(state["observation_moments"])
        self.return_moments.load_state_dict(state["return_moments"])
        if only_weights:
            return
        self.step = state["global_step"]
        self.metrics.recent_returns.extend(state["recent_returns"])
        self.metrics.episodes = state["episodes"]
        self.generator.set_state(state["generator"])

    def save_store(self, folder: Path) -> None:
        """Write the decisions that are worth keeping, beside the checkpoints; called after each. Here: none."""
        del folder

    def load_store(self, folder: Path) -> None:
        """Read what `save_store` wrote, if it is there; called after `load_state_dict`."""
        del folder

    def observe(self, decision: DecisionSteps, terminal: TerminalSteps) -> None:
        """Take in what agents saw and earned: endings first, since an id may be in both.

        Raises:
            UserError: an observation or reward is not finite.
        """
        require_finite(self.name, decision)
        require_finite(self.name, terminal)
        self._end_episodes(terminal)

        slots = self.agents.find(decision.agent_id)
        new = slots < 0
        previous = np.full(len(slots), NO_ROW, np.int64)
        previous[~new] = self.agents.open_row[slots[~new]]
        if new.any():
            slots[new] = self.agents.add(decision.agent_id[new])
        self._forbidden = join_masks(decision.action_mask)
        self._observations = decision.obs
        rows = self.store.open(decision.obs, self._forbidden, previous)
        if not new.all():
            self._pay(slots[~new], decision.reward[~new], decision.group_reward[~new], rows[~new])
        self.agents.open_row[slots] = rows
        self._asking = slots

    def act(self) -> ActionTuple:
        """Choose actions for the agents of the last `observe`, in its order."""
        with threads_for(len(self._asking), self._parameters):
            continuous, discrete, log_prob = self._choose()
        self.store.act(self.agents.open_row[self._asking], continuous, discrete, log_prob)
        return to_action_tuple(continuous, discrete)

    def set_precision(self, mixed: bool) -> None:
        """Compute image encoders in bfloat16 from now on, or not."""
        self.policy.mixed_precision = mixed

    def forget_agents(self) -> None:
        """The environment was reset: episodes under way are dropped, their last rewards never come."""
        self.agents.clear()

    def _end_episodes(self, terminal: TerminalSteps) -> None:
        slots = self.agents.find(terminal.agent_id)
        known = slots >= 0
        if not known.any():
            return
        slots, interrupted = slots[known], terminal.interrupted[known]
        next_row = np.full(len(slots), NO_ROW, np.int64)
        if interrupted.any():
            final = [observation[known][interrupted] for observation in terminal.obs]
            before = self.agents.open_row[slots[interrupted]]
            next_row[interrupted] = self.store.open(final, None, before)
        self._pay(slots, terminal.reward[known], terminal.group_reward[known], next_row, ended=True)
        group = self.agents.group_return[slots] if (terminal.group_id > 0).any() else None
        self.metrics.add_episodes(self.agents.episode_return[slots], self.agents.episode_steps[slots], group)
        earned = self.agents.episode_return[slots] + self.agents.group_return[slots]
        self.metrics.add("Policy/Extrinsic Reward", float(earned.mean()) * self.strength)
        self.agents.remove(slots)

    def _pay(
        self,
        slots: np.ndarray,
        reward: np.ndarray,
        group_reward: np.ndarray,
        next_row: np.ndarray,
        ended: bool = False,
    ) -> None:
        """Close the open rows of the agents in `slots`; rewards pay for their previous decision."""
        agents = self.agents
        agents.episode_return[slots] += reward
        agents.group_return[slots] += group_reward
        agents.episode_steps[slots] += 1
        agents.trajectory_steps[slots] += 1
        cut = agents.trajectory_steps[slots] >= self.settings.time_horizon
        agents.trajectory_steps[slots[cut]] = 0

        learned = (reward + group_reward) * self.strength
        if self.settings.reward_clip is not None:
            learned = np.clip(learned, -self.settings.reward_clip, self.settings.reward_clip)
        if self.settings.normalize_reward and self.training:
            discounted = agents.discounted_return[slots] * self.gamma[0] + learned
            agents.discounted_return[slots] = discounted
            self.return_moments.update(discounted[:, None])
        self.store.close(agents.open_row[slots], learned[:, None], next_row, cut | ended)
        self.step += len(slots)

    def _require_finite_weights(self) -> None:
        if not self.optimizer.is_finite:
            raise UserError(
                f"behavior {self.name}: training diverged at step {self.step}, its weights are no longer finite; "
                "lower hyperparameters.learning_rate, set max_grad_norm, or scale rewards down"
            )

    def _scaled(self, reward: np.ndarray) -> np.ndarray:
        """Rewards as they are learned from (extension key `normalize_reward`); any shape."""
        if not self.settings.normalize_reward:
            return reward
        scale = np.sqrt(self.return_moments.variance[0] + 1e-8)
        return np.clip(reward / scale, -SCALED_REWARD_LIMIT, SCALED_REWARD_LIMIT)

    def _decayed(self, initial: float, floor: float, schedule: str) -> float:
        return decayed(initial, floor, schedule, self.step, self.settings.max_steps)
