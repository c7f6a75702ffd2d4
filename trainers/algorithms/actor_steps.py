"""When the actor moves: in the minibatches, with the critic, or in one step of its own before them."""

from dataclasses import dataclass
from functools import partial
from typing import Protocol

import torch
from torch import Tensor

from trainers.experience.batch import Batch
from trainers.maths.natural_gradient import move_within, natural_step
from trainers.networks.actor_critic import ActorCritic
from trainers.optim.optimizer import FlatAdam

TOLERANCE = 1.5
"""How much further than asked the natural gradient may move the policy: its step is not made shorter for less."""


@dataclass(frozen=True)
class Losses:
    """What a minibatch is learned with.

    Attributes:
        policy: of log_prob (n, columns) now, log_prob (n, columns) when the actions were taken, and advantage (n,).
        value: of values (n, streams) now, returns (n, streams), and values (n, streams) before the update.
        whole_action: log_prob has one column, of the whole action; else one for each part of it.
    """

    policy: partial[Tensor]
    value: partial[Tensor]
    whole_action: bool = False


class ActorStep(Protocol):
    """How an actor moves in an update."""

    @property
    def passes(self) -> int:
        """Over a batch; of the critic alone, if the actor moves apart."""

    @property
    def fresh_targets(self) -> bool:
        """Every pass begins with advantages and returns by the critic as it then is."""

    @property
    def apart(self) -> bool:
        """The actor has moved before the passes."""

    def move(
        self, policy: ActorCritic, optimizer: FlatAdam, losses: Losses, batch: Batch, beta: float
    ) -> None:
        """Move the actor, if it moves apart; `beta` weights the entropy."""


@dataclass(frozen=True)
class InMinibatches:
    """Actor and critic descend together."""

    passes: int
    fresh_targets: bool = False
    apart = False

    def move(
        self, policy: ActorCritic, optimizer: FlatAdam, losses: Losses, batch: Batch, beta: float
    ) -> None:
        """See `ActorStep.move`; nothing to do."""


@dataclass(frozen=True)
class AlongTheNaturalGradient:
    """The actor makes one step along the natural gradient; the critic follows with targets made anew for each pass.

    Args:
        kl: divergence, nats, by which the policy moves (extension key `natural_gradient_kl`).
        passes: of the critic (extension key `critic_num_epoch`).
    """

    kl: float
    passes: int
    fresh_targets = True
    apart = True

    def move(
        self, policy: ActorCritic, optimizer: FlatAdam, losses: Losses, batch: Batch, beta: float
    ) -> None:
        """See `ActorStep.move`."""
        distribution = policy.distribution(batch.inputs, batch.forbidden)
        old = distribution.detach()
        loss = losses.policy(distribution.log_prob(batch.actions), batch.log_prob, batch.advantage)
        loss = loss - beta * distribution.entropy().mean()
        divergence = distribution.divergence_from(old).mean()
        step = natural_step(loss, divergence, policy.parameter_groups()[0], self.kl)

        @torch.no_grad()
        def distance() -> Tensor:
            return policy.distribution(batch.inputs, batch.forbidden).divergence_from(old).mean()

        move_within(optimizer.flat[0].detach(), step, distance, TOLERANCE * self.kl)
