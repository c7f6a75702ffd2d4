"""What algorithms with a replay buffer share: the first fill, the number of updates, the target network, saving."""

import copy
from abc import abstractmethod
from collections.abc import Hashable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from gym_adapters.errors import UserError
from trainers.algorithms.learner import Learner
from trainers.algorithms.threaded import Update
from trainers.experience.agents import AgentBatch
from trainers.experience.replay import ROWS_PER_AGENT, Replay, too_small
from trainers.experience.replay_file import load_replay, save_replay
from trainers.experience.rows import Transitions
from trainers.experience.sequences import draw_sequences
from trainers.experience.staging import Staging
from trainers.experience.store import NoStore, Store
from trainers.experience.task import Task
from trainers.maths.seeds import rank_seed
from trainers.networks.body import set_mixed_precision
from trainers.optim.captured import Captured
from trainers.optim.collective import weighted_mean
from trainers.optim.optimizer import flatten
from trainers.rewards.signal import updated

REPLAY_FILE = "last_replay_buffer.npz"


class OffPolicyLearner(Learner):
    """Learns one behavior from random decisions in a replay buffer.

    A subclass implements a gradient step on a minibatch (`learn`) and makes the optimiser (`make_optimizer`), whose
    first group holds the parameters that the target network follows.

    Attributes:
        target: a copy of the network of values that follows it slowly and gives the values of next observations. It has
            no normaliser, because its inputs are already prepared.
        filled: whether the buffer holds enough decisions for the first update.
        updates: number of updates so far.
        learned_until: agent step up to which updates have been made.
        copied_at: agent step at which the target network was last replaced.
    """

    hyper: Any

    def __init__(self, task: Task) -> None:
        self.hyper = task.settings.hyperparameters
        super().__init__(task)
        self.policy.eval()
        self.target = self.make_target().requires_grad_(False)
        self._target_weights, _ = flatten([list(self.target.parameters())])
        self.make_optimizer()
        self.optimizer.weight = self.batch_size / max(task.collective.size, self.hyper.batch_size)
        self.make_cloning()
        capacity = max(1, self.hyper.buffer_size // task.collective.size)
        self.replay = Replay(task.spec, capacity, self.policy.memory_size)
        self.filled = False
        self.updates = 0
        self.learned_until = 0.0
        self.copied_at = 0.0
        # Numbers of rows are needed on the CPU, which would have to wait for a GPU that draws them.
        self.row_generator = self.generator
        if self.device.type != "cpu":
            seed = rank_seed(task.seed, task.collective.rank)
            self.row_generator = torch.Generator().manual_seed(seed)
        self._step = self.recorded(self._figures)
        self._tags: dict[Hashable, tuple[str, ...]] = {}
        self._summed = 0
        self._staging: Staging | None = None

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
        """Take one gradient step on a minibatch. Return scalars by TensorBoard tag."""

    @property
    def form(self) -> Hashable:
        """What decides which operations `learn` does now, besides the shapes of its minibatch."""
        return None

    def gradient_step(self) -> dict[str, Tensor]:
        """Learn from a random minibatch. Return scalars by TensorBoard tag."""
        if isinstance(self._step, Captured):
            form = self.form
            values = self._step(self.draw(), form).unbind()
            figures = dict(zip(self._tags[form], values, strict=True))
        else:
            figures = self.learn(self.draw())
        self.updates += 1
        return figures

    def _figures(self, transitions: Transitions) -> Tensor:
        figures = self.learn(transitions)
        self._tags[self.form] = tuple(figures)
        return torch.stack(list(figures.values()))

    @property
    def store(self) -> Store:
        """See `Learner.store`. A learner that does not train keeps nothing."""
        return (self._staging or self.replay) if self.training else NoStore()

    @property
    def ready(self) -> bool:
        """See `Learner.ready`; whether `steps_per_update` agent steps have passed and the buffer is filled."""
        return self.training and self.filled and self.step - self.learned_until >= self.hyper.steps_per_update

    def noticed(self, batch: AgentBatch) -> None:
        """See `Mind.noticed`. Vectors are normalised by the moments of all observations so far.

        Raises:
            UserError: the buffer is too small for the number of agents.
        """
        if not self.training:
            return
        self._require_room()
        if self.policy.normalizer is not None:
            vectors = [batch.observations[index] for index in self.policy.vector_columns]
            self.observation_moments.update(np.concatenate(vectors, axis=1))
        if not self.filled:
            self._fill()

    def meet(self, rows: np.ndarray, *told: Any) -> None:
        """See `Learner.meet`."""
        super().meet(rows, *told)
        if self.training and not self.filled:
            self._fill()

    def _fill(self) -> None:
        """Find out whether the buffers of all ranks hold enough for the first update."""
        held, replay = self.all_rows, self.replay
        self.filled = held >= self._needed or (self.alone and held > 0 and len(replay) == replay.capacity)
        self.learned_until = self.copied_at = float(self.step)

    @property
    def missing(self) -> float:
        """See `Learner.missing`."""
        if not self.filled:
            return float(self._needed - self.all_rows)
        return float(self.hyper.steps_per_update) - (self.step - self.learned_until)

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
        self._report_sums()
        self._update_signals(since)
        self.require_finite_weights()
        means = torch.stack(
            [torch.stack(values).mean() if len(values) > 1 else values[0] for values in figures.values()]
        )
        means = weighted_mean(self.collective, means, self.optimizer.weight)
        for tag, mean in zip(figures, means.tolist(), strict=True):
            self.metrics.add(tag, mean)
        self.metrics.add("Policy/Learning Rate", self.optimizer.learning_rate)

    def set_aside(self, twin: Any) -> Update:
        """See `Learner.set_aside`. New rows wait outside the buffer until the update has ended."""
        self._staging = Staging(self.replay)
        while self.step - self.learned_until >= self.hyper.steps_per_update:  # as the update will
            self.learned_until += self.hyper.steps_per_update
        twin.observation_moments = copy.copy(self.observation_moments)
        return super().set_aside(twin)

    def update_ended(self) -> None:
        """See `Learner.update_ended`."""
        staging, self._staging = self._staging, None
        if staging is not None:
            staging.enter()

    @property
    def batch_size(self) -> int:
        """This rank's decisions in a minibatch: its part of `batch_size`, at least 1."""
        size, rank = self.collective.size, self.collective.rank
        ends = [max(size, self.hyper.batch_size) * number // size for number in (rank, rank + 1)]
        return ends[1] - ends[0]

    def draw(self) -> Transitions:
        """Draw a random minibatch; of sequences, for a network with memory."""
        memory, lengths = self.settings.network_settings.memory, None
        replay, size = self.replay, self.batch_size
        if memory is None:
            rows = replay.draw(size, self.row_generator)
        else:
            rows, lengths = draw_sequences(replay, size, memory.sequence_length, self.row_generator)
        gammas = [signal.gamma for signal in self.signals]
        beyond = [signal.beyond_the_end for signal in self.signals]
        found = replay.transitions(rows, gammas, self.hyper.n_step, self.rewards, beyond)
        if lengths is None:
            return found
        firsts = rows[lengths.cumsum() - lengths] % replay.capacity
        return replace(found, lengths=lengths, memory=replay.column("memory", firsts))

    def move_target(self) -> None:
        """Move the target network.

        It moves towards the network by the factor `tau`. With tau 1, it is replaced by the network every
        `target_update_interval` agent steps, or at every update if the algorithm has no such key.
        """
        if self.hyper.tau == 1.0:
            if self.learned_until - self.copied_at < getattr(self.hyper, "target_update_interval", 0):
                return
            self.copied_at = self.learned_until
        with torch.no_grad():
            self._target_weights[0].lerp_(self.optimizer.flat[0], self.hyper.tau)

    def set_precision(self, mixed: bool) -> None:
        """See `Learner.set_precision`."""
        set_mixed_precision(self.policy, mixed)
        set_mixed_precision(self.target, mixed)
        self._step = self.recorded(self._figures)

    def state_dict(self) -> dict[str, Any]:
        """See `Learner.state_dict`. The replay buffer is not included."""
        apart = self.row_generator is not self.generator
        return {
            **super().state_dict(),
            **({"row_generator": self.row_generator.get_state()} if apart else {}),
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
        self._step = self.recorded(self._figures)
        if only_weights:
            self._target_weights[0].data.copy_(self.optimizer.flat[0].detach())
            return
        if not 0 <= state["copied_at"] <= state["learned_until"] <= state["global_step"]:
            raise ValueError("learned_until and copied_at: expected steps up to global_step")
        self.target.load_state_dict(state["Optimizer:critic"])
        self.updates = state.get("updates", 0)
        if self.row_generator is not self.generator and "row_generator" in state:
            self.row_generator.set_state(state["row_generator"])
        self.learned_until, self.copied_at = state["learned_until"], state["copied_at"]

    def save_store(self, folder: Path) -> None:
        """Write the replay buffer if the ML-Agents key `save_replay_buffer` is set."""
        if self.hyper.save_replay_buffer and len(self.replay):
            save_replay(self.replay, folder / REPLAY_FILE)

    def load_store(self, folder: Path) -> None:
        """Read the replay buffer if `save_replay_buffer` is set.

        Without a file, the buffer is filled again before learning continues.

        Raises:
            UserError: the file is damaged or belongs to another behavior.
        """
        path = folder / REPLAY_FILE
        if self.hyper.save_replay_buffer and path.is_file():
            load_replay(self.replay, path)
            self._summed = self.replay.total
            self.filled = self.replay.settled_rows >= self._needed

    def with_own_randomness(self, network: nn.Module, inputs: tuple[Tensor, ...]) -> Tensor:
        """Return the output of a network with dropout, whose random numbers come from this learner's generator."""
        seed = int(torch.randint(2**31, (1,), generator=self.generator, device=self.device))
        devices = [self.device] if self.device.type == "cuda" else []
        with torch.random.fork_rng(devices=devices):
            torch.manual_seed(seed)
            values: Tensor = network.train()(inputs)
            network.eval()
        return values

    @property
    def _needed(self) -> int:
        """Settled rows of all ranks required before the first update."""
        needed = max(self.hyper.batch_size, self.hyper.buffer_init_steps)
        # Of the rows of several buffers, at least half settle: each decision has one last observation at most.
        return needed if self.alone else min(needed, self.collective.size * self.replay.capacity // 2)

    def _report_sums(self) -> None:
        """Report the rewards of ended episodes, once there are as many new rows as in a minibatch."""
        replay, waiting = self.replay, self.episode_sums.rows
        if not self.summed_signals or replay.total - self._summed < self.hyper.batch_size:
            return
        new = np.arange(max(self._summed, replay.first), replay.total)
        numbers = np.concatenate([waiting[waiting >= replay.first], new])
        self.episode_sums.keep(numbers)
        rows = replay.rows(numbers)
        self.report_sums(numbers, rows, replay.column("next_row", rows.places))
        self.episode_sums.keep(np.concatenate(self.open_rows()))
        self._summed = replay.total

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

    def _require_room(self) -> None:
        """Require that the buffer has room for all living agents (see `ROWS_PER_AGENT`)."""
        living = sum(len(actor.agents) for actor in self.actors.values())
        if self.replay.capacity < ROWS_PER_AGENT * living:
            raise UserError(f"behavior {self.name}: {too_small(self.replay.capacity, living)}")
