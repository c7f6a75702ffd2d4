"""Deep Q-learning, with double, dueling and n-step learning as extensions.

Source: Mnih et al. 2015, "Human-level control through deep reinforcement learning". The extensions are
`losses.q_target`, `q_network.DuelingHead` and `Replay.transitions`.
"""

import copy
from typing import Any

import torch
from mlagents_envs.base_env import BehaviorSpec
from torch import Tensor

from trainers.algorithms.exploration import Exploration
from trainers.algorithms.off_policy import OffPolicyLearner
from trainers.algorithms.threaded import Update
from trainers.config import BehaviorSettings, DQNSettings
from trainers.experience.agents import AgentBatch
from trainers.experience.rows import Transitions
from trainers.experience.task import Task
from trainers.maths.losses import q_loss, q_target
from trainers.networks.policy_network import ActionSample
from trainers.networks.q_network import QNetwork
from trainers.optim.optimizer import FlatAdam
from trainers.optim.threads import threads_for


class DQN(OffPolicyLearner):
    """Learns the values of the actions of one branch, and acts epsilon-greedily."""

    settings_class = DQNSettings
    network_class = QNetwork
    hyper: DQNSettings
    policy: QNetwork
    acting: QNetwork
    target: QNetwork

    def __init__(self, task: Task) -> None:
        super().__init__(task)
        self.exploration = Exploration(self.hyper, task.settings.max_steps)

    @classmethod
    def make_network(cls, spec: BehaviorSpec, settings: BehaviorSettings) -> QNetwork:
        """See `Learner.make_network`."""
        hyper: Any = settings.hyperparameters
        return QNetwork(spec, settings.network_settings, hyper.dueling, hyper.dueling_units)

    def make_optimizer(self) -> None:
        """See `OffPolicyLearner.make_optimizer`."""
        groups, rates = [list(self.policy.parameters())], [self.hyper.learning_rate]
        self.optimizer = FlatAdam(groups, rates, self.hyper, self.settings.max_steps, self.task.collective)

    @property
    def epsilon(self) -> float:
        """Present probability of a random action."""
        return self.exploration.epsilon(self.step) if self.training and not self.deterministic else 0.0

    def noticed(self, batch: AgentBatch) -> None:
        """See `OffPolicyLearner.noticed`."""
        super().noticed(batch)
        if self.training:
            self.exploration.notice(self.step, self.metrics.episodes)

    def choose(self, batch: AgentBatch) -> ActionSample:
        """See `Learner.choose`."""
        with threads_for(len(batch), self.parameters):
            return self.acting.choose(
                batch.observations,
                batch.forbidden,
                self.deterministic,
                self.acting_generator,
                epsilon=self.epsilon,
            )

    def set_aside(self, twin: Any) -> Update:
        """See `OffPolicyLearner.set_aside`."""
        twin.exploration = copy.copy(self.exploration)
        return super().set_aside(twin)

    def update(self) -> None:
        """See `OffPolicyLearner.update`; reports the probability of a random action as well."""
        super().update()
        self.metrics.add("Policy/epsilon", self.epsilon)

    def learn(self, transitions: Transitions) -> dict[str, Tensor]:
        """See `OffPolicyLearner.learn`. The value is that of all signals, discounted by the first one's `gamma`."""
        following = self.policy.upload(transitions.next_observations)
        mask = self.policy.upload_mask(transitions.next_forbidden)
        with torch.no_grad():
            target = q_target(
                self.tensor(transitions.reward.sum(1)),
                self.tensor(transitions.discount[:, 0]),
                self.target.values(following, mask),
                self.policy.values(following, mask) if self.hyper.double else None,
            )
        inputs = self.policy.upload(transitions.observations)
        dropout = self.settings.network_settings.dropout
        values = self.with_own_randomness(self.policy, inputs) if dropout else self.policy(inputs)
        value = values.gather(1, self.tensor(transitions.discrete)).squeeze(1)
        loss = q_loss(value, target)
        norm = self.optimizer.descend(loss)
        title = self.signals[0].title
        return {
            "Losses/Value Loss": loss.detach(),
            f"Policy/{title} Value Estimate": value.detach().mean(),
            "Losses/Gradient Norm": norm,
        }

    def state_dict(self) -> dict[str, Any]:
        """See `Learner.state_dict`."""
        return {**super().state_dict(), "exploration": self.exploration.state_dict()}

    def load_state_dict(self, state: dict[str, Any], only_weights: bool = False) -> None:
        """See `Learner.load_state_dict`."""
        super().load_state_dict(state, only_weights)
        if not only_weights:
            self.exploration.load_state_dict(state["exploration"])
