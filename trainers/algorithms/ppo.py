"""Proximal policy optimisation.

Source: Schulman et al. 2017, "Proximal Policy Optimization Algorithms".
"""

from functools import partial

from trainers.algorithms.actor_steps import ActorStep, InMinibatches, Losses
from trainers.algorithms.on_policy import OnPolicyLearner
from trainers.config import PPOSettings
from trainers.experience.rollout import Columns
from trainers.maths.losses import clipped_policy_loss, clipped_value_loss, value_loss
from trainers.maths.schedules import EPSILON_FLOOR


class PPO(OnPolicyLearner):
    """Clipped surrogate objective; the critic may be clipped around its old values too."""

    settings_class = PPOSettings
    hyper: PPOSettings

    @property
    def epsilon(self) -> float:
        """The clip range at the present step."""
        return self.decayed(self.hyper.epsilon, EPSILON_FLOOR, self.hyper.epsilon_schedule)

    def make_actor_step(self) -> ActorStep:
        """See `OnPolicyLearner.make_actor_step`."""
        return InMinibatches(self.hyper.num_epoch, self.hyper.recompute_advantage)

    def losses(self) -> Losses:
        """The clipped surrogate; squared error, or with `clip_value_loss` clipped around the old value."""
        value = partial(value_loss)
        if self.hyper.clip_value_loss:
            value = partial(clipped_value_loss, epsilon=self.epsilon)
        policy = partial(clipped_policy_loss, epsilon=self.epsilon)
        return Losses(policy, value, whole_action=self.hyper.policy_ratio == "action")

    def optimise(self, columns: Columns) -> None:
        """See `OnPolicyLearner.optimise`; reports the clip range too."""
        self.metrics.add("Policy/Epsilon", self.epsilon)
        super().optimise(columns)
