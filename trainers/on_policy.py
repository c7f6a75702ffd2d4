"""What PPO and A2C share: collecting decisions, advantages, and passes over minibatches.

Seen from the loop a learner does four things: `observe` what the environment says, `update` when enough decisions
have been rewarded, `act`, and report its `metrics`.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
import torch
from mlagents_envs.base_env import ActionTuple, BehaviorSpec, DecisionSteps, TerminalSteps
from torch import Tensor

from gym_adapters.errors import UserError
from trainers.agents import AgentTable
from trainers.batch import Batch
from trainers.checks import require_finite
from trainers.config import A2CSettings, BehaviorSettings, PPOSettings
from trainers.distributions import ActionDistribution, Actions
from trainers.losses import approximate_kl
from trainers.metrics import Metrics
from trainers.normalizer import RunningMoments, VectorNormalizer
from trainers.optimizer import ActorCriticOptimizer
from trainers.policy import Policy, choose, join_masks, to_action_tuple
from trainers.returns import gae
from trainers.rollout import NO_ROW, Columns, Rollout
from trainers.schedules import BETA_FLOOR, decayed

SCALED_REWARD_LIMIT = 10.0
VALUE_CHUNK = 4096


class OnPolicyLearner(ABC):
    """Learns one behavior from its own recent decisions.

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
        self,
        name: str,
        spec: BehaviorSpec,
        settings: BehaviorSettings,
        seed: int,
        device: torch.device,
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
        self.optimizer = ActorCriticOptimizer(self.policy, self.hyper, settings.max_steps)

        signal = settings.reward_signals.extrinsic
        assert signal is not None
        self.gamma = np.array([signal.gamma], np.float32)
        self.strength = signal.strength
        vectors = [spec.observation_specs[index].shape[0] for index in self.policy.vector_columns]
        self.observation_moments = RunningMoments(sum(vectors))
        self.return_moments = RunningMoments(1)

        self.agents = AgentTable()
        self.rollout = Rollout(spec, capacity=self.hyper.buffer_size + 64)
        self._asking = np.empty(0, np.int64)
        self._observations: list[np.ndarray] = []
        self._forbidden: np.ndarray | None = None

    @abstractmethod
    def policy_loss(self, distribution: ActionDistribution, batch: Batch) -> tuple[Tensor, Tensor]:
        """The loss of the actor on a minibatch, and the log-probabilities (n,) that it was made from."""

    @abstractmethod
    def value_loss(self, value: Tensor, batch: Batch) -> Tensor:
        """The loss of the critic on a minibatch; `value` is (n, streams)."""

    # Collecting

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

    # Learning

    def update(self) -> None:
        """Learn from the rewarded decisions, then drop them; decisions that await a reward are carried over.

        Raises:
            UserError: the weights are no longer finite.
        """
        if self.training:
            columns = self.rollout.columns()
            batch = self._batch(columns)
            self._optimise(batch)
            if self.policy.normalizer is not None:
                self._update_normalizer(self.policy.normalizer, columns)
        living = self.agents.slots
        self.agents.open_row[living] = self.rollout.restart(self.agents.open_row[living])

    def _batch(self, columns: Columns) -> Batch:
        """Advantages and returns of all closed rows, as tensors. One upload, one pass of the critic."""
        inputs = self.policy.upload(columns.observations)
        with torch.no_grad():
            chunks = [
                self.policy.value([tensor[start : start + VALUE_CHUNK] for tensor in inputs])
                for start in range(0, len(columns.reward), VALUE_CHUNK)
            ]
        values = torch.cat(chunks)
        value = values.cpu().numpy()
        reward = columns.reward
        if self.settings.normalize_reward:
            scale = np.sqrt(self.return_moments.variance[0] + 1e-8)
            reward = np.clip(reward / scale, -SCALED_REWARD_LIMIT, SCALED_REWARD_LIMIT)
        advantage = gae(
            reward,
            value,
            columns.next_row,
            columns.cut,
            columns.closed,
            columns.starts,
            self.gamma,
            self.hyper.lambd,
        )
        rows = torch.from_numpy(np.flatnonzero(columns.closed)).to(self.device)

        def take(array: np.ndarray) -> Tensor:
            return torch.from_numpy(array).to(self.device)[rows]

        advantages = take(advantage)
        combined = advantages.mean(1)
        if self.hyper.normalize_advantage == "buffer":
            combined = _standardised(combined)
        self.metrics.add("Policy/Extrinsic Value Estimate", float(value[columns.closed].mean()))
        return Batch(
            inputs=tuple(tensor[rows] for tensor in inputs),
            forbidden=take(columns.forbidden) if columns.forbidden.any() else None,
            actions=Actions(take(columns.continuous), take(columns.discrete)),
            log_prob=take(columns.log_prob),
            value=values[rows],
            advantage=combined,
            returns=advantages + values[rows],
        )

    def _optimise(self, batch: Batch) -> None:
        """`num_epoch` passes over the batch, fewer if the policy moves too far from where it started."""
        self.optimizer.set_learning_rate(self.step)
        beta = self._decayed(self.hyper.beta, BETA_FLOOR, self.hyper.beta_schedule)
        figures: list[Tensor] = []
        for _ in range(self.hyper.num_epoch):
            epoch = [self._descend(minibatch, beta) for minibatch in self._minibatches(batch)]
            figures += epoch
            if self.hyper.target_kl is not None and self._diverged(float(torch.stack(epoch)[:, 3].mean())):
                break
        if not self.optimizer.is_finite:
            raise UserError(
                f"behavior {self.name}: training diverged at step {self.step}, its weights are no longer finite; "
                "lower hyperparameters.learning_rate, set max_grad_norm, or scale rewards down"
            )
        policy_loss, value_loss, entropy, _ = torch.stack(figures).mean(0).tolist()
        self.metrics.add("Losses/Policy Loss", abs(policy_loss))
        self.metrics.add("Losses/Value Loss", value_loss)
        self.metrics.add("Policy/Entropy", entropy)
        self.metrics.add("Policy/Learning Rate", self.optimizer.learning_rate)
        self.metrics.add("Policy/Beta", beta)

    def _minibatches(self, batch: Batch) -> Iterator[Batch]:
        """One pass in random order, `batch_size` decisions at a time; a remainder is left out."""
        size = min(self.hyper.batch_size, len(batch))
        shuffled = batch[torch.randperm(len(batch), generator=self.generator, device=self.device)]
        for start in range(0, len(batch) - size + 1, size):
            minibatch = shuffled[start : start + size]
            if self.hyper.normalize_advantage == "minibatch":
                minibatch = replace(minibatch, advantage=_standardised(minibatch.advantage))
            yield minibatch

    def _descend(self, minibatch: Batch, beta: float) -> Tensor:
        """One gradient step; returns policy loss, value loss, entropy and KL divergence, shape (4,)."""
        distribution, value = self.policy(minibatch.inputs, minibatch.forbidden)
        policy_loss, log_prob = self.policy_loss(distribution, minibatch)
        value_loss = self.value_loss(value, minibatch)
        entropy = distribution.entropy().mean()
        loss = policy_loss + self.hyper.value_coefficient * value_loss - beta * entropy
        self.optimizer.descend(loss)
        with torch.no_grad():
            divergence = approximate_kl(log_prob, minibatch.log_prob)
            return torch.stack([policy_loss, value_loss, entropy, divergence])

    def _diverged(self, kl: float) -> bool:
        """After an epoch: adapt the learning rate to hold `target_kl`, or tell that it was passed."""
        target = self.hyper.target_kl
        if target is None:
            return False
        if self.hyper.learning_rate_schedule == "adaptive":
            self.optimizer.adapt(kl, target)
            return False
        return kl > 1.5 * target

    def _update_normalizer(self, normalizer: VectorNormalizer, columns: Columns) -> None:
        vectors = [columns.observations[index][columns.closed] for index in self.policy.vector_columns]
        self.observation_moments.update(np.concatenate(vectors, axis=1))
        normalizer.assign(self.observation_moments)

    def _decayed(self, initial: float, floor: float, schedule: str) -> float:
        return decayed(initial, floor, schedule, self.step, self.settings.max_steps)

    # Saving

    def state_dict(self) -> dict[str, Any]:
        """Everything that makes the next update what it would have been, as tensors, numbers and strings."""
        return {
            "trainer_type": self.kind,
            "global_step": self.step,
            "Policy": self.policy.state_dict(),
            "Optimizer:value_optimizer": self.optimizer.state_dict(),
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
        self.optimizer.load_state_dict(state["Optimizer:value_optimizer"])
        self.step = state["global_step"]
        self.metrics.recent_returns.extend(state["recent_returns"])
        self.metrics.episodes = state["episodes"]
        self.generator.set_state(state["generator"])


def _standardised(values: Tensor) -> Tensor:
    return (values - values.mean()) / (values.std(unbiased=False) + 1e-10)
