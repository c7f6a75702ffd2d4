"""How an update moves the actor: in minibatches together with the critic, or in one step before the critic's epochs."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

import torch
from torch import Tensor

from trainers.experience.batch import Batch
from trainers.maths.natural_gradient import move_within, natural_step
from trainers.networks.actor_critic import ActorCritic
from trainers.optim.collective import weighted_mean
from trainers.optim.optimizer import FlatAdam

TOLERANCE = 1.5
"""A natural gradient step is shortened only if the KL divergence exceeds the one set by more than this factor."""


@dataclass(frozen=True)
class Losses:
    """The losses of an update.

    Attributes:
        policy: a function of log_prob (n, columns) of the present policy, log_prob (n, columns) when the actions were
            taken, and advantage (n,).
        value: a function of values (n, streams), returns (n, streams), and values (n, streams) before the update.
        whole_action: whether log_prob has one column, for the whole action, instead of one for each part.
        clip_range: the policy loss clips a ratio of probabilities that is further from 1; infinite if it clips none.
    """

    policy: Callable[..., Tensor]
    value: Callable[..., Tensor]
    whole_action: bool = False
    clip_range: float = math.inf


class ActorStep(Protocol):
    """How an update moves the actor."""

    @property
    def passes(self) -> int:
        """Epochs over the batch. If the actor is updated apart, they train only the critic."""

    @property
    def fresh_targets(self) -> bool:
        """Whether every epoch computes advantages and returns anew, with the present critic."""

    @property
    def apart(self) -> bool:
        """Whether the actor is updated before the epochs instead of in them."""

    def move(
        self,
        policy: ActorCritic,
        optimizer: FlatAdam,
        losses: Losses,
        batch: Batch,
        beta: float,
        weight: float = 1.0,
    ) -> None:
        """Update the actor, if it is updated apart.

        Args:
            policy: the network.
            optimizer: holds the network's weights in vectors.
            losses: the losses of this update.
            batch: all decisions of the rollout.
            beta: weight of the entropy.
            weight: this rank's part of the decisions of all ranks.
        """


@dataclass(frozen=True)
class InMinibatches:
    """Actor and critic are updated together, in minibatches.

    Args:
        passes: number of epochs (ML-Agents key `num_epoch`).
        fresh_targets: whether every epoch computes advantages anew (extension key `recompute_advantage`).
    """

    passes: int
    fresh_targets: bool = False
    apart = False

    def move(
        self,
        policy: ActorCritic,
        optimizer: FlatAdam,
        losses: Losses,
        batch: Batch,
        beta: float,
        weight: float = 1.0,
    ) -> None:
        """See `ActorStep.move`; does nothing."""


@dataclass(frozen=True)
class AlongTheNaturalGradient:
    """The actor takes one step along the natural gradient. Then the critic learns, with new targets in each epoch.

    Args:
        kl: KL divergence in nats by which the policy moves (extension key `natural_gradient_kl`).
        passes: epochs of the critic (extension key `critic_num_epoch`).
    """

    kl: float
    passes: int
    fresh_targets = True
    apart = True

    def move(
        self,
        policy: ActorCritic,
        optimizer: FlatAdam,
        losses: Losses,
        batch: Batch,
        beta: float,
        weight: float = 1.0,
    ) -> None:
        """See `ActorStep.move`."""
        sequences = batch.sequences
        if sequences is not None:
            sequences = replace(sequences, second_derivatives=True)
        distribution = policy.distribution(batch.inputs, batch.forbidden, sequences)
        old = distribution.detach()
        loss = losses.policy(distribution.log_prob(batch.actions), batch.log_prob, batch.advantage)
        loss = loss - beta * distribution.entropy().mean()
        divergence = distribution.divergence_from(old).mean()

        def mean(values: Tensor) -> Tensor:
            return weighted_mean(optimizer.collective, values, weight)

        step = natural_step(loss, divergence, policy.parameter_groups()[0], self.kl, mean)

        @torch.no_grad()
        def distance() -> Tensor:
            now = policy.distribution(batch.inputs, batch.forbidden, batch.sequences)
            return mean(now.divergence_from(old).mean())

        move_within(optimizer.flat[0].detach(), step, distance, TOLERANCE * self.kl)
