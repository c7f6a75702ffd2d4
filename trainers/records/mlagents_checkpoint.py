"""Reads the policy, critic and normaliser of a PPO checkpoint of `mlagents-learn`, to start training from them.

Source: mlagents 1.1.0, trainers/torch_entities (networks, layers, encoders, action_model), whose names these are.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from gym_adapters.errors import UserError

ACTOR, CRITIC = "Policy", "Optimizer:critic"
NORMALIZER = re.compile(r"network_body\.processors\.(\d+)\.normalizer\.(\w+)")
HEADS = {
    "action_model._continuous_distribution.mu.": "mean_head.",
    "action_model._continuous_distribution.log_sigma": "log_std",
}
BODY = {"network_body._body_endoder.seq_layers.": ".layers.", "network_body.lstm.": "_memory."}
BRANCH = re.compile(r"action_model\._discrete_distribution\.branches\.(\d+)\.(weight|bias)")
VALUE = re.compile(r"value_heads\.value_heads\.(\w+)\.(weight|bias)")
IGNORED = re.compile(r"version_number|\w+_deprecated|\w+_size_vector|network_body\.observation_encoder\..*")
"""Constants of the exported model, and a second name of every encoder's tensors."""


def policy_of(
    state: Mapping[str, Any], own: Mapping[str, Tensor], signals: Sequence[str]
) -> tuple[dict[str, Tensor], dict[str, Any] | None]:
    """Return the weights of a checkpoint under the names of this trainer, and the moments of its observations.

    Args:
        state: the content of the file.
        own: the weights of an `ActorCritic`, whose values stay where the file has none: without a critic, and for
            signals that it did not have.
        signals: names of the reward signals, in the order of the critic's outputs.

    Returns:
        The weights, and the state of `ObservationMoments`; None if the observations were not normalised.

    Raises:
        UserError: the file has images, lists of entities, goals or another algorithm, or is not a checkpoint.
    """
    weights, values = dict(own), {name: own[f"value_head.{name}"].clone() for name in ("weight", "bias")}
    branches: dict[str, dict[int, Tensor]] = {"weight": {}, "bias": {}}
    normalizers: dict[int, dict[str, Tensor]] = {}
    for part, body in ((ACTOR, "actor"), (CRITIC, "critic")):
        for name, tensor in _tensors(state.get(part, {}), part).items():
            if found := NORMALIZER.fullmatch(name):
                normalizers.setdefault(int(found[1]), {})[found[2]] = tensor
            elif found := BRANCH.fullmatch(name):
                branches[found[2]][int(found[1])] = tensor
            elif found := VALUE.fullmatch(name):
                if found[1] in signals and tensor.shape[1:] == values[found[2]].shape[1:]:
                    values[found[2]][signals.index(found[1])] = tensor[0]
            elif not IGNORED.fullmatch(name):
                weights[_renamed(name, body)] = tensor.reshape(-1) if name.endswith("log_sigma") else tensor
    for name, parts in branches.items():
        if parts:
            weights[f"logits_head.{name}"] = torch.cat([parts[index] for index in sorted(parts)])
    weights |= {f"value_head.{name}": tensor for name, tensor in values.items()}
    if not normalizers:
        return weights, None
    steps = float(normalizers[min(normalizers)]["normalization_steps"])
    mean, total = (
        torch.cat([normalizers[index][name] for index in sorted(normalizers)]).double()
        for name in ("running_mean", "running_variance")
    )
    weights |= {"normalizer.mean": mean.float(), "normalizer.std": (total / steps).sqrt().float()}
    return weights, {"mean": mean, "variance": total / steps, "count": steps}


def require_translatable(state: Mapping[str, Any]) -> None:
    """Require that there is a place for every tensor of a checkpoint.

    Raises:
        UserError: there is none for one of them.
    """
    for part in (ACTOR, CRITIC):
        for name in _tensors(state.get(part, {}), part):
            if not any(known.fullmatch(name) for known in (NORMALIZER, BRANCH, VALUE, IGNORED)):
                _renamed(name, "actor")


def _renamed(name: str, body: str) -> str:
    """Return this trainer's name of a tensor.

    Raises:
        UserError: there is none.
    """
    for start, new in HEADS.items():
        if name.startswith(start) and (new.endswith(".") or name == start):
            return new + name.removeprefix(start)
    for start, new in BODY.items():
        if name.startswith(start):
            return body + new + name.removeprefix(start)
    raise UserError(
        f"written by mlagents-learn with {name}, for which there is no place here: --initialize-from takes its "
        "checkpoints of PPO with observations that are vectors, without shared_critic and goals; train anew"
    )


def _tensors(part: Any, name: str) -> dict[str, Tensor]:
    """Return a part of a checkpoint.

    Raises:
        ValueError: it does not consist of tensors.
    """
    if not isinstance(part, Mapping) or not all(isinstance(value, Tensor) for value in part.values()):
        raise ValueError(f"{name}: expected tensors")
    return {str(key): value.detach() for key, value in part.items()}
