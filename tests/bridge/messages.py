"""A player's messages, made by hand."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from bridge import wire

Message = Any

NAME = "Walker?team=0"


def hello(version: str = wire.API_VERSION, package: str = "4.0.0") -> Message:
    """A player's introduction."""
    message = wire.message()
    output = message.unity_output.rl_initialization_output
    output.name, output.communication_version, output.package_version = "player", version, package
    wire.set_capabilities(output.capabilities)
    return message


def vector(values: Sequence[float] = (0.5, -0.5), **fields: Any) -> Any:
    """An observation of numbers."""
    array = np.array(values, np.float32)
    proto = wire.AgentInfo().observations.add(shape=array.shape, name="body", **fields)
    proto.float_data.data = array.tobytes()
    return proto


def agent(number: int = 1, *observations: Any, **fields: Any) -> Any:
    """An agent that asks for a decision; its observations are one `vector` unless others are given."""
    return wire.AgentInfo(id=number, observations=observations or [vector()], **fields)


def behavior(name: str = NAME, continuous: int = 1, branches: Sequence[int] = (), **fields: Any) -> Any:
    """What a player declares of a behavior."""
    parameters = wire.BrainParameters(brain_name=name, **{"is_training": True, **fields})
    parameters.action_spec.num_continuous_actions = continuous
    parameters.action_spec.num_discrete_actions = len(branches)
    parameters.action_spec.discrete_branch_sizes.extend(branches)
    return parameters


def step(*agents: Any, name: str = NAME, declared: Sequence[Any] = (), side_channel: bytes = b"") -> Message:
    """A message with agents of one behavior, one `agent` unless others are given."""
    message = wire.message()
    output = message.unity_output
    output.rl_output.agentInfos[name].value.extend(agents or [agent()])
    output.rl_output.side_channel = side_channel
    if declared:
        output.rl_initialization_output.brain_parameters.extend(declared)
    return message


def opening(
    *agents: Any,
    name: str = NAME,
    continuous: int = 1,
    branches: Sequence[int] = (),
    side_channel: bytes = b"",
) -> list[Message]:
    """A player's first messages: the introduction, an empty one, and agents of one declared behavior."""
    declared = [behavior(name, continuous, branches)]
    return [
        hello(),
        wire.message(),
        step(*agents, name=name, declared=declared, side_channel=side_channel),
    ]
