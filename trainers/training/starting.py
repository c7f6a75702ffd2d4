"""Starting from the weights of another run (ML-Agents option `--initialize-from`)."""

from pathlib import Path
from typing import Any

import torch

from gym_adapters.errors import UserError
from trainers.algorithms.learner import Learner
from trainers.networks.actor_critic import ActorCritic
from trainers.records.checkpoint import damage_named, load_state
from trainers.records.mlagents_checkpoint import policy_of
from trainers.records.saved_network import first_difference
from trainers.training.loadable import require_loadable, require_same_task, signals_of

STARTING = ("observation_moments", "reward_signals")
"""What is taken of a checkpoint besides the policy."""


def start_from(learner: Learner, path: Path) -> list[str]:
    """Give a learner the weights of a checkpoint of another run, which may be one of `mlagents-learn`.

    Returns:
        Messages for the user.

    Raises:
        UserError: the file is damaged, or its network is another one.
    """
    state = load_state(path, theirs=True)
    with damage_named(path):
        if "behavior" not in state:
            state = _translated(learner, state)
        notes = _take_values_by_name(learner, state)
        before = state.get("trainer_type", learner.kind)  # those of mlagents-learn have none
        own = learner.state_dict()
        if before != learner.kind and (difference := first_difference(state["Policy"], own["Policy"])):
            raise UserError(
                f"{path}: written by {before}, whose network is another one than that of {learner.kind} "
                f"({difference}); use trainer_type {before}, or another run for --initialize-from"
            )
        notes += require_same_task(learner, path, state)
        require_loadable(state, {key: own[key] for key in STARTING})
        learner.load_state_dict(state, only_weights=True)
    return notes


def _take_values_by_name(learner: Learner, state: dict[str, Any]) -> list[str]:
    """Give a checkpoint the values of the learner's reward signals, in their order.

    Those of a signal that both have stay, those of a signal that is new begin anew, and the others are left out. So a
    run may go on without `gail`, or with `curiosity`. What does not fit is left as it is.

    Args:
        learner: the learner.
        state: the content of a checkpoint; its `Policy` is changed.

    Returns:
        Messages for the user.
    """
    saved, before = state["Policy"], signals_of(state)
    now = [signal.name for signal in learner.signals]
    dimensions = learner.policy.value_dimensions()
    if not before or before == now or not dimensions or not isinstance(saved, dict):
        return []
    own, chosen = learner.policy.state_dict(), {}
    for name, dimension in dimensions.items():
        found = saved.get(name)
        if not isinstance(found, torch.Tensor) or found.dtype != own[name].dtype:
            return []
        if found.dim() != own[name].dim() or found.shape[dimension] % len(before):
            return []
        known = dict(zip(before, found.tensor_split(len(before), dimension), strict=True))
        parts = zip(now, own[name].tensor_split(len(now), dimension), strict=True)
        pieces = [known.get(signal, fresh).to(fresh) for signal, fresh in parts]
        if any(piece.shape != pieces[0].shape for piece in pieces):
            return []
        chosen[name] = torch.cat(pieces, dimension)
    saved.update(chosen)
    new = [name for name in now if name not in before]
    return [f"values of the reward signals {', '.join(new)} begin anew"] if new else []


def _translated(learner: Learner, state: dict[str, Any]) -> dict[str, Any]:
    """Return a checkpoint of `mlagents-learn` as one of this trainer, as far as `start_from` looks at it.

    Raises:
        UserError: the file or the learner has a network that the other trainer does not have.
    """
    if type(learner.policy) is not ActorCritic or learner.policy.critic is learner.policy.actor:
        raise UserError(
            f"written by mlagents-learn; a run with trainer_type {learner.kind} cannot start from it, only one with "
            "ppo or a2c and without shared_critic"
        )
    weights, moments = policy_of(
        state, learner.policy.state_dict(), [signal.name for signal in learner.signals]
    )
    if (moments is None) != (learner.policy.normalizer is None):
        raise UserError(
            f"trained with network_settings.normalize {str(moments is not None).lower()}; set it alike"
        )
    behavior = learner.description()
    network = {**behavior["network_settings"], "activation": "swish"}  # theirs is always that
    return {
        "Policy": weights,
        "behavior": {**behavior, "network_settings": network},
        "observation_moments": moments or learner.observation_moments.state_dict(),
        "reward_signals": {},
    }
