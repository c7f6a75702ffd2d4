"""What PPO, POCA and MAPPO share: the clipped surrogate objective.

Source: Schulman et al. 2017, "Proximal Policy Optimization Algorithms", equation 7.
"""

from functools import partial

from trainers.algorithms.actor_steps import ActorStep, InMinibatches, Losses
from trainers.algorithms.on_policy import OnPolicyLearner
from trainers.config import ClippedSettings
from trainers.experience.rollout import Columns
from trainers.maths.losses import clipped_policy_loss, value_loss
from trainers.maths.schedules import EPSILON_FLOOR


class ClippedLearner(OnPolicyLearner):
    """Learns an actor whose ratio of new to old probability is clipped, and a critic by its squared error."""

    recordable = True
    hyper: ClippedSettings

    @property
    def epsilon(self) -> float:
        """The present clip range."""
        return self.decayed(self.hyper.epsilon, EPSILON_FLOOR, self.hyper.epsilon_schedule)

    def optimise(self, columns: Columns) -> None:
        """See `OnPolicyLearner.optimise`; reports the clip range as well."""
        self.metrics.add("Policy/Epsilon", self.epsilon)
        super().optimise(columns)

    def make_actor_step(self) -> ActorStep:
        """See `OnPolicyLearner.make_actor_step`."""
        return InMinibatches(self.hyper.num_epoch)

    def losses(self) -> Losses:
        """Return the clipped surrogate loss and the critic's squared error."""
        policy = partial(clipped_policy_loss, epsilon=self.epsilon)
        whole = self.hyper.policy_ratio == "action"
        return Losses(policy, partial(value_loss), whole, clip_range=self.epsilon)
