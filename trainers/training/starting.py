"""Starting from the weights of another run (ML-Agents option `--initialize-from`)."""

from typing import Any

import torch
from mlagents_envs.base_env import BehaviorSpec

from gym_adapters.errors import UserError
from gym_adapters.text import one_line
from trainers.algorithms.learner import Learner
from trainers.networks.actor_critic import ActorCritic
from trainers.records.mlagents_checkpoint import policy_of


def take_values_by_name(learner: Learner, state: dict[str, Any]) -> list[str]:
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


def signals_of(state: dict[str, Any]) -> list[str]:
    """Return the reward signals of a checkpoint, in the order of its values; none if they are damaged.

    Earlier versions did not name them apart from their states, and the first ones had extrinsic alone.
    """
    behavior = state["behavior"] if isinstance(state["behavior"], dict) else {}
    names = behavior.get("reward_signals", state.get("reward_signals", ["extrinsic"]))
    if not isinstance(names, dict | list) or not all(isinstance(name, str) for name in names):
        return []
    return list(names)


def changed_observations(before: BehaviorSpec, now: BehaviorSpec) -> list[str]:
    """Return a message for the user if a policy is to read other observations than those that it learned from.

    Vectors are read side by side, so that others of the same total length fit its weights.

    Args:
        before: the behavior that the policy was made for.
        now: that of this run.
    """
    parts = [
        [(one.name, tuple(one.shape), one.observation_type) for one in spec.observation_specs]
        for spec in (before, now)
    ]
    unnamed = [[part[1:] for part in own] for own in parts]
    moved = parts[0] != parts[1] and sorted(map(str, parts[0])) == sorted(map(str, parts[1]))
    if unnamed[0] == unnamed[1] and not moved:
        return []
    shown = [", ".join(f"{one_line(name, 100)} {list(shape)}" for name, shape, _ in own) for own in parts]
    return [
        f"learned from the observations {shown[0]}, this run has {shown[1]}; if they do not mean the same, the policy "
        "begins with wrong inputs"
    ]


def translated(learner: Learner, state: dict[str, Any]) -> dict[str, Any]:
    """Return a checkpoint of `mlagents-learn` as one of this trainer, as far as `only_weights` looks at it.

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
