"""Deep Q-learning: `python -m trainers.dqn [CONFIG.yaml] [--env ENV]`.

Source: Mnih et al. 2015, "Human-level control through deep reinforcement learning"; as extensions double, dueling and
n-step learning, see `losses.q_target`, `q_network.DuelingHead` and `Replay.transitions`.
"""

import copy
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from mlagents_envs.base_env import BehaviorSpec, DecisionSteps, TerminalSteps
from torch import Tensor

from trainers.algorithms.exploration import Exploration
from trainers.algorithms.learner import Learner
from trainers.config import BehaviorSettings, DQNSettings
from trainers.experience.replay import Replay
from trainers.experience.store import NoStore, Store
from trainers.maths.losses import q_loss, q_target
from trainers.networks.q_network import EpsilonGreedy, QNetwork
from trainers.optim.optimizer import FlatAdam, flatten
from trainers.records.policy_file import describe

REPLAY_FILE = "last_replay_buffer.npz"


class DQN(Learner):
    """Learns the values of one branch's actions from a replay buffer, and acts greedily on them but for some noise."""

    kind: ClassVar[str] = "dqn"
    hyper: DQNSettings
    policy: QNetwork

    def __init__(
        self, name: str, spec: BehaviorSpec, settings: BehaviorSettings, seed: int, device: torch.device
    ) -> None:
        assert isinstance(settings.hyperparameters, DQNSettings)
        self.hyper = settings.hyperparameters
        super().__init__(name, spec, settings, seed, device)
        self.policy.eval()
        self.target = copy.deepcopy(self.policy).requires_grad_(False)
        self.target.normalizer = None  # it gets inputs that are prepared already
        self._target_weights, _ = flatten([list(self.target.parameters())])
        self.optimizer = FlatAdam(
            [list(self.policy.parameters())], [self.hyper.learning_rate], self.hyper, settings.max_steps
        )
        self.exploration = Exploration(self.hyper, settings.max_steps)
        self.replay = Replay(spec, self.hyper.buffer_size)
        self._filled = False
        self.learned_until = 0.0
        self.copied_at = 0.0

    @property
    def store(self) -> Store:
        """See `Learner.store`; who only acts keeps nothing."""
        return self.replay if self.training else NoStore()

    @property
    def epsilon(self) -> float:
        """Chance of a random action at present."""
        return self.exploration.epsilon(self.step) if self.training and not self.deterministic else 0.0

    @property
    def ready(self) -> bool:
        """`steps_per_update` agent steps have passed, and the buffer holds enough to begin with."""
        return (
            self.training and self._filled and self.step - self.learned_until >= self.hyper.steps_per_update
        )

    def observe(self, decision: DecisionSteps, terminal: TerminalSteps) -> None:
        """See `Learner.observe`; vectors are normalised by all that was ever seen."""
        super().observe(decision, terminal)
        if not self.training:
            return
        if self.policy.normalizer is not None:
            vectors = [decision.obs[index] for index in self.policy.vector_columns]
            self.observation_moments.update(np.concatenate(vectors, axis=1))
        self.exploration.notice(self.step, self.metrics.episodes)
        if not self._filled:
            needed = max(self.hyper.batch_size, self.hyper.buffer_init_steps)
            held = self.replay.closed_rows
            self._filled = held >= needed or (held > 0 and len(self.replay) == self.replay.capacity)
            self.learned_until = self.copied_at = float(self.step)

    def update(self) -> None:
        """One gradient step for every `steps_per_update` agent steps since the last.

        Raises:
            UserError: the weights are no longer finite.
        """
        self.optimizer.set_learning_rate(self.step)
        if self.policy.normalizer is not None:
            self.policy.normalizer.assign(self.observation_moments)
        figures: list[Tensor] = []
        while self.step - self.learned_until >= self.hyper.steps_per_update:
            self.learned_until += self.hyper.steps_per_update
            figures.append(self._learn())
            self._move_target()
        self._require_finite_weights()
        loss, value = torch.stack(figures).mean(0).tolist()
        self.metrics.add("Losses/Value Loss", loss)
        self.metrics.add("Policy/Extrinsic Value Estimate", value)
        self.metrics.add("Policy/Learning Rate", self.optimizer.learning_rate)
        self.metrics.add("Policy/epsilon", self.epsilon)

    def description(self) -> dict[str, Any]:
        """See `Learner.description`."""
        heads = {"dueling": self.hyper.dueling, "dueling_units": self.hyper.dueling_units}
        described = describe(self.name, self.spec, self.settings.network_settings)
        return {**described, "q_network": heads}

    def set_precision(self, mixed: bool) -> None:
        """See `Learner.set_precision`."""
        self.policy.mixed_precision = self.target.mixed_precision = mixed

    def state_dict(self) -> dict[str, Any]:
        """See `Learner.state_dict`; without the replay buffer."""
        return {
            **super().state_dict(),
            "Optimizer:value_optimizer": self.optimizer.state_dict(),
            "Optimizer:critic": self.target.state_dict(),
            "exploration": self.exploration.state_dict(),
            "learned_until": self.learned_until,
            "copied_at": self.copied_at,
        }

    def load_state_dict(self, state: dict[str, Any], only_weights: bool = False) -> None:
        """See `Learner.load_state_dict`."""
        super().load_state_dict(state, only_weights)
        if only_weights:
            self._target_weights[0].data.copy_(self.optimizer.flat[0].detach())
            return
        self.optimizer.load_state_dict(state["Optimizer:value_optimizer"])
        self.target.load_state_dict(state["Optimizer:critic"])
        self.exploration.load_state_dict(state["exploration"])
        self.learned_until, self.copied_at = state["learned_until"], state["copied_at"]

    def save_store(self, folder: Path) -> None:
        """Write the replay buffer, if the ML-Agents key `save_replay_buffer` says so."""
        if self.hyper.save_replay_buffer and len(self.replay):
            self.replay.save(folder / REPLAY_FILE)

    def load_store(self, folder: Path) -> None:
        """Read it; without a file, the buffer is filled anew before learning goes on."""
        path = folder / REPLAY_FILE
        if self.hyper.save_replay_buffer and path.is_file():
            self.replay.load(path)
            needed = max(self.hyper.batch_size, self.hyper.buffer_init_steps)
            self._filled = self.replay.closed_rows >= needed

    def _make_policy(self) -> QNetwork:
        network = self.settings.network_settings
        return QNetwork(self.spec, network, self.hyper.dueling, self.hyper.dueling_units)

    @torch.inference_mode()
    def _choose(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        forbidden = self._forbidden
        mask = None if forbidden is None else torch.from_numpy(forbidden).to(self.device)
        values = self.policy.values(self.policy.upload(self._observations), mask)
        discrete = EpsilonGreedy(values, self.epsilon).sample(self.generator).discrete.cpu().numpy()
        count = len(discrete)
        return np.zeros((count, 0), np.float32), discrete, np.zeros(count, np.float32)

    def _learn(self) -> Tensor:
        """One gradient step; returns its loss and mean value, shape (2,)."""
        rows = self.replay.draw(self.hyper.batch_size, self.generator)
        batch = self.replay.transitions(rows, float(self.gamma[0]), self.hyper.n_step, self._scaled)
        following = self.policy.upload(batch.next_observations)
        blocked = batch.next_forbidden
        mask = None if blocked is None else torch.from_numpy(blocked).to(self.device)
        with torch.no_grad():
            target = q_target(
                self._tensor(batch.reward),
                self._tensor(batch.discount),
                self.target.values(following, mask),
                self.policy.values(following, mask) if self.hyper.double else None,
            )
        values = self._learning_values(self.policy.upload(batch.observations))
        value = values.gather(1, self._tensor(batch.action)[:, None]).squeeze(1)
        loss = q_loss(value, target)
        self.optimizer.descend(loss)
        return torch.stack([loss.detach(), value.detach().mean()])

    def _learning_values(self, inputs: tuple[Tensor, ...]) -> Tensor:
        """Values (n, choices) with dropout, if there is any, whose randomness follows from this learner's own."""
        if not self.settings.network_settings.dropout:
            return self.policy(inputs)
        seed = int(torch.randint(2**31, (1,), generator=self.generator, device=self.device))
        devices = [self.device] if self.device.type == "cuda" else []
        with torch.random.fork_rng(devices=devices):
            torch.manual_seed(seed)
            values: Tensor = self.policy.train()(inputs)
            self.policy.eval()
        return values

    def _move_target(self) -> None:
        """Towards the network by `tau`; with tau 1, onto it every `target_update_interval` agent steps."""
        if self.hyper.tau == 1.0:
            if self.learned_until - self.copied_at < self.hyper.target_update_interval:
                return
            self.copied_at = self.learned_until
        with torch.no_grad():
            self._target_weights[0].lerp_(self.optimizer.flat[0], self.hyper.tau)

    def _tensor(self, array: np.ndarray) -> Tensor:
        return torch.from_numpy(array).to(self.device)
