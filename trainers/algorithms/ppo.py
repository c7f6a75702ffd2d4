"""Proximal policy optimisation.

Source: Schulman et al. 2017, "Proximal Policy Optimization Algorithms".
"""

from functools import partial
from typing import Any, ClassVar

from trainers.algorithms.actor_steps import ActorStep, InMinibatches, Losses
from trainers.algorithms.on_policy import OnPolicyLearner
from trainers.config import AlgorithmSettings, PPOSettings
from trainers.experience.rollout import Columns
from trainers.maths.losses import clipped_policy_loss, clipped_value_loss, value_loss
from trainers.maths.schedules import EPSILON_FLOOR


class PPO(OnPolicyLearner):
    """The clipped surrogate objective. The critic may be clipped around its old values too (`clip_value_loss`)."""

    settings_class: ClassVar[type[AlgorithmSettings]] = PPOSettings
    recordable = True
    hyper: Any

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
        return InMinibatches(self.hyper.num_epoch, self.hyper.recompute_advantage)

    def losses(self) -> Losses:
        """Return the clipped surrogate loss and the critic's squared error, clipped with `clip_value_loss`."""
        value = partial(value_loss)
        if self.hyper.clip_value_loss:
            value = partial(clipped_value_loss, epsilon=self.epsilon)
        policy = partial(clipped_policy_loss, epsilon=self.epsilon)
        return Losses(policy, value, self.hyper.policy_ratio == "action", clip_range=self.epsilon)
