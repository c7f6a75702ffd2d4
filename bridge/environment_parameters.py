"""Sends the `environment_parameters` block of the training file to a player."""

from collections.abc import Iterable, Mapping

import numpy as np

from bridge.channels import EnvironmentParametersChannel
from gym_adapters.errors import UserError
from trainers.config.environment_parameters import (
    ConstantSampler,
    GaussianSampler,
    MultiRangeUniformSampler,
    Sampler,
    UniformSampler,
)


def check_names(names: Iterable[str]) -> None:
    """Refuse names that cannot be sent.

    Raises:
        UserError: A parameter's name is not ASCII.
    """
    for name in names:
        if not name.isascii():
            raise UserError(f"environment_parameters.{name}: Unity reads ASCII names only; rename it")


def send_parameters(
    channel: EnvironmentParametersChannel, values: Mapping[str, Sampler], player_seed: int
) -> None:
    """Queue values for a player.

    Args:
        channel: The player's channel.
        values: Samplers by parameter name.
        player_seed: The player's seed, from which the seeds of samplers without one are derived.

    Raises:
        UserError: A name cannot be sent.
    """
    check_names(values)
    for name, sampler in values.items():
        _send(channel, name, sampler, player_seed)


def sampler_seed(player_seed: int, name: str, sampler: Sampler) -> int:
    """Return the sampler's seed. If it is -1, derive one from the player's seed, the parameter and the distribution."""
    given = sampler.sampler_parameters.seed
    if given != -1:
        return given
    entropy = [player_seed % 2**32, *f"{name}: {sampler.model_dump_json()}".encode()]
    # Unity reads a signed 32-bit number.
    return int(np.random.SeedSequence(entropy).generate_state(1)[0] >> 1)


def _send(channel: EnvironmentParametersChannel, name: str, sampler: Sampler, player_seed: int) -> None:
    seed = sampler_seed(player_seed, name, sampler)
    match sampler:
        case ConstantSampler(sampler_parameters=values):
            channel.set_float_parameter(name, values.value)
        case UniformSampler(sampler_parameters=values):
            channel.set_uniform_sampler_parameters(name, values.min_value, values.max_value, seed)
        case GaussianSampler(sampler_parameters=values):
            channel.set_gaussian_sampler_parameters(name, values.mean, values.st_dev, seed)
        case MultiRangeUniformSampler(sampler_parameters=values):
            channel.set_multirangeuniform_sampler_parameters(name, list(values.intervals), seed)
