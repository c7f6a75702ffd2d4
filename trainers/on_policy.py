"""What PPO and A2C share: advantages, and passes over minibatches of one rollout."""

from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from mlagents_envs.base_env import BehaviorSpec
from torch import Tensor

from gym_adapters.errors import UserError
from trainers.batch import Batch
from trainers.config import BehaviorSettings
from trainers.distributions import ActionDistribution, Actions
from trainers.learner import Learner
from trainers.losses import approximate_kl
from trainers.normalizer import RunningMoments, VectorNormalizer
from trainers.optimizer import ActorCriticOptimizer
from trainers.returns import gae
from trainers.rollout import Columns
from trainers.schedules import BETA_FLOOR, decayed

SCALED_REWARD_LIMIT = 10.0
VALUE_CHUNK = 4096


class OnPolicyLearner(Learner):
    """Learns one behavior from its own recent decisions, then forgets them."""

    def __init__(
        self, name: str, spec: BehaviorSpec, settings: BehaviorSettings, seed: int, device: torch.device
    ) -> None:
        super().__init__(name, spec, settings, seed, device)
        self.optimizer = ActorCriticOptimizer(self.policy, self.hyper, settings.max_steps)
        vectors = [spec.observation_specs[index].shape[0] for index in self.policy.vector_columns]
        self.observation_moments = RunningMoments(sum(vectors))

    @abstractmethod
    def policy_loss(self, distribution: ActionDistribution, batch: Batch) -> tuple[Tensor, Tensor]:
        """The loss of the actor on a minibatch, and the log-probabilities (n,) that it was made from."""

    @abstractmethod
    def value_loss(self, value: Tensor, batch: Batch) -> Tensor:
        """The loss of the critic on a minibatch; `value` is (n, streams)."""

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
        self.metrics.add("Losses/Policy Loss", policy_loss)
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
        """One gradient step; returns |policy loss|, value loss, entropy and KL divergence, shape (4,)."""
        distribution, value = self.policy(minibatch.inputs, minibatch.forbidden)
        policy_loss, log_prob = self.policy_loss(distribution, minibatch)
        value_loss = self.value_loss(value, minibatch)
        entropy = distribution.entropy().mean()
        loss = policy_loss + self.hyper.value_coefficient * value_loss - beta * entropy
        self.optimizer.descend(loss)
        with torch.no_grad():
            divergence = approximate_kl(log_prob, minibatch.log_prob)
            return torch.stack([policy_loss.abs(), value_loss, entropy, divergence])

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

    def state_dict(self) -> dict[str, Any]:
        """See `Learner.state_dict`."""
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
        """See `Learner.load_state_dict`."""
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
