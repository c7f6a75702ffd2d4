"""The base of all learners: a policy, reward signals, actors, and a count of decisions.

The training loop asks an `Actor` to observe and to act, and asks its learner to `update` when it is `ready`. Decisions
are kept in the learner's `Store`, which is a rollout or a replay buffer.
"""

import copy
from abc import abstractmethod
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from mlagents_envs.base_env import BehaviorSpec

from gym_adapters.errors import UserError
from trainers.algorithms.actor import Actor
from trainers.algorithms.opponent import Opponent, Opponents
from trainers.algorithms.threaded import Threadable
from trainers.config import AlgorithmSettings, BehaviorSettings, NoiseSettings
from trainers.experience.agents import AgentBatch, AgentTable
from trainers.experience.episodes import EpisodeSums
from trainers.experience.rows import Rows
from trainers.experience.task import Task
from trainers.imitation.cloning import Cloning
from trainers.imitation.sources import load_fitting
from trainers.maths.schedules import decayed
from trainers.maths.seeds import acting_seed, rank_seed
from trainers.networks.noise import Noise
from trainers.networks.normalizer import ObservationMoments
from trainers.networks.policy_network import ActionSample, PolicyNetwork
from trainers.optim.captured import find_recorder
from trainers.optim.collective import set_apart
from trainers.optim.optimizer import FlatAdam
from trainers.optim.threads import threads_for
from trainers.rewards.signal import make_signal, stacked_rewards

CLONING = "behavioral_cloning"
"""Key of the state of cloning in a checkpoint."""


class Learner(Threadable):
    """Learns one behavior.

    A subclass names its settings class and its network class, makes the network and the optimiser, and implements
    `store`, `ready` and `update`. It calls `make_cloning` when there is an optimiser, and `clone` in its updates.

    Args:
        task: the behavior.

    Attributes:
        kind: the `trainer_type`.
        sees_mates: whether the store must know the groupmates of each row.
        training: whether the learner learns. Otherwise it only acts and records returns.
        deterministic: whether the most likely actions are taken (ML-Agents key).
        parameters: number of parameters of the policy.
        actors: the actors made so far, by behavior id.
        actor_group: which vector of the optimiser holds the weights that choose actions.
        recordable: whether a gradient step does nothing in Python but compute, so that a GPU can record it.
        recorder: records them; None where they are computed as usual.
        cloning: imitates demonstrations; None without `behavioral_cloning`.
        network_class: the class of the network, which `make_network` makes anew and `build` makes from a checkpoint.
    """

    settings_class: ClassVar[type[AlgorithmSettings]]
    sees_mates: bool = False
    actor_group: ClassVar[int] = 0
    recordable: ClassVar[bool] = False
    cloning: Cloning | None = None
    network_class: ClassVar[type[PolicyNetwork]]
    hyper: AlgorithmSettings
    optimizer: FlatAdam

    def __init__(self, task: Task) -> None:
        super().__init__(task.collective)
        self.task = task
        self.name, self.spec, self.settings, self.device = task.name, task.spec, task.settings, task.device
        self.hyper, self.kind = task.settings.hyperparameters, task.settings.trainer_type
        self.time_horizon = task.settings.time_horizon
        self.deterministic = task.settings.network_settings.deterministic
        self.training = True
        self.generator = torch.Generator(task.device).manual_seed(rank_seed(task.seed, task.collective.rank))
        self._shared_generator = torch.Generator(task.device).manual_seed(task.seed)
        self.acting_generator = self.generator
        if task.settings.threaded:
            self.acting_generator = torch.Generator(task.device).manual_seed(acting_seed(task.seed))
        self.actors: dict[str, Actor] = {}

        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(task.seed)
            self.policy = self.make_network(task.spec, task.settings).to(task.device)
        self.acting = self.policy
        self.parameters = self.policy.size
        self.recorder = None
        if self.recordable and task.cuda_graphs and self.alone:
            self.recorder = find_recorder(task.device, task.settings, [self.generator])

        rewarded = replace(task, action_limit=self.policy.action_limit)
        self.signals = [
            make_signal(name, settings, rewarded)
            for name, settings in task.settings.reward_signals.active().items()
        ]
        self.summed_signals = [signal for signal in self.signals if not signal.told_by_returns]
        self.episode_sums = EpisodeSums(len(self.summed_signals))
        vectors = [task.spec.observation_specs[index].shape[0] for index in self.policy.vector_columns]
        self.observation_moments = ObservationMoments(sum(vectors), task.collective)
        self.opponents, play = None, task.settings.self_play
        if play is not None:
            self.opponents = Opponents(play, self.policy, self._make_opponent, self._draw, self.alone)

    @classmethod
    @abstractmethod
    def make_network(cls, spec: BehaviorSpec, settings: BehaviorSettings) -> PolicyNetwork:
        """Return the network, with new weights."""

    @property
    @abstractmethod
    def ready(self) -> bool:
        """Whether enough decisions have been rewarded for an update."""

    def actor(self, behavior_id: str) -> Actor:
        """Return the actor of `Name` or `Name?team=1`, and make it if it does not exist."""
        if behavior_id not in self.actors:
            self.actors[behavior_id] = Actor(self)
        return self.actors[behavior_id]

    def choose(self, batch: AgentBatch) -> ActionSample:
        """See `Mind.choose`."""
        known = batch.observations, batch.forbidden, self.deterministic, self.acting_generator, batch.memory
        with threads_for(len(batch), self.parameters):
            return self.acting.choose(*known, **self.exploring(batch))

    def exploring(self, batch: AgentBatch) -> dict[str, Any]:
        """Return the arguments of the network's `choose` that say how a batch of agents explores, by name."""
        noise = self.noise_after(batch)
        return {} if noise is None else {"noise": noise}

    @property
    def noise_size(self) -> int:
        """See `Mind.noise_size`; 0 without the extension key `noise_correlation`."""
        correlated = isinstance(self.hyper, NoiseSettings) and self.hyper.noise_correlation > 0.0
        return self.spec.action_spec.continuous_size if correlated else 0

    def noise_after(self, batch: AgentBatch) -> Noise | None:
        """Return what the noise of a batch's actions follows; None where it is independent."""
        if batch.noise is None or not self.training:
            return None
        return Noise.at(self.step, batch.noise, self.settings)

    def noticed(self, batch: AgentBatch) -> None:
        """See `Mind.noticed`; does nothing."""

    def earned(self, agents: AgentTable, slots: np.ndarray, own: np.ndarray, group: np.ndarray) -> None:
        """See `Mind.earned`."""
        if self.finished:
            return
        if self.training:
            for signal in self.signals:
                signal.earned(agents, slots, own, group)
        self.count(len(slots))

    def make_cloning(self) -> None:
        """Make `cloning` if the settings have `behavioral_cloning`.

        Raises:
            UserError: the demonstrations cannot be read, or are of another behavior.
        """
        settings = self.settings.behavioral_cloning
        if settings is not None and self.task.learns:
            shown = load_fitting(settings.demo_path, self.name, self.spec).decisions
            policy, group = self.policy, self.actor_group
            self.cloning = Cloning(settings, shown, policy, self.optimizer, group, self.hyper, self.generator)

    def clone(self) -> None:
        """Imitate the demonstrations, if there are any, and report the loss.

        Raises:
            UserError: a weight is no longer finite.
        """
        if self.cloning is not None:
            self.metrics.add("Losses/Pretraining Loss", self.cloning.update(self.step))
            self.require_finite_weights()

    def finish(self) -> None:
        """Stop learning and counting. The policy continues to act."""
        self.take_over()
        self.training, self.finished = False, True

    def forget_agents(self) -> None:
        """Drop all episodes in progress after a reset of the environment. Their last rewards never arrive."""
        for actor in self.actors.values():
            actor.forget_agents()

    def set_precision(self, mixed: bool) -> None:
        """Compute image encoders in bfloat16 from now on if `mixed` is true, else in float32."""
        self.policy.mixed_precision = mixed

    def description(self) -> dict[str, Any]:
        """Return what is needed to build the policy again, as plain types."""
        signals = [signal.name for signal in self.signals]
        return {"name": self.name, "reward_signals": signals, **self.policy.description()}

    def state_dict(self) -> dict[str, Any]:
        """Return everything that the next update depends on, as tensors, numbers and strings."""
        cloning = {} if self.cloning is None else {CLONING: self.cloning.state_dict()}
        return {
            **cloning,
            "trainer_type": self.kind,
            "global_step": self.step,
            "Policy": self.policy.state_dict(),
            "Optimizer:value_optimizer": self.optimizer.state_dict(),
            "observation_moments": self.observation_moments.state_dict(),
            "reward_signals": {signal.name: signal.state_dict() for signal in self.signals},
            "recent_returns": list(self.metrics.recent_returns),
            "lesson_returns": list(self.metrics.lesson_returns),
            "episodes": self.metrics.episodes,
            "generator": self.generator.get_state(),
        }

    def load_state_dict(self, state: dict[str, Any], only_weights: bool = False) -> None:
        """Restore what `state_dict` returned.

        Args:
            state: the content of a checkpoint.
            only_weights: whether to restore only the policy, the moments of observations and the reward signals
                (ML-Agents option `--initialize-from`).
        """
        self.policy.load_state_dict(state["Policy"])
        self.observation_moments.load_state_dict(state["observation_moments"])
        # In an older checkpoint, extrinsic is the only signal.
        known = state.get("reward_signals", {"extrinsic": state})
        for signal in self.signals:
            if signal.name in known:
                signal.load_state_dict(known[signal.name])
        if only_weights:
            return
        self.optimizer.load_state_dict(state["Optimizer:value_optimizer"])
        self.step = state["global_step"]
        self.metrics.recent_returns.extend(state["recent_returns"])
        self.metrics.lesson_returns.extend(state.get("lesson_returns", []))
        self.metrics.episodes = state["episodes"]
        self.generator.set_state(state["generator"])
        set_apart(self.generator, self.collective.rank)
        if self.settings.threaded:
            seed = int(torch.randint(2**62, (), generator=self.generator, device=self.device))
            self.acting_generator.manual_seed(seed)
        if self.cloning is not None and CLONING in state:
            self.cloning.load_state_dict(state[CLONING])

    def save_store(self, folder: Path) -> None:
        """Write the stored decisions to the folder of the checkpoints. Called after each checkpoint; does nothing."""

    def load_store(self, folder: Path) -> list[str]:
        """Read what `save_store` wrote, if it is there. Called after `load_state_dict`; does nothing.

        Returns:
            Messages for the user.
        """
        return []

    def _make_opponent(self) -> Opponent:
        policy = copy.deepcopy(self.acting)  # which no thread changes
        return Opponent(self.name, policy, self.time_horizon, self.deterministic, self.acting_generator)

    def _draw(self) -> float:
        """Return a random number from [0, 1), which is the same on all ranks."""
        generator = self.acting_generator if self.alone else self._shared_generator
        return float(torch.rand((), device=self.device, generator=generator))

    def open_rows(self) -> list[np.ndarray]:
        """Return the rows of decisions that wait for their reward, (agents,) for each table of `own_agents`."""
        return [table.open_row[table.slots] for table in self.own_agents()]

    def own_agents(self) -> list[AgentTable]:
        """Return the tables of the agents that act by this policy, and not by a past one."""
        return [actor.agents for actor in self.actors.values() if actor.mind.policy is self.policy]

    def rewards(self, rows: Rows) -> np.ndarray:
        """Return the rewards of rows from each reward signal, (n, streams)."""
        return stacked_rewards(self.signals, rows)

    def tensor(self, array: np.ndarray | torch.Tensor) -> torch.Tensor:
        """Return an array as a tensor on the learner's device; a tensor as it is."""
        return array if isinstance(array, torch.Tensor) else torch.from_numpy(array).to(self.device)

    def decayed(self, initial: float, floor: float, schedule: str) -> float:
        """Return the present value of a schedule. See `schedules.decayed`."""
        return decayed(initial, floor, schedule, self.step, self.settings.max_steps)

    def require_finite_weights(self) -> None:
        """Require that all weights are finite.

        Raises:
            UserError: a weight is NaN or infinite; the message says which settings to change.
        """
        if not self.optimizer.is_finite:
            raise UserError(
                f"behavior {self.name}: training diverged at step {self.step}, its weights are no longer finite; "
                "lower hyperparameters.learning_rate, set max_grad_norm, or scale rewards and observations down"
            )
