"""Vector environments whose `Dict` observations hold the action mask, as those of `make_env` may."""

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, SyncVectorEnv

from gym_adapters import VectorEnvAdapter

MODES = [AutoresetMode.SAME_STEP, AutoresetMode.NEXT_STEP, AutoresetMode.DISABLED]


class Seen(gymnasium.Env):
    """At step t, only choice t modulo 3 is allowed by the observation; at odd steps `info` may allow all."""

    observation_space = spaces.Dict(
        {"step": spaces.Box(0, 9, (1,), np.float32), "action_mask": spaces.MultiBinary(3)}
    )
    action_space = spaces.Discrete(3)

    def __init__(self, length: int, told: bool) -> None:
        self.length, self.told = length, told

    def _look(self):
        mask = np.arange(3) == self.steps % 3
        info = {"action_mask": np.ones(3, np.int8)} if self.told and self.steps % 2 else {}
        return {"step": np.array([self.steps], np.float32), "action_mask": mask.astype(np.int8)}, info

    def reset(self, *, seed=None, options=None):
        self.steps = 0
        return self._look()

    def step(self, action):
        self.steps += 1
        observation, info = self._look()
        return observation, 1.0, self.steps == self.length, False, info


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("told", [False, True])
def test_they_hold_unless_info_has_one(mode, told):
    makers = [lambda length=length: Seen(length, told) for length in (2, 3)]
    env = VectorEnvAdapter(SyncVectorEnv(makers, autoreset_mode=mode), "seen")
    env.reset()
    for _ in range(8):
        decisions, _ = env.get_steps("seen")
        (step,) = (
            part[:, 0]
            for part, spec in zip(decisions.obs, env.behavior_specs["seen"].observation_specs, strict=True)
            if spec.name == "step"
        )
        forbidden = np.arange(3) != step[:, None] % 3
        forbidden[(step % 2 == 1) & told] = False
        np.testing.assert_array_equal(decisions.action_mask[0], forbidden)
        env.step()
