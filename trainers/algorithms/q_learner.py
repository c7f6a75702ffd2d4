"""What DQN and PQN share: a network of action values, and acting epsilon-greedily by it."""

import copy
from typing import Any, ClassVar, Self

from mlagents_envs.base_env import BehaviorSpec

from trainers.algorithms.exploration import Exploration
from trainers.algorithms.learner import Learner
from trainers.algorithms.threaded import Update
from trainers.config import BehaviorSettings, DQNSettings, PQNSettings
from trainers.experience.agents import AgentBatch
from trainers.experience.task import Task
from trainers.networks.q_network import QNetwork
from trainers.optim.optimizer import FlatAdam


class QLearner(Learner):
    """Learns the values of the actions of one branch, and acts epsilon-greedily.

    Attributes:
        exploration: the probability of a random action.
    """

    network_class: ClassVar[type[QNetwork]] = QNetwork
    hyper: DQNSettings | PQNSettings
    policy: QNetwork
    acting: QNetwork

    def __init__(self, task: Task) -> None:
        super().__init__(task)
        self.exploration = Exploration(self.hyper, task.settings.max_steps, self.random_until)

    @classmethod
    def make_network(cls, spec: BehaviorSpec, settings: BehaviorSettings) -> QNetwork:
        """See `Learner.make_network`."""
        hyper = settings.hyperparameters
        assert isinstance(hyper, DQNSettings | PQNSettings)
        return cls.network_class(spec, settings.network_settings, hyper.dueling, hyper.dueling_units)

    def make_optimizer(self) -> None:
        """Make the optimiser of the network and set `optimizer`."""
        groups, rates = [list(self.policy.parameters())], [self.hyper.learning_rate]
        self.optimizer = FlatAdam(groups, rates, self.hyper, self.settings.max_steps, self.collective)

    @property
    def random_until(self) -> int:
        """Agent steps until which all actions are random."""
        return 0

    @property
    def epsilon(self) -> float:
        """Present probability of a random action."""
        return self.exploration.epsilon(self.step) if self.training and not self.deterministic else 0.0

    def noticed(self, batch: AgentBatch) -> None:
        """See `Mind.noticed`; raises the probability of a random action when it is time."""
        super().noticed(batch)
        if self.training:
            self.exploration.notice(self.step, self.metrics.episodes)

    def exploring(self, batch: AgentBatch) -> dict[str, Any]:
        """See `Learner.exploring`."""
        return {"epsilon": self.epsilon}

    def set_aside(self, twin: Self) -> Update:
        """See `Learner.set_aside`."""
        twin.exploration = copy.copy(self.exploration)
        return super().set_aside(twin)

    def state_dict(self) -> dict[str, Any]:
        """See `Learner.state_dict`."""
        return {**super().state_dict(), "exploration": self.exploration.state_dict()}

    def load_state_dict(self, state: dict[str, Any], only_weights: bool = False) -> None:
        """See `Learner.load_state_dict`."""
        super().load_state_dict(state, only_weights)
        if not only_weights:
            self.exploration.load_state_dict(state["exploration"])
