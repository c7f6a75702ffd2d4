"""A Gymnasium vector environment as a `BaseEnv`: one agent per environment."""

import logging
from collections.abc import Mapping
from enum import Enum
from typing import Any, NoReturn

import numpy as np
from gymnasium import Env, Space
from gymnasium.vector import AutoresetMode, VectorEnv
from mlagents_envs.base_env import (
    ActionTuple,
    BaseEnv,
    BehaviorMapping,
    BehaviorSpec,
    DecisionSteps,
    TerminalSteps,
)
from mlagents_envs.exception import UnityActionException

from gym_adapters.action_spaces import ActionMapping
from gym_adapters.actions import checked_choices
from gym_adapters.closing import close_vector_env
from gym_adapters.errors import UserError
from gym_adapters.masks import ACTION_MASK, branches_of, by_branch, forbidden_rows, holds_mask, masks_told
from gym_adapters.spaces import ObservationMapping
from gym_adapters.values import described

logger = logging.getLogger(__name__)

GAME_SCORE = "Environment/Game Score"


class Aggregation(Enum):
    """How several values are aggregated, as in ML-Agents' `StatsAggregationMethod`, whose import needs the bridge."""

    AVERAGE = 0


class VectorEnvAdapter(BaseEnv):
    """Any `gymnasium.vector.VectorEnv`, seen through ML-Agents' low-level API.

    Environment i is always agent i. In the step that ends its episode, agent i is in the `TerminalSteps`
    with the last observation of that episode. Its next episode begins in the `DecisionSteps` of the same
    step (environments that reset only on demand are reset at once), or of the next step in `NEXT_STEP` mode.

    The action mask in `infos["action_mask"]` has 1 for an allowed action. It is used for `Discrete` and
    one-dimensional `MultiDiscrete` actions, whose mask is one array over all branches or a tuple with one per branch.
    Without one, a mask in a `Dict` observation counts, as for environments of `make_env`.

    Args:
        vector_env: The environments, in any autoreset mode. In `SAME_STEP` mode, `final_obs` must not be an array that
            the environment writes its next episode into.
        behavior_name: The name under which the agents appear.
        seed: The first reset seeds environment i with `seed + i`; later resets continue its random numbers.

    Attributes:
        vector_env: The environments.
        num_envs: The number of environments.
        title: What the environment is called in messages: the behavior's name.
    """

    def __init__(self, vector_env: VectorEnv, behavior_name: str, seed: int = 0) -> None:
        if isinstance(vector_env, Env):
            raise UserError(
                f"vector_env: {type(vector_env).__name__} is one environment; write "
                "gymnasium.vector.SyncVectorEnv([function_that_makes_one] * 8)"
            )
        self.vector_env = vector_env
        self.num_envs = vector_env.num_envs
        self._name = self.title = behavior_name
        self._seed: int | None = int(seed)  # Gymnasium knows no integers of numpy
        self._autoreset_mode = _autoreset_mode(vector_env)
        self._observations = ObservationMapping(vector_env.single_observation_space, behavior_name)
        self._no_rows = self._observations.convert_rows([])
        self._branches = branches_of(vector_env.single_action_space)
        self._holds_mask = holds_mask(vector_env.single_observation_space, self._branches)
        self._mask_ignored = False
        self._actions = ActionMapping(vector_env.single_action_space)
        self._spec = BehaviorSpec(self._observations.specs, self._actions.spec)
        self._ended = np.zeros(self.num_envs, dtype=bool)
        self._steps: tuple[DecisionSteps, TerminalSteps] | None = None
        self._clear_actions()

    @property
    def behavior_specs(self) -> BehaviorMapping:
        """The behavior's name and its `BehaviorSpec`."""
        return BehaviorMapping({self._name: self._spec})

    @property
    def spaces(self) -> dict[str, tuple[Space, Space]]:
        """The spaces of one environment's observation and action, by the behavior's name."""
        return {self._name: (self._observations.space, self._actions.space)}

    def reset(self) -> None:
        """Begins a new episode in every environment.

        Raises:
            UserError: The environments return what does not fit their spaces. So do `step`'s.
        """
        observation, infos = self._reset(seed=self._seed)
        self._seed = None
        self._ended = np.zeros(self.num_envs, dtype=bool)
        self._clear_actions()
        everyone = np.ones(self.num_envs, dtype=bool)
        no_one = ~everyone
        converted = self._observations.convert(observation)
        rewards = np.zeros(self.num_envs, dtype=np.float32)
        self._steps = (
            self._decision_steps(everyone, converted, rewards, self._action_mask(infos, observation)),
            _terminal_steps(no_one, [rows[no_one] for rows in converted], rewards, no_one),
        )

    def step(self) -> None:
        """Steps every environment with the actions set since the last step; an agent without one acts 0."""
        if self._steps is None:
            self.reset()
            return
        began_only = self._ended  # NEXT_STEP: these environments reset now, and ignore their action
        result = self.vector_env.step(self._actions.convert(self._pending))
        self._clear_actions()
        if not isinstance(result, tuple) or len(result) != 5 or not isinstance(result[4], Mapping):
            self._refuse("step()", result, "observation, rewards, terminated, truncated, infos")
        observation, rewards, terminated, truncated, infos = result
        terminated = self._column(terminated, "terminated", bool)
        truncated = self._column(truncated, "truncated", bool)
        rewards = self._column(rewards, "rewards", np.float32)
        ended = terminated | truncated
        converted, mask = self._observations.convert(observation), self._action_mask(infos, observation)
        deciding, fresh = np.ones(self.num_envs, dtype=bool), ended
        if self._autoreset_mode is AutoresetMode.SAME_STEP:
            last = self._final_observations(infos, ended)
        else:
            last = [rows[ended] for rows in converted]
        if self._autoreset_mode is AutoresetMode.NEXT_STEP:
            deciding, fresh, self._ended = ~ended, began_only, ended
        elif self._autoreset_mode is AutoresetMode.DISABLED and ended.any():
            converted, mask = self._reset_where(ended, mask)
        self._steps = (
            self._decision_steps(deciding, converted, np.where(fresh, np.float32(0), rewards), mask),
            _terminal_steps(ended, last, rewards, truncated & ~terminated),
        )

    def get_steps(self, behavior_name: str) -> tuple[DecisionSteps, TerminalSteps]:
        """Returns the agents that need an action, and those whose episode ended in the last step.

        Arrays have shape (agents, ...). They belong to the caller, and later steps do not overwrite them.
        """
        self._check_name(behavior_name)
        if self._steps is None:
            return DecisionSteps.empty(self._spec), TerminalSteps.empty(self._spec)
        return self._steps

    def set_actions(self, behavior_name: str, action: ActionTuple) -> None:
        """Sets the actions of all agents of the last `DecisionSteps`, in that order.

        Args:
            behavior_name: The behavior of `behavior_specs`.
            action: Shapes: (agents, continuous_size) and (agents, branches).
        """
        self._check_name(behavior_name)
        self._set_rows(self._deciding_ids(), action)

    def set_action_for_agent(self, behavior_name: str, agent_id: int, action: ActionTuple) -> None:
        """Sets the action of one agent of the last `DecisionSteps`.

        Args:
            behavior_name: The behavior of `behavior_specs`.
            agent_id: The agent.
            action: Shapes: (1, continuous_size) and (1, branches).
        """
        self._check_name(behavior_name)
        if agent_id not in self._deciding_ids():
            raise UnityActionException(f"agent {agent_id} of {self._name} did not ask for a decision")
        self._set_rows(np.array([agent_id]), action)

    def take_stats(self) -> dict[str, list[tuple[float, Aggregation]]]:
        """Returns the `GAME_SCORE` of games that ended since the last call; nothing unless each life is an episode."""
        take = getattr(self.vector_env, "take_scores", None)
        return {} if take is None else {GAME_SCORE: [(score, Aggregation.AVERAGE) for score in take()]}

    def close(self) -> None:
        """Closes the environments, each even if another one fails to. If that fails, it is not tried again."""
        try:
            close_vector_env(self.vector_env)
        finally:
            self.vector_env.closed = True

    def _check_name(self, name: str) -> None:
        if name != self._name:
            raise UnityActionException(f"unknown behavior {name!r}; this environment has {self._name!r}")

    def _deciding_ids(self) -> np.ndarray:
        return np.zeros(0, dtype=np.int32) if self._steps is None else self._steps[0].agent_id

    def _clear_actions(self) -> None:
        self._pending = self._spec.action_spec.empty_action(self.num_envs)

    def _set_rows(self, agent_ids: np.ndarray, action: ActionTuple) -> None:
        action = checked_choices(self._spec.action_spec, action, len(agent_ids), self._name)
        self._pending.continuous[agent_ids] = action.continuous
        self._pending.discrete[agent_ids] = action.discrete

    def _reset_where(
        self, ended: np.ndarray, mask: np.ndarray | None
    ) -> tuple[list[np.ndarray], np.ndarray | None]:
        """Resets these environments; returns the observations of all environments and the updated action mask."""
        observation, infos = self._reset(options={"reset_mask": ended.copy()})
        converted, fresh = self._observations.convert(observation), self._action_mask(infos, observation)
        if mask is None and fresh is not None:
            mask = np.zeros_like(fresh)
        if mask is not None:
            mask[ended] = False if fresh is None else fresh[ended]
        return converted, mask

    def _final_observations(self, infos: dict[str, Any], ended: np.ndarray) -> list[np.ndarray]:
        """Returns the last observations of the ended episodes, which vector environments give in one of two forms.

        Gymnasium's own environments give an object array with one observation (or None) per environment.
        Others, such as ALE's, give a dense batch, in which the rows of other environments have no meaning.
        """
        if not ended.any():
            return self._no_rows
        final = infos.get("final_obs")
        if final is None:
            self._refuse(
                "step()", "no final_obs in infos", "the last observations of ended episodes in SAME_STEP mode"
            )
        if isinstance(final, np.ndarray) and final.dtype == object:
            return self._observations.convert_rows(list(final[ended]))
        return self._observations.convert(final, ended)

    def _action_mask(self, infos: Mapping[str, Any], observation: Any) -> np.ndarray | None:
        """Returns masks with True = forbidden from Gymnasium's 1 = allowed. Shape: (num_envs, actions)."""
        seen = observation[ACTION_MASK] if self._holds_mask else None
        if infos.get(ACTION_MASK) is None and seen is None:
            return None
        if self._branches is None:
            if not self._mask_ignored:
                logger.warning(
                    "environment %s: info[%r] is ignored; such actions have no mask", self._name, ACTION_MASK
                )
            self._mask_ignored = True
            return None
        masks = masks_told(infos, seen, self.num_envs, f"environment {self._name}")
        return forbidden_rows(masks, self._branches, f"environment {self._name}")

    def _reset(self, **arguments: Any) -> tuple[Any, Mapping[str, Any]]:
        result = self.vector_env.reset(**arguments)
        if not isinstance(result, tuple) or len(result) != 2 or not isinstance(result[1], Mapping):
            self._refuse("reset()", result, "observation, infos")
        return result

    def _column(self, values: Any, what: str, dtype: type) -> np.ndarray:
        """Returns one number or flag per environment, shape (num_envs,)."""
        array = np.asarray(values)
        if array.shape != (self.num_envs,) or array.dtype.kind not in "biuf":
            self._refuse(what, values, f"shape ({self.num_envs},)")
        with np.errstate(over="ignore"):  # an infinite number is refused by those who read it
            return array.astype(dtype, copy=False)

    def _refuse(self, what: str, came: Any, expected: str) -> NoReturn:
        came = came if isinstance(came, str) else described(came)
        raise UserError(
            f"environment {self._name}: {what} gave {came}; expected {expected}; change the environment"
        )

    def _decision_steps(
        self, rows: np.ndarray, obs: list[np.ndarray], rewards: np.ndarray, mask: np.ndarray | None
    ) -> DecisionSteps:
        ids = np.flatnonzero(rows).astype(np.int32)
        zeros = np.zeros(len(ids), dtype=np.float32)
        if len(ids) < len(rows):
            obs = [batch[rows] for batch in obs]
        masks = None
        if mask is not None and self._branches is not None:
            masks = by_branch(mask[rows], self._branches)
        return DecisionSteps(obs, rewards[rows], ids, masks, zeros.astype(np.int32), zeros)


def _terminal_steps(
    rows: np.ndarray, obs: list[np.ndarray], rewards: np.ndarray, interrupted: np.ndarray
) -> TerminalSteps:
    """Returns the `TerminalSteps` of the environments that the mask `rows` chooses.

    `obs` holds only the chosen environments; `rewards` and `interrupted` hold one value per environment.
    """
    ids = np.flatnonzero(rows).astype(np.int32)
    zeros = np.zeros(len(ids), dtype=np.float32)
    return TerminalSteps(obs, rewards[rows], interrupted[rows], ids, zeros.astype(np.int32), zeros)


def _autoreset_mode(vector_env: VectorEnv) -> AutoresetMode:
    mode = vector_env.metadata.get("autoreset_mode")
    try:
        return AutoresetMode(mode)
    except ValueError:
        raise UserError(
            f"{vector_env}: metadata['autoreset_mode'] is {mode!r}; expected an AutoresetMode; "
            "set it on the vector environment"
        ) from None
