"""What a checkpoint must hold so that a learner can take it over."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from mlagents_envs.base_env import BehaviorSpec

from gym_adapters.errors import UserError
from gym_adapters.text import one_line
from trainers.algorithms.learner import CLONING, Learner
from trainers.networks.behavior_spec import require_same_actions, spec_from
from trainers.records.checkpoint_content import require_alike
from trainers.records.saved_network import check_fits, first_difference

LATER = ("reward_signals", "lesson_returns", "updates", "row_generator", CLONING)
"""What checkpoints of earlier versions lack, and those of runs that did not imitate or had another device."""


def require_loadable(state: dict[str, Any], own: Mapping[str, Any]) -> None:
    """Require that a checkpoint's values have the kinds and shapes of a learner's.

    The optimisers and the moments check their own.

    Args:
        state: the content of a checkpoint.
        own: what the learner's `state_dict` has under the keys that it takes over, among them `reward_signals`.

    Raises:
        ValueError: a value differs; the message names it.
        UserError: a reward signal's network is another one.
    """
    known = state.get("reward_signals", {})
    require_alike(known, {}, "reward_signals")
    signals = {
        name: {key: value for key, value in signal.items() if key != "optimizer"}
        for name, signal in own["reward_signals"].items()
        if name in known
    }
    for name, signal in signals.items():
        if "network" in signal:
            _require_same_network(name, known[name], signal["network"])
    for key, value in {**own, "reward_signals": signals}.items():
        if key in state or key not in LATER:
            require_alike(state.get(key), value, key)


def _require_same_network(name: str, found: Any, expected: Mapping[str, torch.Tensor]) -> None:
    """Require that the saved network of a reward signal has the parameters of the signal's, if it is one at all.

    Raises:
        UserError: a parameter is missing, too many, or has another shape.
    """
    network = found.get("network") if isinstance(found, dict) else None
    if not isinstance(network, dict) or not all(isinstance(one, torch.Tensor) for one in network.values()):
        return  # damaged, which `require_alike` reports
    difference = first_difference(network, expected)
    if difference:
        raise UserError(
            f"reward_signals.{name}.network is another one: {difference}; use the block reward_signals.{name} and "
            "the environment it was trained with"
        )


def signals_of(state: dict[str, Any]) -> list[str]:
    """Return the reward signals of a checkpoint, in the order of its values; none if they are damaged.

    Earlier versions did not name them apart from their states, and the first ones had extrinsic alone.
    """
    behavior = state["behavior"] if isinstance(state["behavior"], dict) else {}
    names = behavior.get("reward_signals", state.get("reward_signals", ["extrinsic"]))
    if not isinstance(names, dict | list) or not all(isinstance(name, str) for name in names):
        return []
    return list(names)


def require_same_task(learner: Learner, path: Path, state: dict[str, Any]) -> list[str]:
    """Require that a checkpoint's network and actions are those of a learner.

    Args:
        learner: the learner.
        path: the checkpoint's file, for messages.
        state: its content.

    Returns:
        Messages for the user.

    Raises:
        UserError: they are others.
    """
    check_fits(path, state, learner.policy)
    before, now = spec_from(state["behavior"]), learner.spec
    require_same_actions(str(path), before.action_spec, now.action_spec, "this run")
    return _changed_observations(before, now)


def _changed_observations(before: BehaviorSpec, now: BehaviorSpec) -> list[str]:
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
