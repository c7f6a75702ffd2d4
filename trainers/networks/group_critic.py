"""The networks of POCA and MAPPO: an actor that sees its own observations, and a critic that sees the whole group."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from gym_adapters.errors import UserError
from trainers.config import NetworkSettings
from trainers.networks.actor_critic import ActorCritic
from trainers.networks.body import Body
from trainers.networks.entities import HEADS, SelfAttention
from trainers.networks.layers import ACTIVATIONS, hidden_layer
from trainers.networks.memory import Sequences


@dataclass(frozen=True)
class Mates:
    """The groupmates of n agents, at most `most` each.

    Attributes:
        inputs: their prepared inputs, (n · most, ...) each, agent by agent.
        actions: (n, most, size) their actions as numbers: continuous ones, then each branch as a one-hot vector.
        present: (n, most) float, 1 for a groupmate and 0 for what fills the line.
        gone: (n,) float, 1 where the agent itself has left the group.
    """

    inputs: tuple[Tensor, ...]
    actions: Tensor
    present: Tensor
    gone: Tensor


class GroupCritic(nn.Module):
    """Encodes a group of any size as one feature vector, from the point of view of one agent.

    Every member is embedded. The embeddings attend to each other, and hidden layers follow their mean. The size of the
    group is a feature too. The features of a state leave all actions out. Those of a counterfactual state contain the
    groupmates' actions, but not the agent's own.
    Source: Cohen et al. 2021, "On the Use and Misuse of Absorbing States in Multi-agent Reinforcement Learning",
    section 4 (MA-POCA).

    Args:
        encoder: a body without hidden layers.
        action_size: length of an action as numbers.
        settings: ML-Agents' `network_settings`.

    Attributes:
        output_size: length of the features.
        most: the largest group so far, by which the size of a group is scaled.

    Raises:
        UserError: the number of hidden units is no multiple of the number of attention heads.
    """

    most: Tensor

    def __init__(self, encoder: Body, action_size: int, settings: NetworkSettings) -> None:
        super().__init__()
        units = settings.critic_units
        if units % HEADS:
            key = "critic_hidden_units" if settings.critic_hidden_units else "hidden_units"
            raise UserError(
                f"network_settings.{key}: the critic of a group needs a multiple of {HEADS}, got {units}"
            )
        self.encoder = encoder
        self.seen = hidden_layer(encoder.output_size, units, settings)
        self.seen_and_done = hidden_layer(encoder.output_size + action_size, units, settings)
        self.embed = nn.Sequential(ACTIVATIONS[settings.activation](), nn.LayerNorm(units))
        self.attention, self.norm = SelfAttention(units), nn.LayerNorm(units)
        layers: list[nn.Module] = []
        for inputs, outputs in itertools.pairwise([units] * (settings.num_layers + 1)):
            layers += [hidden_layer(inputs, outputs, settings), ACTIVATIONS[settings.activation]()]
        self.layers = nn.Sequential(*layers)
        self.output_size = units + 1
        self.register_buffer("most", torch.ones(()))

    def forward(
        self, inputs: Sequence[Tensor], mates: Mates | None = None, counterfactual: bool = False
    ) -> Tensor:
        """Return the features of the groups of n agents, (n, output_size).

        Args:
            inputs: the agents' own prepared inputs.
            mates: their groupmates; None where no agent has any.
            counterfactual: whether the groupmates' actions count.
        """
        members = self.embed(self.seen(self.encoder(inputs)))[:, None]
        present = members.new_ones(len(members), 1)
        if mates is not None:
            encoded = self.encoder(mates.inputs)
            if counterfactual:
                encoded = self.seen_and_done(torch.cat([encoded, mates.actions.flatten(0, 1)], dim=1))
            else:
                encoded = self.seen(encoded)
            embedded = self.embed(encoded).view(len(members), -1, members.shape[2])
            members = torch.cat([members, embedded], dim=1)
            present = torch.cat([1.0 - mates.gone[:, None], mates.present], dim=1)
        count = present.sum(1, keepdim=True)
        attended = self.norm(members + self.attention(members, present)) * present[:, :, None]
        mean = attended.sum(1) / count.clamp(min=1.0)
        return torch.cat([self.layers(mean), 2.0 * count / self.most - 1.0], dim=1)


class GroupActorCritic(ActorCritic):
    """The actor of PPO with the critic of a group, which share nothing. The arguments are those of `ActorCritic`."""

    critic: GroupCritic

    def make_critic(self) -> GroupCritic:
        """See `ActorCritic.make_critic`."""
        size = self.action_spec.continuous_size + sum(self.action_spec.discrete_branches)
        return GroupCritic(self.make_body(self.settings.critic_units, num_layers=0), size, self.settings)

    @property
    def critic_memories(self) -> int:
        """See `ActorCritic.critic_memories`; one of values, and one of counterfactual values."""
        return 2 * super().critic_memories

    def group_value(
        self,
        inputs: Sequence[Tensor],
        mates: Mates | None,
        counterfactual: bool = False,
        sequences: Sequences | None = None,
    ) -> Tensor:
        """Return the values of groups, (n, streams). See `GroupCritic.forward` and `ActorCritic.forward`."""
        features = self.critic(inputs, mates, counterfactual)
        value: Tensor = self.value_head(self.recalled_by_critic(features, sequences, int(counterfactual)))
        return value

    def trial_loss(self, inputs: Sequence[Tensor]) -> Tensor:
        """See `PolicyNetwork.trial_loss`. Every agent has itself as a groupmate."""
        count, size = len(inputs[0]), self.critic.seen_and_done.in_features - self.critic.encoder.output_size
        ones = inputs[0].new_ones(count, 1, dtype=torch.float32)
        mates = Mates(tuple(inputs), ones[:, :, None].expand(-1, 1, size), ones, 0.0 * ones[:, 0])
        sequences = self.trial_sequences(count)
        value = self.group_value(inputs, mates, sequences=sequences)
        value = value + self.group_value(inputs, mates, counterfactual=True, sequences=sequences)
        return super().trial_loss(inputs) + value.square().mean()
