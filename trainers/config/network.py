"""The ``network_settings`` block: the body of the policy and value networks."""

from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from trainers.config import plugins
from trainers.config.base import (
    Flag,
    Layers,
    Real,
    Rows,
    Settings,
    Units,
    extension,
    number,
    one_of,
    problem,
    show,
)


class MemorySettings(Settings):
    """The ``memory`` block: a recurrent (LSTM) layer."""

    sequence_length: Rows = Field(
        default=64, description="Steps in a training sequence, at most batch_size. Typical: 4-128."
    )
    memory_size: Units = Field(
        default=128,
        description="Floats in the memory of an agent: the hidden and the cell state. An even number. "
        "Typical: 32-256.",
    )

    @field_validator("memory_size", mode="after")
    @classmethod
    def _even(cls, size: int) -> int:
        if size % 2:
            raise problem(f"expected an even number, got {size}")
        return size


ENCODERS = ("simple", "nature_cnn", "resnet", "match3", "fully_connected")


class NetworkSettings(Settings):
    """The architecture of the networks, and how the policy samples actions."""

    normalize: Flag = Field(
        default=False,
        description="Whether vector observations are normalised by their running mean and variance.",
    )
    hidden_units: Units = Field(default=128, description="Units in each hidden layer. Typical: 32-512.")
    num_layers: Layers = Field(
        default=2, description="Hidden layers after the observation encoders. Typical: 1-3."
    )
    vis_encode_type: str = Field(
        default="simple",
        description="Encoder of image observations. Smallest image side in pixels: simple 20, nature_cnn 36, "
        "resnet 15, match3 5, fully_connected 1.",
    )
    goal_conditioning_type: Literal["hyper", "none"] = Field(
        default="hyper",
        description="How networks use observations of type Goal Signal, which are inputs in any case: hyper (they also "
        "make the weights of the last hidden layer) or none. Without such an observation, the key has no effect.",
    )
    deterministic: Flag = Field(
        default=False, description="Whether the policy takes its most likely action instead of sampling."
    )
    memory: MemorySettings | None = Field(default=None, description="Recurrent memory. null: none.")
    activation: Literal["swish", "tanh", "relu", "elu"] = extension(
        "swish", description="Activation function of the hidden layers; ML-Agents' own is swish."
    )
    orthogonal_init: Flag = extension(
        False,
        description="Whether weights are initialised orthogonally instead of as in ML-Agents (Kaiming). Attention "
        "layers and the residual blocks of resnet keep PyTorch's own in any case.",
    )
    he_init: Flag = extension(
        False,
        description="Whether weights that are not orthogonal start sqrt(2) larger than in ML-Agents, as He et al. "
        "propose for ReLU. Image encoders always do.",
    )
    initial_log_std: Real = extension(
        0.0,
        description="Natural logarithm of the continuous actions' standard deviation at the start. Not for sac, "
        "dqn and pqn.",
    )
    final_log_std: Real | None = extension(
        None,
        description="Natural logarithm of that standard deviation at max_steps. It then changes linearly instead of "
        "being learned. null: it is learned. Not for sac, dqn and pqn.",
    )
    layer_norm: Flag = extension(
        False,
        description="Whether layer normalisation follows each hidden layer, except those of the critic of poca and "
        "mappo and of dueling_units.",
    )
    critic_hidden_units: Units | None = extension(
        None,
        description="Units in each hidden layer of the critic. null: hidden_units. It has no effect with shared_critic "
        "and for dqn and pqn.",
    )
    conv_channels: tuple[Units, ...] | None = extension(
        None,
        description="Channels of each convolution of vis_encode_type simple (2 numbers) or nature_cnn (3 numbers). "
        "null: 16 and 32 for simple; 32, 64 and 64 for nature_cnn.",
    )
    dropout: Annotated[float, *number("a number", ge=0, le=0.9)] = extension(
        0.0, description="Probability that an update drops a hidden unit. Only for dqn."
    )

    @property
    def critic_units(self) -> int:
        """Units in each hidden layer of the critic."""
        return self.critic_hidden_units or self.hidden_units

    @field_validator("vis_encode_type", mode="after")
    @classmethod
    def _known_encoder(cls, name: str) -> str:
        if name not in encoder_names():
            raise problem(f"expected {one_of(map(repr, encoder_names()))}, got {show(name)}")
        return name

    @model_validator(mode="after")
    def _as_many_channels_as_convolutions(self) -> Self:
        wanted = {"simple": 2, "nature_cnn": 3}.get(self.vis_encode_type)
        if self.conv_channels is None or len(self.conv_channels) == wanted:
            return self
        if wanted is None:
            raise problem("conv_channels works with vis_encode_type simple and nature_cnn")
        raise problem(
            f"conv_channels: vis_encode_type {self.vis_encode_type} takes {wanted} numbers, "
            f"got {len(self.conv_channels)}"
        )


def encoder_names() -> list[str]:
    """Return what ``vis_encode_type`` may be."""
    return [*ENCODERS, *plugins.names(plugins.ENCODER, ENCODERS)]
