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
from trainers.batch import Batch, NumpyBatch
from trainers.config import BehaviorSettings
from trainers.distributions import Actions
from trainers.explicit import ExplicitPolicy, supports
from trainers.learner import Learner
from trainers.losses import approximate_kl
from trainers.normalizer import RunningMoments, VectorNormalizer
from trainers.optimizer import ActorCriticOptimizer
from trainers.returns import gae
from trainers.rollout import Columns
from trainers.schedules import BETA_FLOOR, decayed

SCALED_REWARD_LIMIT = 10.0
VALUE_CHUNK = 4096
MOMENTS_CHUNK = 4096
"""Rows whose mean and variance are taken at a time, so that their copies in float64 stay small."""


class OnPolicyLearner(Learner):
    """Learns one behavior from its own recent decisions, then forgets them."""

    def __init__(
        self, name: str, spec: BehaviorSpec, settings: BehaviorSettings, seed: int, device: torch.device
    ) -> None:
        super().__init__(name, spec, settings, seed, device)
        self.optimizer = ActorCriticOptimizer(self.policy, self.hyper, settings.max_steps)
        network = settings.network_settings
        self.explicit = (
            ExplicitPolicy(self.policy, network.activation) if supports(self.policy, spec, network) else None
        )
        vectors = [spec.observation_specs[index].shape[0] for index in self.policy.vector_columns]
        self.observation_moments = RunningMoments(sum(vectors))

    @abstractmethod
    def policy_loss(self, log_prob: Tensor, batch: Batch) -> Tensor:
        """The loss of the actor on a minibatch; `log_prob` (n,) is what its actions have now."""

    @abstractmethod
    def value_loss(self, value: Tensor, batch: Batch) -> Tensor:
        """The loss of the critic on a minibatch; `value` is (n, streams)."""

    @abstractmethod
    def policy_gradient(self, log_prob: np.ndarray, batch: NumpyBatch) -> tuple[float, np.ndarray]:
        """`policy_loss` in numpy, and its slope by `log_prob`."""

    @abstractmethod
    def value_gradient(self, value: np.ndarray, batch: NumpyBatch) -> tuple[float, np.ndarray]:
        """`value_loss` in numpy, and its slope by `value`."""

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
            epoch = list(self._pass(batch, beta))
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

    def _pass(self, batch: Batch, beta: float) -> Iterator[Tensor]:
        """One pass in random order, `batch_size` decisions a gradient step; a remainder is left out.

        Yields:
            |policy loss|, value loss, entropy and KL divergence of each minibatch, shape (4,).
        """
        size = min(self.hyper.batch_size, len(batch))
        count = len(batch) // size
        order = torch.randperm(len(batch), generator=self.generator, device=self.device)
        shuffled = batch[order[: count * size]]
        if self.hyper.normalize_advantage == "minibatch":
            advantage = _standardised(shuffled.advantage.view(count, size)).flatten()
            shuffled = replace(shuffled, advantage=advantage)
        rows = [slice(start, start + size) for start in range(0, count * size, size)]
        if self.explicit is None:
            return (self._descend(shuffled[part], beta) for part in rows)
        arrays = shuffled.numpy()
        return (self._descend_explicitly(self.explicit, arrays[part], beta) for part in rows)

    def _descend(self, minibatch: Batch, beta: float) -> Tensor:
        """One gradient step."""
        distribution, value = self.policy(minibatch.inputs, minibatch.forbidden)
        log_prob = distribution.log_prob(minibatch.actions)
        policy_loss = self.policy_loss(log_prob, minibatch)
        value_loss = self.value_loss(value, minibatch)
        entropy = distribution.entropy().mean()
        loss = policy_loss + self.hyper.value_coefficient * value_loss - beta * entropy
        self.optimizer.descend(loss)
        with torch.no_grad():
            divergence = approximate_kl(log_prob, minibatch.log_prob)
            return torch.stack([policy_loss.abs(), value_loss, entropy, divergence])

    @np.errstate(over="ignore", invalid="ignore")  # weights that are not finite are found after the last pass
    def _descend_explicitly(self, policy: ExplicitPolicy, minibatch: NumpyBatch, beta: float) -> Tensor:
        """The same gradient step as `_descend`, without autograd."""
        log_prob, value = policy.forward(
            minibatch.inputs[0], minibatch.forbidden, minibatch.continuous, minibatch.discrete
        )
        policy_loss, by_log_prob = self.policy_gradient(log_prob, minibatch)
        value_loss, by_value = self.value_gradient(value, minibatch)
        policy.backward(by_log_prob, np.float32(self.hyper.value_coefficient) * by_value, beta)
        entropy = policy.entropy()
        self.optimizer.step()
        log_ratio = log_prob - minibatch.log_prob
        divergence = float((np.exp(log_ratio) - 1.0 - log_ratio).sum()) / len(log_ratio)
        return torch.tensor([abs(policy_loss), value_loss, entropy, divergence])

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
        closed = np.flatnonzero(columns.closed)
        for start in range(0, len(closed), MOMENTS_CHUNK):
            rows = closed[start : start + MOMENTS_CHUNK]
            vectors = [columns.observations[index][rows] for index in self.policy.vector_columns]
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
    """Mean 0 and deviation 1 along the last axis."""
    mean, deviation = values.mean(-1, keepdim=True), values.std(-1, unbiased=False, keepdim=True)
    return (values - mean) / (deviation + 1e-10)
