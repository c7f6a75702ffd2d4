"""What PPO and A2C share: advantages, and passes over minibatches of one rollout."""

from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from mlagents_envs.base_env import BehaviorSpec
from torch import Tensor

from trainers.algorithms.learner import Learner
from trainers.config import A2CSettings, BehaviorSettings, PPOSettings
from trainers.experience.batch import Batch, NumpyBatch
from trainers.experience.rollout import Columns, Rollout
from trainers.maths.losses import approximate_kl
from trainers.maths.returns import gae
from trainers.maths.schedules import BETA_FLOOR, linear
from trainers.networks.actor_critic import Policy, choose
from trainers.networks.distributions import Actions
from trainers.networks.normalizer import VectorNormalizer
from trainers.optim.numpy_path import SMALL_NETWORK, ExplicitPolicy, supports
from trainers.optim.optimizer import ActorCriticOptimizer
from trainers.optim.threads import is_short
from trainers.records.policy_file import describe

WARM_UP = 0.1
"""Share of a rollout from which a normaliser that knows nothing gets its first moments."""
VALUE_CHUNK = 4096
MOMENTS_CHUNK = 4096
"""Rows whose mean and variance are taken at a time, so that their copies in float64 stay small."""


class OnPolicyLearner(Learner):
    """Learns one behavior from its own recent decisions, then forgets them."""

    hyper: PPOSettings | A2CSettings
    policy: Policy
    optimizer: ActorCriticOptimizer

    def __init__(
        self, name: str, spec: BehaviorSpec, settings: BehaviorSettings, seed: int, device: torch.device
    ) -> None:
        assert isinstance(settings.hyperparameters, PPOSettings | A2CSettings)
        self.hyper = settings.hyperparameters
        super().__init__(name, spec, settings, seed, device)
        self.rollout = Rollout(spec, capacity=self.hyper.buffer_size + 64)
        self.optimizer = ActorCriticOptimizer(self.policy, self.hyper, settings.max_steps)
        activation = settings.network_settings.activation
        self.explicit = ExplicitPolicy(self.policy, activation) if supports(self.policy, spec) else None

    @property
    def store(self) -> Rollout:
        """See `Learner.store`."""
        return self.rollout

    @property
    def ready(self) -> bool:
        """Enough decisions have been rewarded for an update (ML-Agents key `buffer_size`)."""
        share = WARM_UP if self._warming_up else 1.0
        return self.rollout.closed_rows >= share * self.hyper.buffer_size

    def description(self) -> dict[str, Any]:
        """See `Learner.description`."""
        return describe(self.name, self.spec, self.settings.network_settings, self.hyper.shared_critic)

    @property
    def passes(self) -> int:
        """Passes over a rollout."""
        return self.hyper.num_epoch

    @property
    def recomputes_advantage(self) -> bool:
        """Whether every pass begins with advantages and returns by the critic as it then is."""
        return False

    @property
    def steps_at_once(self) -> bool:
        """Whether the actor makes one step for each rollout, `_move_actor`; passes are then the critic's alone."""
        return False

    def _move_actor(self, batch: Batch, beta: float) -> None:
        """That step; `beta` weights the entropy."""

    @abstractmethod
    def policy_loss(self, log_prob: Tensor, batch: Batch) -> Tensor:
        """The loss of the actor on a minibatch; `log_prob` (n, parts) is what its actions have now."""

    @abstractmethod
    def value_loss(self, value: Tensor, batch: Batch) -> Tensor:
        """The loss of the critic on a minibatch; `value` is (n, streams)."""

    @abstractmethod
    def policy_gradient(self, log_prob: np.ndarray, batch: NumpyBatch) -> tuple[float, np.ndarray]:
        """`policy_loss` in numpy, and its slope by `log_prob`: (n, parts), or (n, 1) where all parts have the same."""

    @abstractmethod
    def value_gradient(self, value: np.ndarray, batch: NumpyBatch) -> tuple[float, np.ndarray]:
        """`value_loss` in numpy, and its slope by `value`."""

    def _make_policy(self) -> Policy:
        return Policy(self.spec, self.settings.network_settings, self.hyper.shared_critic)

    def _choose(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        asked = self._observations, self._forbidden, self.deterministic, self.generator
        if self.explicit is None or not is_short(len(self._asking), self._parameters):
            return choose(self.policy, *asked)
        return self.explicit.choose(*asked)

    def update(self) -> None:
        """Learn from the rewarded decisions, then drop them; decisions that await a reward are carried over.

        The first decisions of all only tell the normaliser what observations look like: a policy that had learned on
        raw ones would be another function once they are normalised.

        Raises:
            UserError: the weights are no longer finite.
        """
        if self.training:
            columns = self.rollout.columns()
            if not self._warming_up:
                self._optimise(columns)
            if self.policy.normalizer is not None:
                self._update_normalizer(self.policy.normalizer, columns)
        living = self.agents.slots
        self.agents.open_row[living] = self.rollout.restart(self.agents.open_row[living])

    @property
    def _warming_up(self) -> bool:
        """The normaliser has seen nothing yet."""
        return self.policy.normalizer is not None and self.observation_moments.count == 1.0

    def _batch(self, columns: Columns, inputs: tuple[Tensor, ...]) -> Batch:
        """Advantages and returns of all closed rows, as tensors, by the critic as it is now."""
        with torch.no_grad():
            chunks = [
                self.policy.value([tensor[start : start + VALUE_CHUNK] for tensor in inputs])
                for start in range(0, len(columns.reward), VALUE_CHUNK)
            ]
        values = torch.cat(chunks)
        value = values.cpu().numpy()
        advantage = gae(
            self._scaled(columns.reward),
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
        return Batch(
            inputs=tuple(tensor[rows] for tensor in inputs),
            forbidden=take(columns.forbidden) if columns.forbidden.any() else None,
            actions=Actions(take(columns.continuous), take(columns.discrete)),
            log_prob=take(columns.log_prob),
            value=values[rows],
            advantage=combined,
            returns=advantages + values[rows],
        )

    def _optimise(self, columns: Columns) -> None:
        """Passes over the rollout, fewer if the policy moves too far from where it started."""
        inputs = self.policy.upload(columns.observations)
        batch = self._batch(columns, inputs)
        self.metrics.add("Policy/Extrinsic Value Estimate", float(batch.value.mean()))
        self.optimizer.set_learning_rate(self.step)
        beta = self._decayed(self.hyper.beta, BETA_FLOOR, self.hyper.beta_schedule)
        if self.steps_at_once:
            self._move_actor(batch, beta)
        figures: list[Tensor] = []
        for number in range(self.passes):
            if number and self.recomputes_advantage:
                batch = self._batch(columns, inputs)
            epoch = list(self._pass(batch, 0.0 if self.steps_at_once else beta))
            figures += epoch
            if self.hyper.target_kl is not None and self._diverged(float(torch.stack(epoch)[:, 3].mean())):
                break
        self._require_finite_weights()
        self._follow_log_std_schedule()
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
        if self.explicit is None or self._parameters > SMALL_NETWORK:
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
            divergence = approximate_kl(log_prob.sum(1), minibatch.log_prob.sum(1))
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
        log_ratio = (log_prob - minibatch.log_prob).sum(1)
        divergence = float((np.exp(log_ratio) - 1.0 - log_ratio).sum()) / len(log_ratio)
        return torch.from_numpy(np.array([abs(policy_loss), value_loss, entropy, divergence], np.float32))

    def _diverged(self, kl: float) -> bool:
        """After an epoch: adapt the learning rate to hold `target_kl`, or tell that it was passed."""
        target = self.hyper.target_kl
        if target is None:
            return False
        if self.hyper.learning_rate_schedule == "adaptive":
            self.optimizer.adapt(kl, target)
            return False
        return kl > 1.5 * target

    def _follow_log_std_schedule(self) -> None:
        network = self.settings.network_settings
        if network.final_log_std is not None:
            value = linear(network.initial_log_std, network.final_log_std, self.step, self.settings.max_steps)
            self.policy.log_std.fill_(value)

    def _update_normalizer(self, normalizer: VectorNormalizer, columns: Columns) -> None:
        closed = np.flatnonzero(columns.closed)
        for start in range(0, len(closed), MOMENTS_CHUNK):
            rows = closed[start : start + MOMENTS_CHUNK]
            vectors = [columns.observations[index][rows] for index in self.policy.vector_columns]
            self.observation_moments.update(np.concatenate(vectors, axis=1))
        normalizer.assign(self.observation_moments)

    def state_dict(self) -> dict[str, Any]:
        """See `Learner.state_dict`."""
        return {**super().state_dict(), "Optimizer:value_optimizer": self.optimizer.state_dict()}

    def load_state_dict(self, state: dict[str, Any], only_weights: bool = False) -> None:
        """See `Learner.load_state_dict`."""
        super().load_state_dict(state, only_weights)
        if not only_weights:
            self.optimizer.load_state_dict(state["Optimizer:value_optimizer"])


def _standardised(values: Tensor) -> Tensor:
    """Mean 0 and deviation 1 along the last axis."""
    mean, deviation = values.mean(-1, keepdim=True), values.std(-1, unbiased=False, keepdim=True)
    return (values - mean) / (deviation + 1e-10)
