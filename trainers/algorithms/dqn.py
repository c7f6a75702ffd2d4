"""Deep Q-learning, with double, dueling and n-step learning as extensions.

Source: Mnih et al. 2015, "Human-level control through deep reinforcement learning". The extensions are
`losses.q_target`, `q_network.DuelingHead` and `Replay.transitions`.
"""

import torch
from torch import Tensor

from trainers.algorithms.off_policy import OffPolicyLearner
from trainers.algorithms.q_learner import QLearner
from trainers.config import DQNSettings
from trainers.experience.rows import Transitions
from trainers.maths.losses import q_loss, q_target
from trainers.networks.q_network import QNetwork


class DQN(QLearner, OffPolicyLearner):
    """Learns from a replay buffer, with targets by a network that follows slowly."""

    settings_class = DQNSettings
    recordable = True
    hyper: DQNSettings
    target: QNetwork

    @property
    def random_until(self) -> int:
        """See `QLearner.random_until`."""
        return self.hyper.buffer_init_steps

    @property
    def copy_interval(self) -> int:
        """See `OffPolicyLearner.copy_interval`."""
        return self.hyper.target_update_interval

    @property
    def gammas(self) -> list[float]:
        """See `ReplayLearner.gammas`; the first signal's for all, since they have one value."""
        return [self.signals[0].gamma] * len(self.signals)

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
        values = self._with_dropout(inputs) if dropout else self.policy(inputs)
        value = values.gather(1, self.tensor(transitions.discrete)).squeeze(1)
        loss = q_loss(value, target)
        norm = self.optimizer.descend(loss)
        title = self.signals[0].title
        return {
            "Losses/Value Loss": loss.detach(),
            f"Policy/{title} Value Estimate": value.detach().mean(),
            "Losses/Gradient Norm": norm,
        }

    def _with_dropout(self, inputs: tuple[Tensor, ...]) -> Tensor:
        """Return the values with dropout, whose random numbers come from this learner's generator."""
        seed = int(torch.randint(2**31, (1,), generator=self.generator, device=self.device))
        devices = [self.device] if self.device.type == "cuda" else []
        with torch.random.fork_rng(devices=devices):
            torch.manual_seed(seed)
            values: Tensor = self.policy.train()(inputs)
            self.policy.eval()
        return values
