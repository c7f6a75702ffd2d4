"""Conversion of a `BehaviorSpec` to plain types, which a checkpoint can hold, and back."""

from typing import Any

from mlagents_envs.base_env import (
    ActionSpec,
    BehaviorSpec,
    DimensionProperty,
    ObservationSpec,
    ObservationType,
)

from gym_adapters.errors import UserError
from gym_adapters.sizes import check_actions, check_observations


def describe_spec(spec: BehaviorSpec) -> dict[str, Any]:
    """Return a spec as numbers, strings and lists. `spec_from` is the inverse."""
    return {
        "observations": [
            {
                "name": observation.name,
                "shape": list(observation.shape),
                "dimension_property": [int(value) for value in observation.dimension_property],
                "observation_type": observation.observation_type.value,
            }
            for observation in spec.observation_specs
        ],
        "continuous_size": spec.action_spec.continuous_size,
        "discrete_branches": list(spec.action_spec.discrete_branches),
    }


def spec_from(description: dict[str, Any]) -> BehaviorSpec:
    """Return the spec that `describe_spec` described.

    Raises:
        UserError: a size is out of range.
    """
    owner = f"behavior {description['name']}"
    check_observations(owner, [observation["shape"] for observation in description["observations"]], least=0)
    check_actions(owner, description["continuous_size"], description["discrete_branches"])
    observations = [
        ObservationSpec(
            tuple(observation["shape"]),
            tuple(DimensionProperty(value) for value in observation["dimension_property"]),
            ObservationType(observation["observation_type"]),
            observation["name"],
        )
        for observation in description["observations"]
    ]
    actions = ActionSpec(description["continuous_size"], tuple(description["discrete_branches"]))
    return BehaviorSpec(observations, actions)


def actions_in_words(spec: ActionSpec) -> str:
    """Return actions as `2 continuous + 3 × 2 discrete actions`."""
    parts = []
    if spec.continuous_size:
        parts.append(f"{spec.continuous_size} continuous")
    if spec.discrete_branches:
        parts.append(f"{' × '.join(map(str, spec.discrete_branches))} discrete")
    count = spec.continuous_size + sum(spec.discrete_branches)
    return f"{' + '.join(parts) or 'no'} action{'s' * (count != 1)}"


def require_same_actions(owner: str, before: ActionSpec, now: ActionSpec, place: str) -> None:
    """Require that a policy's actions are those of where it is to act. As many weights may choose among other ones.

    Args:
        owner: the policy, for the message.
        before: its actions.
        now: those there.
        place: what has these.

    Raises:
        UserError: they are others.
    """
    kinds = [(spec.continuous_size, tuple(spec.discrete_branches)) for spec in (before, now)]
    if kinds[0] != kinds[1]:
        raise UserError(
            f"{owner}: made for {actions_in_words(before)}, {place} has {actions_in_words(now)}; "
            "use the environment that it was trained in"
        )
