"""PPO with residual blocks behind the hidden layers: each adds to its input what it makes of it.

Source: He et al. 2016, "Identity Mappings in Deep Residual Networks", section 2.
"""

from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

from trainers.algorithms.ppo import PPO
from trainers.networks.actor_critic import ActorCritic
from trainers.networks.layers import ACTIVATIONS, hidden_layer

BLOCKS = 2


class ResidualBody(nn.Module):
    """A body, and blocks behind it that keep the number of features."""

    def __init__(self, body: nn.Module, features: int, network: ActorCritic) -> None:
        super().__init__()
        self.body, self.output_size = body, features
        activation, settings = ACTIVATIONS[network.settings.activation], network.settings
        self.blocks = nn.ModuleList(
            nn.Sequential(activation(), hidden_layer(features, features, settings)) for _ in range(BLOCKS)
        )

    def forward(self, inputs: Sequence[Tensor]) -> Tensor:
        """Return features, (n, output_size), of the prepared inputs."""
        features: Tensor = self.body(inputs)
        for block in self.blocks:
            features = features + block(features)
        return features


class ResidualActorCritic(ActorCritic):
    """An actor and a critic with such bodies."""

    def make_body(self, *sizes: Any, **options: Any) -> Any:
        """Return a new body over all observations."""
        body = super().make_body(*sizes, **options)
        return ResidualBody(body, body.output_size, self)


class ResidualPPO(PPO):
    """PPO that learns this network."""

    network_class = ResidualActorCritic
