"""Actions as bytes: the table of all agents against the message classes."""

import numpy as np
import pytest
from mlagents_envs.base_env import ActionTuple

from bridge import wire
from bridge.encoding import write_actions, write_plainly


@pytest.mark.parametrize("agents", [0, 1, 5])
@pytest.mark.parametrize("continuous", [0, 1, 31, 39, 5000])
@pytest.mark.parametrize("choices", [(), (3,), (2, 128), (129,), (300, 2, 40000)])
def test_actions_are_the_bytes_of_the_message_classes(
    agents: int, continuous: int, choices: tuple[int, ...]
) -> None:
    rng = np.random.default_rng(agents + continuous)
    action = ActionTuple(
        rng.standard_normal((agents, continuous)).astype(np.float32),
        rng.integers(0, choices, (agents, len(choices))).astype(np.int32),
    )
    if agents:
        action.discrete[0] = np.array(choices) - 1
    fast, plain = wire.message(), wire.message()
    write_actions(fast.unity_input.rl_input.agent_actions["Behavior"], action)
    write_plainly(plain.unity_input.rl_input.agent_actions["Behavior"], action)
    assert fast.SerializeToString() == plain.SerializeToString()
    given = fast.unity_input.rl_input.agent_actions["Behavior"].value
    assert [list(agent.discrete_actions) for agent in given] == action.discrete.tolist()
    floats = b"".join(agent.continuous_actions for agent in given)
    assert floats == action.continuous.tobytes()


def test_a_view_of_wider_actions_is_written() -> None:
    wide = np.arange(12, dtype=np.float32).reshape(2, 6)
    message = wire.message().unity_input.rl_input.agent_actions["Behavior"]
    write_actions(message, ActionTuple(wide[:, ::2]))
    assert np.frombuffer(message.value[1].continuous_actions, np.float32).tolist() == [6, 8, 10]
