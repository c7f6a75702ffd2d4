"""The network that a checkpoint describes, and whether its parameters are those of another one."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from mlagents_envs.base_env import BehaviorSpec

from gym_adapters.errors import UserError
from trainers.config import NetworkSettings, catalogue
from trainers.config.network import encoder_names
from trainers.networks.behavior_spec import actions_in_words, spec_from
from trainers.networks.policy_network import PolicyNetwork
from trainers.networks.weights import require_room
from trainers.records.checkpoint import damage_named
from trainers.records.checkpoint_content import require_alike


def build_network(state: dict[str, Any]) -> PolicyNetwork:
    """The network of a checkpoint, with new weights.

    Raises:
        UserError: the checkpoint's `trainer_type` or `vis_encode_type` is not installed, or the network is too large.
    """
    algorithm = catalogue.algorithm(state["trainer_type"])
    if algorithm is None:
        raise UserError(
            f"trainer_type {state['trainer_type']} is not known; install the package that adds it"
        )
    encoder = state["behavior"]["network_settings"]["vis_encode_type"]
    if encoder not in encoder_names():
        raise UserError(f"vis_encode_type {encoder} is not known; install the package that adds it")
    network_class: type[PolicyNetwork] = algorithm.load().network_class
    spec = spec_from(state["behavior"])
    settings = NetworkSettings.model_validate(state["behavior"]["network_settings"])
    name = f"behavior {state['behavior']['name']}"
    require_room(name, spec, settings, lambda: network_class.build(spec, state["behavior"]), copies=1)
    return network_class.build(spec, state["behavior"])


def check_fits(path: Path, state: dict[str, Any], policy: PolicyNetwork) -> None:
    """Check that the parameters of a checkpoint are those of a network, and finite.

    Raises:
        UserError: a parameter differs, or the activation, or the range of a critic's bins, or the checkpoint has two
            bodies and the network one for actor and critic. The line names the first one, with both shapes or with what
            is wrong.
    """
    if difference := first_difference(state["Policy"], policy.state_dict()):
        raise UserError(
            f"{path}: a checkpoint of another network: {_causes(state['behavior'], policy) or difference}; "
            "use the network_settings, reward_signals and environment it was trained with"
        )
    with damage_named(path):
        require_alike(state["Policy"], policy.state_dict(), "Policy")
        if policy.normalizer is not None and not (state["Policy"]["normalizer.std"] > 0).all():
            raise ValueError("Policy.normalizer.std: expected deviations above 0")
    default = NetworkSettings.model_fields["activation"].default  # of a checkpoint older than the key
    before = state["behavior"]["network_settings"].get("activation", default)
    now = policy.description()["network_settings"].get("activation", default)
    if before != now:  # the shapes fit, but with another activation the weights are another policy
        raise UserError(f"{path}: trained with network_settings.activation {before}; this run has {now}")
    if policy.description().get("shared_critic") and not state["behavior"].get("shared_critic"):
        # the shapes fit, but the critic's weights would take the place of the actor's
        raise UserError(f"{path}: trained with hyperparameters.shared_critic false; this run has true")
    ranges = [one.get("critic_range") for one in (state["behavior"], policy.description())]
    if ranges[0] != ranges[1]:  # the bins are as many, but they stand for other values
        raise UserError(
            f"{path}: trained with hyperparameters.critic_range {ranges[0]}; this run has {ranges[1]}"
        )


_SHAPING = (
    "normalize",
    "hidden_units",
    "num_layers",
    "vis_encode_type",
    "goal_conditioning_type",
    "layer_norm",
    "critic_hidden_units",
    "conv_channels",
)
"""Keys of `network_settings` that decide which parameters a network has; `memory` is another."""


def _causes(behavior: dict[str, Any], policy: PolicyNetwork) -> str:
    """Return in words how the task or the settings of a checkpoint differ from those of a network; empty if alike."""
    spec, settings = spec_from(behavior), NetworkSettings.model_validate(behavior["network_settings"])
    there, here = _traits(spec, settings), _traits(policy.spec, policy.settings)
    return ", ".join(
        f"{trait} {there[trait]} there and {here[trait]} in this run"
        for trait in there
        if there[trait] != here[trait]
    )


def _traits(spec: BehaviorSpec, settings: NetworkSettings) -> dict[str, str]:
    """Return what decides which parameters a network has, each as text by what it is called."""
    shapes = " and ".join(str(tuple(one.shape)) for one in spec.observation_specs)
    memory = None if settings.memory is None else settings.memory.memory_size
    values = {**{key: getattr(settings, key) for key in _SHAPING}, "memory.memory_size": memory}
    texts = {f"network_settings.{key} is": str(value).lower() for key, value in values.items()}
    return {"observations are": shapes, "actions are": actions_in_words(spec.action_spec), **texts}


def first_difference(found: Mapping[str, torch.Tensor], expected: Mapping[str, torch.Tensor]) -> str:
    """Return the first parameter by name that only one of two networks has, or whose shapes differ.

    Args:
        found: the parameters of a checkpoint.
        expected: those of this run.

    Returns:
        The parameter with both shapes, or an empty text if there is none.
    """
    saved, own = ({name: tuple(one.shape) for name, one in part.items()} for part in (found, expected))
    for name in sorted(saved.keys() | own.keys()):
        if saved.get(name) != own.get(name):
            has = own.get(name, "no such parameter")
            return f"{name} is {saved.get(name, 'missing')}, this run has {has}"
    return ""
