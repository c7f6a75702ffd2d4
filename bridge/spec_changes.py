"""Refuses behaviors whose sensors or actions change."""

from mlagents_envs.base_env import ActionSpec, BehaviorSpec, ObservationSpec

from bridge.declarations import plain_name
from gym_adapters.errors import UserError
from gym_adapters.text import one_line

ALIKE = (
    "all agents of a behavior, in every player, must have the same sensors and actions for the whole run: make them "
    "alike, or give them different Behavior Names"
)
"""What a behavior must keep to, and what to do if it does not."""


def require_same(name: str, before: BehaviorSpec, now: BehaviorSpec) -> None:
    """Refuse a behavior whose spec differs from its earlier one, in the same player or in another.

    Raises:
        UserError: The specs differ. The message names the first difference, before and now.
    """
    if before != now:
        raise UserError(f"behavior {plain_name(name)}: {_difference(before, now)}; {ALIKE}")


def _difference(before: BehaviorSpec, now: BehaviorSpec) -> str:
    old, new = before.observation_specs, now.observation_specs
    if len(old) != len(new):
        return f"{len(new)} observations now, {len(old)} before"
    for index, (was, is_now) in enumerate(zip(old, new, strict=True)):
        if was != is_now:
            return f"observation {index} is {_observation(is_now)} now, {_observation(was)} before"
    return f"actions are {_actions(now.action_spec)} now, {_actions(before.action_spec)} before"


def _observation(spec: ObservationSpec) -> str:
    dimensions = ", ".join(value.name or str(value) for value in spec.dimension_property)
    return f"{one_line(spec.name, 100)} of shape {tuple(spec.shape)} ({dimensions}; {spec.observation_type.name})"


def _actions(spec: ActionSpec) -> str:
    return f"{spec.continuous_size} continuous and discrete {tuple(spec.discrete_branches)}"
