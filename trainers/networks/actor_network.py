"""A network that draws actions from a distribution, with or without memory."""

from abc import abstractmethod
from collections.abc import Sequence
from typing import Generic, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from trainers.networks.body import Body
from trainers.networks.distributions import ActionDistribution, branch_log_probs
from trainers.networks.exported import ExportedActions, discrete_actions
from trainers.networks.memory import Memory, Sequences
from trainers.networks.noise import Noise
from trainers.networks.policy_network import ActionSample, PolicyNetwork

DistributionType = TypeVar("DistributionType", bound=ActionDistribution)
"""The class of the action distributions."""


class ActorNetwork(PolicyNetwork, Generic[DistributionType]):
    """A network whose actor gives an action distribution for each observation. See `PolicyNetwork` for the arguments.

    Attributes:
        actor: encoders and hidden layers of the actor.
        actor_memory: the memory after them (ML-Agents key `memory`); None without.
        logits_head: the logits of all branches, from the actor's features; None without branches.
    """

    takes_memory = True
    actor: Body
    actor_memory: Memory | None
    logits_head: nn.Module | None

    @abstractmethod
    def distribution_of(self, features: Tensor, forbidden: Tensor | None) -> DistributionType:
        """Return the action distribution of the actor's features; see `distribution`."""

    @abstractmethod
    def bounded(self, samples: Tensor) -> Tensor:
        """Return samples of the Gaussian as the continuous actions that the environment takes, in [-1, 1]."""

    def distribution(
        self, inputs: Sequence[Tensor], forbidden: Tensor | None, sequences: Sequences | None = None
    ) -> DistributionType:
        """Return the action distribution of prepared inputs.

        Args:
            inputs: what `prepare` returned.
            forbidden: (n, sum of branch sizes) bool, True where an action is forbidden; None if none is.
            sequences: for a network with memory, the sequences that the rows form; None if each row begins an episode.
        """
        return self.distribution_of(self.recalled(self.actor(inputs), sequences), forbidden)

    def recalled(self, features: Tensor, sequences: Sequences | None) -> Tensor:
        """Return the actor's features of rows, after its memory if it has one; see `distribution`."""
        if self.actor_memory is None:
            return features
        if sequences is None:
            return self.actor_memory.from_nothing(features)
        return self.actor_memory.over(features, sequences.memory, sequences)

    def recall(
        self, inputs: Sequence[Tensor], forbidden: Tensor | None, memory: Tensor | None
    ) -> tuple[DistributionType, Tensor | None]:
        """Return the action distribution of n agents, and what they then remember.

        Args:
            inputs: what `prepare` returned.
            forbidden: see `distribution`.
            memory: (n, memory_size), what they remember; None for a network without memory.
        """
        if memory is None:
            return self.distribution(inputs, forbidden), None
        assert self.actor_memory is not None
        features, after = self.actor_memory(self.actor(inputs), memory)
        return self.distribution_of(features, forbidden), after

    def branches_of(self, features: Tensor, forbidden: Tensor | None) -> tuple[Tensor, ...]:
        """Return the log-probabilities of each branch's actions, (n, size) each, from the actor's features."""
        if self.logits_head is None:
            return ()
        return branch_log_probs(self.logits_head(features), self.action_spec.discrete_branches, forbidden)

    @torch.inference_mode()
    def choose(
        self,
        observations: Sequence[np.ndarray],
        forbidden: np.ndarray | None,
        deterministic: bool,
        generator: torch.Generator | None,
        memory: np.ndarray | None = None,
        noise: Noise | None = None,
    ) -> ActionSample:
        """See `PolicyNetwork.choose`."""
        inputs, mask, before = self.upload(observations), self.upload_mask(forbidden), None
        if self.memory_size:
            if memory is None:
                memory = np.zeros((len(observations[0]), self.memory_size), np.float32)
            before = torch.from_numpy(memory).to(self.device)
        distribution, after = self.recall(inputs, mask, before)
        drawn = None
        if deterministic:
            actions = distribution.mode()
        elif noise is None:
            actions = distribution.sample(generator)
        else:
            fresh = torch.empty(noise.before.shape, device=self.device).normal_(generator=generator)
            drawn = noise.after(fresh.cpu().numpy())
            actions = distribution.sample(generator, torch.from_numpy(drawn).to(self.device))
        log_prob = distribution.log_prob(actions) if self.gives_log_prob else actions.continuous[:, :0]
        return ActionSample(
            actions.continuous.cpu().numpy(),
            actions.discrete.cpu().numpy(),
            log_prob.cpu().numpy(),
            None if after is None else after.cpu().numpy(),
            drawn,
        )

    def trial_sequences(self, rows: int) -> Sequences | None:
        """Return sequences for `trial_loss`; None for a network without memory."""
        settings = self.settings.memory
        if settings is None:
            return None
        nothing = torch.zeros(settings.memory_size, device=self.device)
        return Sequences.new(rows, settings.sequence_length, nothing, self.critic_memories)

    def exported_actions(
        self, inputs: Sequence[Tensor], forbidden: Tensor | None, memory: Tensor | None = None
    ) -> ExportedActions:
        """See `PolicyNetwork.exported_actions`."""
        distribution, after = self.recall(inputs, forbidden, memory)
        continuous = None
        if self.action_spec.continuous_size:
            mean = distribution.mean
            sample = mean + torch.randn_like(mean) * distribution.log_std.exp()
            continuous = (self.bounded(sample), self.bounded(mean))
        return ExportedActions(continuous, discrete_actions(distribution.log_probs), after)
