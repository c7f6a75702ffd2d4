"""Refuses behaviors that cannot be trained, as their player declares them and as their first agent observes."""

import math
from typing import Any

from bridge import wire
from gym_adapters.errors import UserError
from gym_adapters.sizes import check_actions, check_observations
from gym_adapters.text import one_line

LONGEST_NAME = 255
COMPONENT = "the Behavior Parameters component of its agents"
OBSERVATION_TYPES = COMPRESSION_TYPES = (0, 1)
"""Default and goal signal; none and PNG."""


def plain_name(behavior_id: str) -> str:
    """Return a behavior's name as messages to the user show it: without its team, and fit for a terminal."""
    return one_line(behavior_id.split("?", 1)[0], 100)


def require_usable(behavior_id: str, parameters: Any, info: Any) -> None:
    """Refuse a behavior that cannot be trained.

    Args:
        behavior_id: Its name, with its team.
        parameters: Its `BrainParametersProto`.
        info: The `AgentInfoProto` of its first agent.

    Raises:
        UserError: Its name cannot be shown, it has no action or no sensor, or one that this trainer does not know, or a
            size is out of range.
    """
    reason = (
        _odd_name(behavior_id)
        or _odd_actions(parameters)
        or ("" if info.observations else f"its agents have no sensor; in {COMPONENT}, set Vector Observation > "
            "Space Size above 0, or give the agents a sensor component")
    )  # fmt: skip
    owner, actions = f"behavior {plain_name(behavior_id)}", parameters.action_spec
    if reason:
        raise UserError(f"{owner}: {reason}")
    check_actions(owner, actions.num_continuous_actions, actions.discrete_branch_sizes)
    check_observations(owner, [proto.shape for proto in info.observations])
    for index, proto in enumerate(info.observations):
        reason = _odd_observation(index, proto)
        if reason:
            raise UserError(f"{owner}: {reason}")


def _odd_name(behavior_id: str) -> str:
    if behavior_id.isprintable() and len(behavior_id) <= LONGEST_NAME:
        return ""
    return f"a Behavior Name has at most {LONGEST_NAME} letters, all printable; rename it in {COMPONENT}"


def _odd_actions(parameters: Any) -> str:
    actions = parameters.action_spec
    continuous, branches = actions.num_continuous_actions, tuple(actions.discrete_branch_sizes)
    if not continuous and not actions.num_discrete_actions and not branches:
        if len(parameters.vector_action_size_deprecated):
            return "the player comes from a com.unity.ml-agents package older than 2.0; update it"
        return (
            "its agents have no action; set Actions > Continuous Actions or Discrete Branches above 0 in "
            f"{COMPONENT}"
        )
    if continuous < 0:
        return (
            f"{continuous} continuous actions; set Actions > Continuous Actions in {COMPONENT} to 0 or more"
        )
    if actions.num_discrete_actions != len(branches):
        return (
            f"{actions.num_discrete_actions} discrete branches with {len(branches)} sizes; set Actions > "
            f"Discrete Branches again in {COMPONENT}"
        )
    for branch, size in enumerate(branches):
        if size < 1:
            return (
                f"branch {branch} has size {size}; set Actions > Branch {branch} Size above 0 in {COMPONENT}"
            )
    return ""


def _odd_observation(index: int, proto: Any) -> str:
    where = f"observation {index} ({one_line(proto.name, 100)})"
    if not proto.shape:
        return f"{where} has no shape; the sensor must have dimensions of size 1 or more"
    for what, value, known in (
        ("observation type", proto.observation_type, OBSERVATION_TYPES),
        ("compression type", proto.compression_type, COMPRESSION_TYPES),
    ):
        if value not in known:
            return f"{where} has the unknown {what} {value}; use com.unity.ml-agents 2.x to 4.x"
    return "" if proto.compression_type == wire.PNG else odd_numbers(index, proto)


def odd_numbers(index: int, proto: Any) -> str:
    """Return what is wrong with the number of values of an observation; nothing if it fits the shape."""
    shape, size = tuple(proto.shape), len(proto.float_data.data)
    if size == 4 * math.prod(shape):
        return ""
    holds = f"{size} bytes" if size % 4 else f"{size // 4} numbers"
    return (
        f"observation {index} ({one_line(proto.name, 100)}) of shape {shape} holds {holds}; the sensor must write "
        f"{math.prod(shape)} numbers"
    )
