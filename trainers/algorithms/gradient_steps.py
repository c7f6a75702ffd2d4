"""The gradient steps of an on-policy update, on minibatches: in autograd, and in numpy for small networks."""

import numpy as np
import torch
from torch import Tensor

from trainers.algorithms.actor_steps import Losses
from trainers.experience.batch import Batch, NumpyBatch
from trainers.maths.losses import approximate_kl, outside
from trainers.networks.distributions import ActionDistribution
from trainers.optim.numpy_path import Gradients, NumpyPath
from trainers.optim.optimizer import FlatAdam

FIGURES = (
    "Losses/Policy Loss",
    "Losses/Value Loss",
    "Policy/Entropy",
    "Policy/Approximate KL",
    "Policy/Clip Fraction",
    "Losses/Gradient Norm",
)
"""What a gradient step returns, by TensorBoard tag."""
KL = FIGURES.index("Policy/Approximate KL")


class GradientSteps:
    """Takes gradient steps of the actor's and the critic's losses.

    Args:
        optimizer: holds the network's weights.
        value_coefficient: weight of the critic's loss.
        apart: whether the actor is updated apart, so that only the critic learns from these steps.
    """

    def __init__(self, optimizer: FlatAdam, value_coefficient: float, apart: bool) -> None:
        self.optimizer, self.value_coefficient, self.apart = optimizer, value_coefficient, apart

    def descend(
        self,
        distribution: ActionDistribution,
        critic_losses: list[Tensor],
        minibatch: Batch,
        losses: Losses,
        beta: float,
    ) -> Tensor:
        """Take one gradient step.

        Args:
            distribution: the action distribution of the minibatch.
            critic_losses: the loss of its values, and further losses of the critic, which count half.
            minibatch: n decisions.
            losses: the losses of this update.
            beta: weight of the entropy.

        Returns:
            Absolute policy loss, value loss, entropy in nats, KL divergence in nats since the rollout, the part of
            clipped ratios, the gradient's norm, and the further losses of the critic, of the minibatch, (figures,).
            `FIGURES` has the tags of all but the last.
        """
        value_loss, *others = critic_losses
        log_prob = distribution.log_prob(minibatch.actions)
        now, old = (
            tensor.sum(1, True) if losses.whole_action else tensor
            for tensor in (log_prob, minibatch.log_prob)
        )
        if self.apart:
            now = now.detach()
        policy_loss = losses.policy(now, old, minibatch.advantage)
        critic_loss = value_loss + 0.5 * torch.stack(others).sum() if others else value_loss
        entropy = distribution.entropy().mean()
        loss = policy_loss + self.value_coefficient * critic_loss
        norm = self.optimizer.descend(loss if self.apart else loss - beta * entropy)
        with torch.no_grad():
            divergence = approximate_kl(log_prob.sum(1), minibatch.log_prob.sum(1))
            clipped = outside(now - old, losses.clip_range).float().mean()
            figures = [policy_loss.abs(), value_loss, entropy, divergence, clipped, norm, *others]
            return torch.stack(figures)

    @np.errstate(over="ignore", invalid="ignore")  # the learner checks the weights after the last epoch
    def descend_in_numpy(
        self, path: NumpyPath, minibatch: NumpyBatch, losses: Losses, gradients: Gradients, beta: float
    ) -> Tensor:
        """Take the same gradient step as `descend`, without autograd. `gradients` are those of the losses."""
        log_prob, value = path.forward(
            minibatch.inputs[0], minibatch.forbidden, minibatch.continuous, minibatch.discrete
        )
        now, old = (
            array.sum(1)[:, None] if losses.whole_action else array
            for array in (log_prob, minibatch.log_prob)
        )
        policy_loss, log_prob_gradient = gradients.policy(now, old, minibatch.advantage)
        value_loss, value_gradient = gradients.value(value, minibatch.returns, minibatch.value)
        if self.apart:
            log_prob_gradient, beta = np.zeros_like(log_prob_gradient), 0.0
        path.backward(log_prob_gradient, np.float32(self.value_coefficient) * value_gradient, beta)
        entropy = path.entropy()
        norm = self.optimizer.step()
        log_ratio = (log_prob - minibatch.log_prob).sum(1)
        divergence = float((np.exp(log_ratio) - 1.0 - log_ratio).sum()) / len(log_ratio)
        clipped = float(outside(now - old, losses.clip_range).mean())
        return torch.from_numpy(
            np.array([abs(policy_loss), value_loss, entropy, divergence, clipped, norm], np.float32)
        )
