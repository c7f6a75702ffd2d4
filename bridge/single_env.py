"""The one agent of a scene as a Gymnasium environment."""

from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
from mlagents_envs.base_env import BaseEnv

from bridge.gym_spaces import Actions, Observations, Several
from bridge.start import over_player, take_seed
from bridge.turns import LIMIT, Turns, check_turns
from gym_adapters.masks import ACTION_MASK

NOBODY_HIDDEN = np.zeros(1, bool)


class UnitySingleEnv(gymnasium.Env):
    """The one agent of a `BaseEnv`; see `UnityVectorEnv`, which takes the same arguments.

    After an episode's end, `reset` goes on with the scene's next episode, which has begun. At any other time it resets
    the scene. `info["action_mask"]` is what `action_space.sample` takes as `mask`; beside continuous actions it takes
    `(None, info["action_mask"])`.
    """

    def __init__(
        self,
        env: BaseEnv,
        behavior: str | None = None,
        *,
        observations: Several = "dict",
        add_group_rewards: bool = True,
        limit: int = LIMIT,
    ) -> None:
        self._add_group_rewards = add_group_rewards
        advice = (
            "; gymnasium.make is for scenes of one agent: use gymnasium.make_vec('bridge/Unity-v0', num_envs=...), "
            "or bridge.parallel_env for several behaviors"
        )
        self._turns = Turns(env, behavior, 1, one=True, limit=limit, advice=advice)
        ((self.behavior, self._seats),) = self._turns.seats.items()
        self._observations = Observations(self._seats.spec, self._seats.dtypes, observations)
        self._actions = Actions(self.behavior, self._seats.spec.action_spec)
        self.observation_space, self.action_space = self._observations.space, self._actions.space

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Begin an episode. `seed` seeds `np_random`; the environment itself has taken its seed at its start."""
        super().reset(seed=seed)
        take_seed(self._turns.env, seed)
        if self._seats.ended[0]:
            self._turns.wait()
        else:
            self._turns.reset()
        self._seats.begin(self._seats.spec.action_spec.empty_action(1))
        return self._shown(NOBODY_HIDDEN)

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Take a turn.

        Raises:
            UserError: The action does not fit, the agent does not ask, or there is a second one.
        """
        seats = self._seats
        self._turns.step({self.behavior: self._actions.row(action)}, further=False)
        observation, info = self._shown(seats.ended)
        reward = float(seats.reward[0])
        if self._add_group_rewards:
            reward += float(seats.group_reward[0])
        else:
            info["group_reward"] = float(seats.group_reward[0])
        return observation, reward, bool(seats.terminated[0]), bool(seats.truncated[0]), info

    def close(self) -> None:
        """Close the environment."""
        self._turns.env.close()

    def _shown(self, hidden: np.ndarray) -> tuple[Any, dict[str, Any]]:
        seats = self._seats
        info: dict[str, Any] = {"agent_id": int(seats.last_agent[0] if hidden[0] else seats.agent[0])}
        batches = seats.show(hidden)
        if seats.spec.action_spec.discrete_size:
            info[ACTION_MASK] = self._actions.masks(seats.allowed()[0])
        return self._observations.of([batch[0] for batch in batches]), info


def make_single_env(
    env_path: str | Path | None = None, behavior: str | None = None, **options: Any
) -> UnitySingleEnv:
    """Start a player, or wait for the Editor; `gymnasium.make("bridge/Unity-v0", ...)` calls this.

    The arguments are those of `UnitySingleEnv` and of `bridge.start.start_player`.
    """
    check_turns(behavior, 1, options.get("limit", LIMIT))
    return over_player(UnitySingleEnv, env_path, {"behavior": behavior, **options})
