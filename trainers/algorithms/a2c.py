"""Advantage actor-critic.

Source: Mnih et al. 2016, "Asynchronous Methods for Deep Reinforcement Learning", in its synchronous form.
"""

from functools import partial

from trainers.algorithms.actor_steps import ActorStep, AlongTheNaturalGradient, InMinibatches, Losses
from trainers.algorithms.on_policy import OnPolicyLearner
from trainers.config import A2CSettings
from trainers.maths.losses import policy_gradient_loss, value_loss


class A2C(OnPolicyLearner):
    """The policy gradient with an advantage critic. The actor uses each rollout once.

    The actor takes steps of Adam in minibatches, or one step along the natural gradient (`natural_gradient_kl`).
    """

    settings_class = A2CSettings
    recordable = True
    hyper: A2CSettings

    def make_actor_step(self) -> ActorStep:
        """See `OnPolicyLearner.make_actor_step`."""
        if self.hyper.natural_gradient_kl is None:
            return InMinibatches(self.hyper.num_epoch)
        return AlongTheNaturalGradient(self.hyper.natural_gradient_kl, self.hyper.critic_num_epoch)

    def losses(self) -> Losses:
        """Return the policy gradient loss and the critic's squared error."""
        return Losses(partial(policy_gradient_loss), partial(value_loss))
