"""What PPO and A2C share: advantages, and passes over minibatches of one rollout."""

from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from mlagents_envs.base_env import BehaviorSpec
from torch import Tensor

from trainers.algorithms.actor_steps import ActorStep, Losses
from trainers.algorithms.learner import Learner
from trainers.config import BehaviorSettings
from trainers.experience.agents import AgentBatch
from trainers.experience.batch import Batch, NumpyBatch
from trainers.experience.rollout import Columns, Rollout
from trainers.experience.samplers import RowSampler, Sampler
from trainers.experience.store import NoStore, Store
from trainers.experience.task import Task
from trainers.maths.losses import approximate_kl
from trainers.maths.returns import gae
from trainers.maths.schedules import BETA_FLOOR, linear
from trainers.networks.actor_critic import ActorCritic
from trainers.networks.distributions import Actions
from trainers.networks.normalizer import VectorNormalizer
from trainers.networks.policy_network import ActionSample
from trainers.optim.numpy_path import SMALL_NETWORK, Gradients, NumpyPath, find_gradients, find_path
from trainers.optim.optimizer import FlatAdam
from trainers.optim.threads import is_short

WARM_UP = 0.1
"""Share of a rollout from which a normaliser that knows nothing gets its first moments."""
VALUE_CHUNK = 4096
MOMENTS_CHUNK = 4096
"""Rows whose mean and variance are taken at a time, so that their copies in float64 stay small."""


class OnPolicyLearner(Learner):
    """Learns one behavior from its own recent decisions, then forgets them.

    A subclass says how the actor moves and what the losses are.
    """

    network_class = ActorCritic
    hyper: Any
    policy: ActorCritic
    sampler: Sampler = RowSampler()

    def __init__(self, task: Task) -> None:
        self.hyper = task.settings.hyperparameters
        super().__init__(task)
        self.rollout = Rollout(task.spec, capacity=self.hyper.buffer_size + 64)
        self.actor_step = self.make_actor_step()
        rate = self.hyper.learning_rate
        rates = (None if self.actor_step.apart else rate, self.hyper.critic_learning_rate or rate)
        self.optimizer = FlatAdam(
            self.policy.parameter_groups(), rates, self.hyper, task.settings.max_steps, task.collective
        )
        self.numpy_path: NumpyPath | None = find_path(self.policy)
        self.gamma = np.array([one.gamma for one in self.signals], np.float32)
        self.beyond_the_end = np.array([one.beyond_the_end for one in self.signals])

    @classmethod
    def make_network(cls, spec: BehaviorSpec, settings: BehaviorSettings) -> ActorCritic:
        """See `Learner.make_network`."""
        hyper: Any = settings.hyperparameters
        streams = len(settings.reward_signals.active())
        return ActorCritic(spec, settings.network_settings, hyper.shared_critic, streams)

    @abstractmethod
    def make_actor_step(self) -> ActorStep:
        """How the actor moves in an update."""

    @abstractmethod
    def losses(self) -> Losses:
        """The losses at the present step."""

    @property
    def store(self) -> Store:
        """See `Learner.store`; an actor that is not learned from keeps nothing."""
        return self.rollout if self.training else NoStore()

    @property
    def ready(self) -> bool:
        """Enough decisions have been rewarded for an update (ML-Agents key `buffer_size`)."""
        share = WARM_UP if self.warming_up else 1.0
        return self.training and self.rollout.settled_rows >= share * self.hyper.buffer_size

    @property
    def warming_up(self) -> bool:
        """The normaliser has seen nothing yet."""
        return self.policy.normalizer is not None and self.observation_moments.count == 1.0

    def choose(self, batch: AgentBatch) -> ActionSample:
        """See `Learner.choose`; short passes take the numpy path, if there is one."""
        if self.numpy_path is None or not is_short(len(batch), self.parameters):
            return super().choose(batch)
        return self.numpy_path.choose(batch.observations, batch.forbidden, self.deterministic, self.generator)

    def update(self) -> None:
        """Learn from the rewarded decisions, then drop them; decisions that await a reward are carried over.

        The first decisions of all only tell the normaliser what observations look like: a policy that had learned on
        raw ones would be another function once they are normalised.

        Raises:
            UserError: the weights are no longer finite.
        """
        columns = self.rollout.columns()
        if not self.warming_up:
            self.optimise(columns)
            for one in self.signals:
                for tag, value in one.update(columns).items():
                    self.metrics.add(tag, value)
        if self.policy.normalizer is not None:
            self._update_normalizer(self.policy.normalizer, columns)
        self._carry_over()

    def optimise(self, columns: Columns) -> None:
        """Passes over the rollout, fewer if the policy moves too far from where it started."""
        inputs = self.policy.upload(columns.observations)
        batch = self.prepare(columns, inputs)
        start = batch.value
        for index, one in enumerate(self.signals):
            self.metrics.add(f"Policy/{one.title} Value Estimate", float(start[:, index].mean()))
        self.optimizer.set_learning_rate(self.step)
        beta = self.decayed(self.hyper.beta, BETA_FLOOR, self.hyper.beta_schedule)
        losses, actor = self.losses(), self.actor_step
        actor.move(self.policy, self.optimizer, losses, batch, beta)
        figures: list[Tensor] = []
        for number in range(actor.passes):
            if number and actor.fresh_targets:
                batch = replace(self.prepare(columns, inputs), value=start)
            epoch = list(self._pass(batch, losses, beta))
            figures += epoch
            if self.hyper.target_kl is not None and self._diverged(torch.stack(epoch)[:, 3].mean()):
                break
        self.require_finite_weights()
        self._follow_log_std_schedule()
        policy_loss, value_loss, entropy, _ = torch.stack(figures).mean(0).tolist()
        self.metrics.add("Losses/Policy Loss", policy_loss)
        self.metrics.add("Losses/Value Loss", value_loss)
        self.metrics.add("Policy/Entropy", entropy)
        self.metrics.add("Policy/Learning Rate", self.optimizer.learning_rate)
        self.metrics.add("Policy/Beta", beta)

    def prepare(self, columns: Columns, inputs: tuple[Tensor, ...]) -> Batch:
        """Advantages and returns of all settled rows, as tensors, by the critic as it is now."""
        with torch.no_grad():
            chunks = [
                self.policy.value([tensor[start : start + VALUE_CHUNK] for tensor in inputs])
                for start in range(0, len(columns.settled), VALUE_CHUNK)
            ]
        values = torch.cat(chunks)
        advantage = gae(
            self.rewards(columns),
            values.cpu().numpy(),
            columns.next_row,
            columns.ending,
            columns.settled,
            columns.starts,
            self.gamma,
            self.hyper.lambd,
            self.beyond_the_end,
        )
        rows = torch.from_numpy(np.flatnonzero(columns.settled)).to(self.device)

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

    def descend(self, minibatch: Batch, losses: Losses, beta: float) -> Tensor:
        """One gradient step.

        Returns:
            |policy loss|, value loss, entropy and KL divergence of the minibatch, shape (4,).
        """
        distribution, value = self.policy(minibatch.inputs, minibatch.forbidden)
        log_prob = distribution.log_prob(minibatch.actions)
        now, old = (
            one.sum(1, True) if losses.whole_action else one for one in (log_prob, minibatch.log_prob)
        )
        if self.actor_step.apart:
            now = now.detach()
        policy_loss = losses.policy(now, old, minibatch.advantage)
        value_loss = losses.value(value, minibatch.returns, minibatch.value)
        entropy = distribution.entropy().mean()
        loss = policy_loss + self.hyper.value_coefficient * value_loss
        self.optimizer.descend(loss if self.actor_step.apart else loss - beta * entropy)
        with torch.no_grad():
            divergence = approximate_kl(log_prob.sum(1), minibatch.log_prob.sum(1))
            return torch.stack([policy_loss.abs(), value_loss, entropy, divergence])

    @np.errstate(over="ignore", invalid="ignore")  # weights that are not finite are found after the last pass
    def descend_in_numpy(
        self, path: NumpyPath, minibatch: NumpyBatch, losses: Losses, gradients: Gradients, beta: float
    ) -> Tensor:
        """The same gradient step as `descend`, without autograd."""
        log_prob, value = path.forward(
            minibatch.inputs[0], minibatch.forbidden, minibatch.continuous, minibatch.discrete
        )
        now, old = (
            one.sum(1)[:, None] if losses.whole_action else one for one in (log_prob, minibatch.log_prob)
        )
        policy_loss, by_log_prob = gradients.policy(now, old, minibatch.advantage)
        value_loss, by_value = gradients.value(value, minibatch.returns, minibatch.value)
        if self.actor_step.apart:
            by_log_prob, beta = np.zeros_like(by_log_prob), 0.0
        path.backward(by_log_prob, np.float32(self.hyper.value_coefficient) * by_value, beta)
        entropy = path.entropy()
        self.optimizer.step()
        log_ratio = (log_prob - minibatch.log_prob).sum(1)
        divergence = float((np.exp(log_ratio) - 1.0 - log_ratio).sum()) / len(log_ratio)
        return torch.from_numpy(np.array([abs(policy_loss), value_loss, entropy, divergence], np.float32))

    def _pass(self, batch: Batch, losses: Losses, beta: float) -> Iterator[Tensor]:
        """One pass over the batch, `batch_size` decisions a gradient step; yields what `descend` returns."""
        size = min(self.hyper.batch_size, len(batch))
        shuffled, parts = self.sampler.draw(batch, size, self.generator)
        if self.hyper.normalize_advantage == "minibatch":
            advantage = _standardised(shuffled.advantage.view(len(parts), size)).flatten()
            shuffled = replace(shuffled, advantage=advantage)
        path, gradients = self.numpy_path, find_gradients(losses.policy, losses.value)
        if path is None or gradients is None or self.parameters > SMALL_NETWORK:
            return (self.descend(shuffled[part], losses, beta) for part in parts)
        arrays = shuffled.numpy()
        return (self.descend_in_numpy(path, arrays[part], losses, gradients, beta) for part in parts)

    def _diverged(self, kl: Tensor) -> bool:
        """After a pass: adapt the learning rate to hold `target_kl`, or tell that it was exceeded."""
        divergence, target = float(self.task.collective.mean(kl)), self.hyper.target_kl
        if self.hyper.learning_rate_schedule == "adaptive":
            self.optimizer.adapt(divergence, target)
            return False
        return bool(divergence > 1.5 * target)

    def _carry_over(self) -> None:
        """Keep the rows of all living agents, which await a reward."""
        tables = [actor.agents for actor in self.actors.values()]
        kept = [table.open_row[table.slots] for table in tables]
        moved = self.rollout.restart(np.concatenate(kept))
        for table, rows in zip(
            tables, np.split(moved, np.cumsum([len(one) for one in kept])[:-1]), strict=True
        ):
            table.open_row[table.slots] = rows

    def _follow_log_std_schedule(self) -> None:
        network = self.settings.network_settings
        if network.final_log_std is not None:
            value = linear(network.initial_log_std, network.final_log_std, self.step, self.settings.max_steps)
            self.policy.log_std.fill_(value)

    def _update_normalizer(self, normalizer: VectorNormalizer, columns: Columns) -> None:
        settled = np.flatnonzero(columns.settled)
        for start in range(0, len(settled), MOMENTS_CHUNK):
            rows = settled[start : start + MOMENTS_CHUNK]
            vectors = [columns.observations[index][rows] for index in self.policy.vector_columns]
            self.observation_moments.update(np.concatenate(vectors, axis=1))
        normalizer.assign(self.observation_moments)


def _standardised(values: Tensor) -> Tensor:
    """Mean 0 and deviation 1 along the last axis."""
    mean, deviation = values.mean(-1, keepdim=True), values.std(-1, unbiased=False, keepdim=True)
    return (values - mean) / (deviation + 1e-10)
