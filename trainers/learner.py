"""What every learner does between updates: see to whom each reward belongs, and act.

Seen from the loop a learner does four things: `observe` what the environment says, `update` when enough decisions
have been rewarded, `act`, and report its `metrics`.
"""

from abc import ABC, abstractmethod
from typing import Any, ClassVar

import numpy as np
import torch
from mlagents_envs.base_env import ActionTuple, BehaviorSpec, DecisionSteps, TerminalSteps

from trainers.agents import AgentTable
from trainers.checks import require_finite
from trainers.config import A2CSettings, BehaviorSettings, PPOSettings
from trainers.metrics import Metrics
from trainers.normalizer import RunningMoments
from trainers.policy import Policy, choose, join_masks, to_action_tuple
from trainers.rollout import NO_ROW, Rollout
from trainers.threads import threads_for


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

    hyper: PPOSettings | A2CSettings
    kind: ClassVar[str]

    def __init__(
        self, name: str, spec: BehaviorSpec, settings: BehaviorSettings, seed: int, device: torch.device
    ) -> None:
        assert isinstance(settings.hyperparameters, PPOSettings | A2CSettings)
        self.name, self.spec, self.settings, self.device = name, spec, settings, device
        self.hyper = settings.hyperparameters
        self.deterministic = settings.network_settings.deterministic
        self.training = True
        self.step = 0
        self.metrics = Metrics()
        self.generator = torch.Generator(device).manual_seed(seed)

        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.policy = Policy(spec, settings.network_settings, self.hyper.shared_critic).to(device)
        self._parameters = self.policy.size

        signal = settings.reward_signals.extrinsic
        assert signal is not None
        self.gamma = np.array([signal.gamma], np.float32)
        self.strength = signal.strength
        self.return_moments = RunningMoments(1)

        self.agents = AgentTable()
        self.rollout = Rollout(spec, capacity=self.hyper.buffer_size + 64)
        self._asking = np.empty(0, np.int64)
        self._observations: list[np.ndarray] = []
        self._forbidden: np.ndarray | None = None

    @abstractmethod
    def update(self) -> None:
        """Learn from the rewarded decisions.

        Raises:
            UserError: the weights are no longer finite.
        """

    @abstractmethod
    def state_dict(self) -> dict[str, Any]:
        """Everything that makes the next update what it would have been, as tensors, numbers and strings."""

    @abstractmethod
    def load_state_dict(self, state: dict[str, Any], only_weights: bool = False) -> None:
        """Go on from `state_dict`; `only_weights` starts counting anew (ML-Agents option `--initialize-from`)."""

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
        if new.any():
            slots[new] = self.agents.add(decision.agent_id[new])
        self._forbidden = join_masks(decision.action_mask)
        self._observations = decision.obs
        rows = self.rollout.open(decision.obs, self._forbidden)
        if not new.all():
            self._pay(slots[~new], decision.reward[~new], decision.group_reward[~new], rows[~new])
        self.agents.open_row[slots] = rows
        self._asking = slots

    def act(self) -> ActionTuple:
        """Choose actions for the agents of the last `observe`, in its order."""
        with threads_for(len(self._asking), self._parameters):
            continuous, discrete, log_prob = choose(
                self.policy, self._observations, self._forbidden, self.deterministic, self.generator
            )
        self.rollout.act(self.agents.open_row[self._asking], continuous, discrete, log_prob)
        return to_action_tuple(continuous, discrete)

    def forget_agents(self) -> None:
        """The environment was reset: episodes under way are dropped, their last rewards never come."""
        self.agents.clear()

    @property
    def ready(self) -> bool:
        """Enough decisions have been rewarded for an update (ML-Agents key `buffer_size`)."""
        return self.rollout.closed_rows >= self.hyper.buffer_size

    def _end_episodes(self, terminal: TerminalSteps) -> None:
        slots = self.agents.find(terminal.agent_id)
        known = slots >= 0
        if not known.any():
            return
        slots, interrupted = slots[known], terminal.interrupted[known]
        next_row = np.full(len(slots), NO_ROW, np.int64)
        if interrupted.any():
            final = [observation[known][interrupted] for observation in terminal.obs]
            next_row[interrupted] = self.rollout.open(final)
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
        self.rollout.close(agents.open_row[slots], learned[:, None], next_row, cut | ended)
        self.step += len(slots)
