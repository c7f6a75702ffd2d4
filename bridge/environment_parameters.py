"""The `environment_parameters` block of the training file, sent to a player."""

from collections.abc import Mapping

from bridge.channels import EnvironmentParametersChannel
from gym_adapters.errors import UserError
from trainers.config import EnvironmentParameter
from trainers.config.environment_parameters import (
    ConstantSampler,
    GaussianSampler,
    MultiRangeUniformSampler,
    Sampler,
    UniformSampler,
)


def check_parameters(parameters: Mapping[str, EnvironmentParameter]) -> None:
    """Refuse what cannot be sent.

    Raises:
        UserError: A parameter has several lessons, or its name is not ASCII.
    """
    for name, parameter in parameters.items():
        if len(parameter.curriculum) > 1:
            raise UserError(
                f"environment_parameters.{name}: a curriculum of {len(parameter.curriculum)} lessons is not "
                "supported yet; give one value or sampler"
            )
        if not name.isascii():
            raise UserError(f"environment_parameters.{name}: Unity reads ASCII names only; rename it")


def send_parameters(
    channel: EnvironmentParametersChannel, parameters: Mapping[str, EnvironmentParameter], seed: int
) -> None:
    """Queue the first lesson of every parameter.

    Args:
        channel: The player's.
        parameters: From the training file.
        seed: Of samplers that have none; each parameter gets one of its own.
    """
    for index, (name, parameter) in enumerate(parameters.items()):
        _send(channel, name, parameter.curriculum[0].value, seed + index)


def _send(channel: EnvironmentParametersChannel, name: str, sampler: Sampler, default_seed: int) -> None:
    given = sampler.sampler_parameters.seed
    seed = default_seed if given == -1 else given
    match sampler:
        case ConstantSampler(sampler_parameters=values):
            channel.set_float_parameter(name, values.value)
        case UniformSampler(sampler_parameters=values):
            channel.set_uniform_sampler_parameters(name, values.min_value, values.max_value, seed)
        case GaussianSampler(sampler_parameters=values):
            channel.set_gaussian_sampler_parameters(name, values.mean, values.st_dev, seed)
        case MultiRangeUniformSampler(sampler_parameters=values):
            channel.set_multirangeuniform_sampler_parameters(name, list(values.intervals), seed)
