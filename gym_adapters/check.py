"""Checks whether an environment keeps the contract that trainers rely on."""

from collections.abc import Callable

import numpy as np
from mlagents_envs.base_env import (
    ActionSpec,
    ActionTuple,
    BaseEnv,
    BehaviorSpec,
    DecisionSteps,
    TerminalSteps,
)

from gym_adapters.actions import random_actions
from gym_adapters.values import described


class ContractError(AssertionError):
    """An environment breaks the contract of `BaseEnv`. The message names the agent, array or call."""


def check_env(env: BaseEnv, steps: int = 200, seed: int = 0) -> None:
    """Steps an environment with random actions and checks everything it returns. The environment stays open.

    What is checked:

    - Specs: there is a behavior after `reset`, and its spec never changes.
    - Arrays: shapes follow the spec; observations are float32 (images also uint8, vectors also float64, see
      `as_floats`), rewards float32, both finite; ids are integers, unique in their batch; no later step overwrites a
      returned array.
    - Episodes: only an agent that asked for a decision can end, and only once; its next decision, in the same
      step or later, begins a new episode. A reward follows the agent's previous decision, so the first
      decision of an episode has reward 0.
    - Masks: one boolean array per branch, True = forbidden, at least one action allowed.
    - Calls: actions of the wrong shape, for unknown behaviors and for agents that did not ask are refused.

    Args:
        env: Any `BaseEnv`.
        steps: The number of environment steps to take, with a reset halfway.
        seed: The seed of the random actions.

    Raises:
        ContractError: It is no `BaseEnv`, or at the first violation.
    """
    if not isinstance(env, BaseEnv):
        raise ContractError(
            f"{type(env).__name__} is no BaseEnv; gym_adapters.make_env makes one of a Gymnasium environment's id"
        )
    checker = _Checker(env, np.random.default_rng(seed))
    for step in range(steps):
        if step in (0, steps // 2):
            env.reset()
            checker.begin()
        else:
            env.step()
        checker.observe()
        checker.act(one_by_one=step % 10 == 9)


class _Checker:
    """The checks, and the state of the agents that they need."""

    def __init__(self, env: BaseEnv, rng: np.random.Generator) -> None:
        self.env = env
        self.rng = rng
        self.specs: dict[str, BehaviorSpec] = {}
        self.active: dict[str, set[int]] = {}
        self.given: list[tuple[str, np.ndarray, np.ndarray]] = []

    def begin(self) -> None:
        """Forgets all episodes, after a reset."""
        self.active = {}
        _require(len(self.env.behavior_specs) > 0, "behavior_specs is empty after reset()")

    def observe(self) -> None:
        """Checks the result of the last step, for every behavior."""
        earlier, self.given = self.given, []
        for name, spec in self.env.behavior_specs.items():
            _require(self.specs.setdefault(name, spec) == spec, f"the spec of {name} changed")
            pair = self.env.get_steps(name)
            is_pair = isinstance(pair, tuple | list) and len(pair) == 2
            _require(is_pair, f"{name}: get_steps() returned {described(pair)}, expected two values")
            decisions, terminals = pair
            _require(isinstance(decisions, DecisionSteps), f"{name}: get_steps()[0] is not a DecisionSteps")
            _require(isinstance(terminals, TerminalSteps), f"{name}: get_steps()[1] is not a TerminalSteps")
            self._check_arrays(f"{name} DecisionSteps", spec, decisions)
            self._check_arrays(f"{name} TerminalSteps", spec, terminals)
            interrupted = np.asarray(terminals.interrupted)
            _check_array(f"{name} TerminalSteps.interrupted", interrupted, (len(terminals),), "b")
            _check_masks(name, spec.action_spec, decisions)
            self._check_episodes(name, decisions, terminals)
        for where, array, copy in earlier:
            _require(np.array_equal(array, copy), f"{where} was overwritten by a later step")

    def act(self, one_by_one: bool) -> None:
        """Tries actions that must be refused, then sets random actions for every agent."""
        for name, spec in self.specs.items():
            decisions, _ = self.env.get_steps(name)
            count = len(decisions)
            action = random_actions(self.rng, spec.action_spec, count, decisions.action_mask)
            self._check_refusals(name, spec.action_spec, decisions)
            if not one_by_one:
                self.env.set_actions(name, action)
                continue
            for row in range(count):
                single = ActionTuple(action.continuous[row : row + 1], action.discrete[row : row + 1])
                self.env.set_action_for_agent(name, int(decisions.agent_id[row]), single)

    def _check_arrays(self, where: str, spec: BehaviorSpec, steps: DecisionSteps | TerminalSteps) -> None:
        count = np.size(steps.agent_id)
        _check_array(f"{where}.agent_id", steps.agent_id, (count,), "iu")
        _require(len(set(steps.agent_id.tolist())) == count, f"{where}.agent_id holds an id twice")
        _check_array(f"{where}.group_id", steps.group_id, (count,), "iu")
        for rewards, values in (("reward", steps.reward), ("group_reward", steps.group_reward)):
            _check_array(f"{where}.{rewards}", values, (count,), "f")
        _require(
            isinstance(steps.obs, list | tuple), f"{where}.obs is {described(steps.obs)}, expected a list"
        )
        _require(len(steps.obs) == len(spec.observation_specs), f"{where}.obs has {len(steps.obs)} arrays")
        for index, (array, observation) in enumerate(zip(steps.obs, spec.observation_specs, strict=True)):
            kinds = {3: "fu", 1: "fd"}.get(len(observation.shape), "f")
            _check_array(f"{where}.obs[{index}]", array, (count, *observation.shape), kinds)
            self.given.append((f"{where}.obs[{index}]", array, array.copy()))
        self.given.append((f"{where}.reward", steps.reward, steps.reward.copy()))
        self.given.append((f"{where}.agent_id", steps.agent_id, steps.agent_id.copy()))

    def _check_episodes(self, name: str, decisions: DecisionSteps, terminals: TerminalSteps) -> None:
        active = self.active.setdefault(name, set())
        ended = set(terminals.agent_id.tolist())
        strangers = sorted(ended - active)
        _require(not strangers, f"{name}: agents {strangers} ended without having asked for a decision")
        active -= ended
        for agent, reward in zip(decisions.agent_id.tolist(), decisions.reward.tolist(), strict=True):
            first = agent not in active
            _require(
                not first or reward == 0,
                f"{name}: agent {agent} begins an episode with reward {reward}, which pays for no decision",
            )
        active.update(decisions.agent_id.tolist())

    def _check_refusals(self, name: str, spec: ActionSpec, decisions: DecisionSteps) -> None:
        count = len(decisions)
        one_more, one = spec.empty_action(count + 1), spec.empty_action(1)
        free_id = max(decisions.agent_id.tolist(), default=0) + 1
        calls: dict[str, Callable[[], object]] = {
            f"set_actions({name!r}) with {count + 1} rows for {count} agents": (
                lambda: self.env.set_actions(name, one_more)
            ),
            "set_actions of an unknown behavior": lambda: self.env.set_actions(name + "?", one_more),
            "get_steps of an unknown behavior": lambda: self.env.get_steps(name + "?"),
            f"set_action_for_agent({name!r}) for agent {free_id}, which asked for nothing": (
                lambda: self.env.set_action_for_agent(name, free_id, one)
            ),
        }
        for what, call in calls.items():
            _require(_raises(call), f"{what} was accepted")


def _check_array(where: str, array: np.ndarray, shape: tuple[int, ...], kinds: str) -> None:
    """Requires an array of this shape and kind: bool (b), any integer (iu), float32 (f), uint8 (u), float64 (d)."""
    _require(isinstance(array, np.ndarray), f"{where} is a {type(array).__name__}, expected an array")
    _require(array.shape == shape, f"{where} has shape {array.shape}, expected {shape}")
    floats = (np.float32, np.uint8, np.float64 if "d" in kinds else np.float32)
    is_one = array.dtype.kind in kinds and ("f" not in kinds or array.dtype in floats)
    _require(is_one, f"{where} has type {array.dtype}")
    _require(bool(np.isfinite(array).all()), f"{where} holds a value that is not finite")


def _check_masks(name: str, spec: ActionSpec, decisions: DecisionSteps) -> None:
    if decisions.action_mask is None:
        return
    count = len(decisions.action_mask)
    _require(count == spec.discrete_size, f"{name}: {count} action masks for {spec.discrete_size} branches")
    for branch, mask in enumerate(decisions.action_mask):
        where = f"{name} DecisionSteps.action_mask[{branch}]"
        _check_array(where, mask, (len(decisions), spec.discrete_branches[branch]), "b")
        _require(not mask.all(axis=1).any(), f"{where} forbids every action (True means forbidden)")


def _raises(call: Callable[[], object]) -> bool:
    try:
        call()
    except Exception:
        return True
    return False


def _require(holds: bool, otherwise: str) -> None:
    if not holds:
        raise ContractError(otherwise)
