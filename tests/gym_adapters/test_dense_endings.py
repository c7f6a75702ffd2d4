"""Vector environments that give the last observations of ended episodes as a batch of all environments."""

from typing import Any

import numpy as np
import pytest
from gymnasium import Space, spaces
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space

from gym_adapters import UserError, VectorEnvAdapter

NUMBERS = spaces.Discrete(3, start=1)


class Dense(VectorEnv):
    """The first of two environments ends in each step, with observation 3; the row of the other has no meaning."""

    num_envs = 2
    single_action_space = spaces.Discrete(2)
    action_space = batch_space(single_action_space, 2)

    def __init__(self, space: Space, final: Any) -> None:
        self.single_observation_space, self.observation_space = space, batch_space(space, 2)
        self.metadata = {"autoreset_mode": AutoresetMode.SAME_STEP}
        self._final = final

    def reset(self, *, seed: Any = None, options: Any = None) -> Any:
        numbers = np.array([1, 2])
        return numbers if self.single_observation_space == NUMBERS else {"a": numbers}, {}

    def step(self, actions: Any) -> Any:
        ended = np.array([True, False])
        return self.reset()[0], np.zeros(2), ended, np.zeros(2, bool), {"final_obs": self._final}


@pytest.mark.parametrize(
    ("space", "final"),
    [(NUMBERS, np.array([3, 0])), (spaces.Dict({"a": NUMBERS}), {"a": np.array([3, 0])})],
)
def test_rows_without_meaning_may_hold_anything(space: Space, final: Any) -> None:
    adapter = VectorEnvAdapter(Dense(space, final), "dense")
    adapter.reset()
    adapter.step()
    _, terminals = adapter.get_steps("dense")
    assert terminals.agent_id.tolist() == [0]
    assert terminals.obs[0].tolist() == [[0, 0, 1]]


@pytest.mark.parametrize("final", [np.array([3]), np.array([3, 0, 0]), 3])
def test_a_batch_of_another_size_is_refused(final: Any) -> None:
    adapter = VectorEnvAdapter(Dense(NUMBERS, final), "dense")
    adapter.reset()
    with pytest.raises(UserError, match=r"observation: a batch is .*; expected numbers of shape"):
        adapter.step()
