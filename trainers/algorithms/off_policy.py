"""What DQN and SAC share: the number of updates, gradient steps on random minibatches, the target network."""

import copy
from abc import abstractmethod
from collections.abc import Hashable
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor, nn

from trainers.algorithms.replay_learner import ReplayLearner
from trainers.algorithms.threaded import Update
from trainers.experience.rows import Transitions
from trainers.experience.task import Task
from trainers.networks.body import set_mixed_precision
from trainers.optim.captured import Captured
from trainers.optim.collective import weighted_mean
from trainers.optim.optimizer import flatten
from trainers.rewards.signal import updated


class OffPolicyLearner(ReplayLearner):
    """Takes gradient steps on random minibatches, with targets by a network that follows.

    A subclass implements a gradient step on a minibatch (`learn`) and makes the optimiser (`make_optimizer`), whose
    first group holds the parameters that the target network follows.

    Attributes:
        target: a copy of the network of values that follows it slowly and gives the values of next observations. It has
            no normaliser, because its inputs are already prepared.
        updates: number of updates so far.
        learned_until: agent step up to which updates have been made.
        copied_at: agent step at which the target network was last replaced.
    """

    def __init__(self, task: Task) -> None:
        super().__init__(task)
        self.policy.eval()
        self.target = self.make_target().requires_grad_(False)
        self._target_weights, _ = flatten([list(self.target.parameters())])
        self.make_optimizer()
        self.optimizer.weight = self.batch_size / max(task.collective.size, self.hyper.batch_size)
        self.make_cloning()
        self.updates = 0
        self.learned_until = 0.0
        self.copied_at = 0.0
        self._captured = None if self.recorder is None else Captured(self._figures, self.recorder)
        self._tags: dict[Hashable, tuple[str, ...]] = {}

    def make_target(self) -> nn.Module:
        """Return the target network: a copy of the whole network, unless a subclass has a smaller network of values."""
        target = copy.deepcopy(self.policy)
        target.normalizer = None
        return target

    @abstractmethod
    def make_optimizer(self) -> None:
        """Make the optimiser and set `optimizer`."""

    @abstractmethod
    def learn(self, transitions: Transitions) -> dict[str, Tensor]:
        """Take one gradient step on a minibatch. Return scalars by TensorBoard tag.

        A GPU may record what it does to tensors and replay it (`Learner.recordable`).
        """

    @property
    def copy_interval(self) -> int:
        """Agent steps between two copies of the network to the target network with tau 1; 0 copies at every update."""
        return 0

    @property
    def form(self) -> Hashable:
        """What decides which operations `learn` does now, besides the shapes of its minibatch."""
        return None

    def check_filled(self) -> None:
        """See `ReplayLearner.check_filled`. Decisions until then are not counted for updates."""
        super().check_filled()
        self.learned_until = self.copied_at = float(self.step)

    def gradient_step(self) -> dict[str, Tensor]:
        """Learn from a random minibatch. Return scalars by TensorBoard tag."""
        if self._captured is None:
            figures = self.learn(self.draw())
        else:
            form = self.form
            values = self._captured(self.draw(), form).unbind()
            figures = dict(zip(self._tags[form], values, strict=True))
        self.updates += 1
        return figures

    def _figures(self, transitions: Transitions) -> Tensor:
        """Learn, and return the scalars as one tensor, which a GPU can record; their tags are kept by `form`."""
        figures = self.learn(transitions)
        self._tags[self.form] = tuple(figures)
        return torch.stack(list(figures.values()))

    @property
    def ready(self) -> bool:
        """See `Learner.ready`; whether `steps_per_update` agent steps have passed and the buffer is filled."""
        return self.training and self.filled and self.step - self.learned_until >= self.hyper.steps_per_update

    @property
    def missing(self) -> float:
        """See `Learner.missing`."""
        if not self.filled:
            return float(self.needed - self.all_rows)
        return float(self.hyper.steps_per_update) - (self.step - self.learned_until)

    @np.errstate(over="ignore", invalid="ignore")  # weights that are no numbers are refused
    def update(self) -> None:
        """Take one gradient step for every `steps_per_update` agent steps since the last update.

        Raises:
            UserError: a weight is no longer finite.
        """
        self.optimizer.set_learning_rate(self.step)
        self.observation_moments.share()
        self.share_moments()
        if self.policy.normalizer is not None:
            self.policy.normalizer.assign(self.observation_moments)
        figures: dict[str, list[Tensor]] = {}
        since = self.learned_until
        while self.step - self.learned_until >= self.hyper.steps_per_update:
            self.learned_until += self.hyper.steps_per_update
            for tag, value in self.gradient_step().items():
                figures.setdefault(tag, []).append(value)
            self.clone()
            self.move_target()
        self.report_new_sums()
        self._update_signals(since)
        self.require_finite_weights()
        means = torch.stack(
            [torch.stack(values).mean() if len(values) > 1 else values[0] for values in figures.values()]
        )
        means = weighted_mean(self.collective, means, self.optimizer.weight)
        for tag, mean in zip(figures, means.tolist(), strict=True):
            self.metrics.add(tag, mean)
        self.metrics.add("Policy/Learning Rate", self.optimizer.learning_rate)

    def set_aside(self, twin: Self) -> Update:
        """See `ReplayLearner.set_aside`."""
        while self.step - self.learned_until >= self.hyper.steps_per_update:  # as the update will
            self.learned_until += self.hyper.steps_per_update
        return super().set_aside(twin)

    def move_target(self) -> None:
        """Move the target network towards the network by the factor `tau`. With tau 1, copy the network to it."""
        if self.hyper.tau == 1.0:
            if self.learned_until - self.copied_at < self.copy_interval:
                return
            self.copied_at = self.learned_until
        with torch.no_grad():
            self._target_weights[0].lerp_(self.optimizer.flat[0], self.hyper.tau)

    def set_precision(self, mixed: bool) -> None:
        """See `Learner.set_precision`."""
        super().set_precision(mixed)
        set_mixed_precision(self.target, mixed)
        self._record_anew()

    def state_dict(self) -> dict[str, Any]:
        """See `Learner.state_dict`."""
        return {
            **super().state_dict(),
            "Optimizer:critic": self.target.state_dict(),
            "updates": self.updates,
            "learned_until": self.learned_until,
            "copied_at": self.copied_at,
        }

    def load_state_dict(self, state: dict[str, Any], only_weights: bool = False) -> None:
        """See `Learner.load_state_dict`.

        Raises:
            ValueError: the counts of steps contradict each other.
        """
        super().load_state_dict(state, only_weights)
        self._record_anew()
        if only_weights:
            self._target_weights[0].data.copy_(self.optimizer.flat[0].detach())
            return
        if not 0 <= state["copied_at"] <= state["learned_until"] <= state["global_step"]:
            raise ValueError("learned_until and copied_at: expected steps up to global_step")
        self.target.load_state_dict(state["Optimizer:critic"])
        self.updates = state.get("updates", 0)
        self.learned_until, self.copied_at = state["learned_until"], state["copied_at"]

    def _record_anew(self) -> None:
        if self._captured is not None:
            self._captured.forget()

    def _update_signals(self, since: float) -> None:
        """Update the reward signals that learn, once per `reward_signal_steps_per_update` agent steps (ML-Agents key).

        Args:
            since: agent step up to which they were updated.
        """
        learning = [signal for signal in self.signals if signal.learns]
        interval = self.hyper.reward_signal_steps_per_update
        for _ in range(int(self.learned_until // interval) - int(since // interval) if learning else 0):
            rows = self.replay.rows(self.replay.draw(self.batch_size, self.row_generator))
            for signal in learning:
                for tag, value in updated(signal, rows).items():
                    self.metrics.add(tag, value)
