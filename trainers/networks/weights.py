"""The memory that a network's weights take, found out without making them."""

import math
from collections.abc import Callable
from contextlib import suppress

import torch
from mlagents_envs.base_env import BehaviorSpec, ObservationType
from torch import nn

from gym_adapters.limits import SMALL_NETWORK_BYTES
from gym_adapters.sizes import require_memory
from trainers.config import NetworkSettings


def require_room(
    owner: str, spec: BehaviorSpec, settings: NetworkSettings, make: Callable[[], nn.Module], copies: int
) -> None:
    """Require that this machine could hold a network.

    Args:
        owner: whose network it is, for the message.
        spec: observations and actions of the behavior.
        settings: ML-Agents' `network_settings`.
        make: makes the network.
        copies: how often its weights are held; in training four times, with the gradient and two moments of Adam.

    Raises:
        UserError: the weights are larger than the machine's memory.
    """
    if 4 * copies * _estimate(spec, settings) < SMALL_NETWORK_BYTES:
        return  # torch takes seconds to import what `weight_bytes` needs
    require_memory(
        copies * weight_bytes(make),
        f"{owner}: its network",
        "use fewer hidden_units and num_layers, or smaller observations",
    )


def weight_bytes(make: Callable[[], nn.Module]) -> int:
    """Return the bytes of a network's weights; 0 if it cannot be made on torch's device `meta`, which has no memory."""
    with suppress(Exception), torch.device("meta"):  # a network that is refused is refused when it is made
        return sum(weight.numel() * weight.element_size() for weight in make().parameters())
    return 0


def _estimate(spec: BehaviorSpec, settings: NetworkSettings) -> int:
    """Return roughly how many weights a network has; rather too many than too few."""
    widest = max(settings.hidden_units, settings.critic_units, *(settings.conv_channels or ()))
    remembered = settings.memory.memory_size if settings.memory else 0
    inputs = sum(math.prod(observation.shape) for observation in spec.observation_specs)
    outputs = spec.action_spec.continuous_size + sum(spec.action_spec.discrete_branches)
    hidden = widest * (inputs + widest * settings.num_layers + outputs) + 2 * remembered * (
        widest + remembered
    )
    if all(seen.observation_type != ObservationType.GOAL_SIGNAL for seen in spec.observation_specs):
        return hidden
    return hidden + widest * widest * (widest if settings.num_layers > 1 else inputs)  # `HyperLayer`
