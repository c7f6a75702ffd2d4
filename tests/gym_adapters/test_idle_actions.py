"""What an agent does for which no action was set."""

from typing import Any

import numpy as np
from test_parallel_env import Relay

from gym_adapters.parallel_env import ParallelEnvAdapter


class Writer(Relay):
    """Writes into the actions that it is given."""

    def step(self, actions: dict[str, Any]) -> Any:
        super().step({agent: np.copy(action) for agent, action in actions.items()})
        actions["runner_0"] += 1.0
        return super().step(actions)


def test_it_is_the_same_in_every_step_even_if_the_environment_writes_into_it() -> None:
    env = ParallelEnvAdapter(Writer, 2, "relay_v0")
    env.reset()
    for _ in range(2):
        env.step()
    for copy in env.copies:
        given = [taken["runner_0"].tolist() for taken in copy.taken[::2]]
        assert given == [[5.0], [5.0]]
