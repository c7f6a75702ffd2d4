"""The agents of one behavior as a Gymnasium vector environment."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from mlagents_envs.base_env import BaseEnv

from bridge.gym_spaces import Actions, Observations, Several
from bridge.seats import told
from bridge.start import over_player, take_seed
from bridge.turns import LIMIT, Turns, check_turns
from gym_adapters.errors import UserError
from gym_adapters.masks import ACTION_MASK


class UnityVectorEnv(VectorEnv):
    """Each agent of one behavior of a `BaseEnv` is a sub-environment.

    A step is a turn (see `bridge.turns.Turns`): it ends when all living agents ask for a decision. Agents sit in stable
    places (see `bridge.seats.Seats`). Agents of other behaviors are given no action.

    The info of `reset` and `step` has, each with its `_key` that is True everywhere:

    - `active`, (num_envs,) bool: whether the next action of the sub-environment counts.
    - `agent_id`, (num_envs,) int; -1 is an empty place. Its observation is 0, it earns nothing and does not end.
    - `action_mask`, (num_envs, choices) int8 over all branches, 1 = allowed, if there are discrete actions.
    - `group_reward`, (num_envs,) float64, if it is not added to the reward.

    In `SAME_STEP` mode the observation after an end is the first of the next episode; `final_obs` and `final_info` hold
    the last of the old one. In `NEXT_STEP` mode it is the last of the old one, and the next step shows the next agent,
    whatever the action. Unity's clock does not wait: a decision that the next agent asks for in between gets action 0.

    Args:
        env: The environment, which is reset, and closed by `close`.
        behavior: The behavior's name or id; None if there is one.
        num_envs: The number of places; None means as many as agents ask first.
        autoreset_mode: `SAME_STEP` or `NEXT_STEP`, or their values `"SameStep"` and `"NextStep"`.
        observations: Whether several observations are a `"dict"` by sensor, or a `"tuple"`.
        add_group_rewards: Whether the reward is the agent's own plus its group's.
        limit: Steps of the environment that a step may last.

    Raises:
        UserError: There is no such behavior or more of them, more agents than places, or agents that do not ask.
    """

    def __init__(
        self,
        env: BaseEnv,
        behavior: str | None = None,
        num_envs: int | None = None,
        *,
        autoreset_mode: AutoresetMode | str = AutoresetMode.SAME_STEP,
        observations: Several = "dict",
        add_group_rewards: bool = True,
        limit: int = LIMIT,
    ) -> None:
        self._mode = _mode(autoreset_mode)
        self.metadata = {"autoreset_mode": self._mode, "render_modes": []}
        self.render_mode = None
        self._add_group_rewards = add_group_rewards
        advice = "; pass a larger num_envs"
        self._turns = Turns(env, behavior, num_envs, one=True, limit=limit, advice=advice)
        ((self.behavior, self._seats),) = self._turns.seats.items()
        self.num_envs = self._seats.count
        self._observations = Observations(self._seats.spec, self._seats.dtypes, observations)
        self._actions = Actions(self.behavior, self._seats.spec.action_spec)
        self.single_observation_space, self.single_action_space = (
            self._observations.space,
            self._actions.space,
        )
        self.observation_space = batch_space(self.single_observation_space, self.num_envs)
        self.action_space = batch_space(self.single_action_space, self.num_envs)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Begin new episodes for all agents.

        Args:
            seed: Seeds `np_random`. The environment itself has taken its seed at its start.
            options: `reset_mask` is refused: Unity resets all agents or none.
        """
        super().reset(seed=seed)
        take_seed(self._turns.env, seed)
        if options and "reset_mask" in options:
            raise UserError("reset_mask: Unity resets all agents or none; leave it to the autoreset mode")
        self._turns.reset()
        batches = self._seats.show(np.zeros(self.num_envs, bool))
        return self._observations.of(batches), self._infos()

    def step(self, actions: Any) -> tuple[Any, np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]:
        """Take a turn.

        Args:
            actions: One per sub-environment, in the form of `action_space`.

        Returns:
            Observations, rewards (float64), terminated, truncated, infos.

        Raises:
            UserError: The actions do not fit, agents do not ask, or there are more of them than places.
        """
        seats = self._seats
        self._turns.step({self.behavior: self._actions.rows(actions, self.num_envs)})
        next_step = self._mode is AutoresetMode.NEXT_STEP
        batches = seats.show(seats.ended & next_step)
        infos = self._infos()
        if not next_step and seats.ended.any():
            infos |= self._final()
        rewards = seats.reward + seats.group_reward if self._add_group_rewards else seats.reward
        return self._observations.of(batches), rewards, seats.terminated, seats.truncated, infos

    def close_extras(self, **kwargs: Any) -> None:
        """Close the environment."""
        self._turns.env.close()

    def _infos(self) -> dict[str, Any]:
        seats = self._seats
        infos: dict[str, Any] = {"active": seats.shown.copy(), "agent_id": told(seats.agent)}
        if seats.spec.action_spec.discrete_size:
            infos[ACTION_MASK] = seats.allowed()
        if not self._add_group_rewards:
            infos["group_reward"] = seats.group_reward
        return _given(infos, np.ones(self.num_envs, bool))

    def _final(self) -> dict[str, Any]:
        seats = self._seats
        final = np.full(self.num_envs, None, object)
        for seat in np.flatnonzero(seats.ended).tolist():
            final[seat] = self._observations.of(seats.last(seat))
        last = _given({"agent_id": told(seats.last_agent)}, seats.ended)
        return _given({"final_obs": final, "final_info": last}, seats.ended)


def make_vector_env(
    env_path: str | Path | None = None,
    num_envs: int | None = None,
    behavior: str | None = None,
    **options: Any,
) -> UnityVectorEnv:
    """Start a player, or wait for the Editor; `gymnasium.make_vec("bridge/Unity-v0", ...)` calls this.

    The arguments are those of `UnityVectorEnv` and of `bridge.start.start_player`.
    """
    check_turns(behavior, num_envs, options.get("limit", LIMIT))
    _mode(options.get("autoreset_mode", AutoresetMode.SAME_STEP))  # refused before a player starts
    return over_player(UnityVectorEnv, env_path, {"num_envs": num_envs, "behavior": behavior, **options})


def _mode(mode: AutoresetMode | str) -> AutoresetMode:
    modes = (AutoresetMode.SAME_STEP, AutoresetMode.NEXT_STEP)
    for known in modes:
        if mode in (known, known.value):
            return known
    raise UserError(f"autoreset_mode={mode!r}: expected {' or '.join(repr(known.value) for known in modes)}")


def _given(infos: Mapping[str, Any], where: np.ndarray) -> dict[str, Any]:
    """Add to each key the mask of the sub-environments that have it, as Gymnasium's vector environments do."""
    return {**infos, **{f"_{key}": where.copy() for key in infos}}
