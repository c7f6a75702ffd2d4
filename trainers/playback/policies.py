"""The policies that `python -m trainers.evaluate` plays: those of a run, or of an `.onnx` file."""

import argparse
from collections.abc import Hashable, Iterable, Sequence
from typing import Any, Protocol, TypeVar

import numpy as np
from mlagents_envs.base_env import ActionTuple, BaseEnv, DecisionSteps, TerminalSteps

from gym_adapters.errors import UserError, close_reported, environment_called
from gym_adapters.make import make_env
from gym_adapters.pettingzoo import is_pettingzoo
from gym_adapters.teams import parts_of
from trainers.experience.checks import StepsChecker, checked_pair, checked_specs
from trainers.playback.onnx_policy import OnnxPolicy
from trainers.playback.run_environment import environment_of
from trainers.records.policy_file import find_checkpoint, find_checkpoints, load_policy

ONNX = ".onnx"


class Policy(Protocol):
    """What plays: a `LoadedPolicy` or an `OnnxPolicy`, which say what the methods do."""

    name: str

    def act(
        self,
        observations: Sequence[np.ndarray],
        deterministic: bool = True,
        action_mask: Sequence[np.ndarray] | None = None,
        agents: Sequence[Hashable] | None = None,
    ) -> ActionTuple:
        """See `LoadedPolicy.act`."""

    def forget(self, agents: Iterable[Hashable] | None = None) -> None:
        """See `LoadedPolicy.forget`."""


Player = TypeVar("Player", bound=Policy)


def begin(env: BaseEnv, policies: Sequence[Player]) -> dict[str, tuple[Player, StepsChecker]]:
    """Reset an environment, and let its episodes begin for the policies.

    Args:
        env: an environment with the policies' behaviors.
        policies: one for each behavior that acts.

    Returns:
        The policy and the checker of each behavior id that a policy plays.

    Raises:
        UserError: the environment has no such behavior.
    """
    known = {policy.name: policy for policy in policies}
    with environment_called():
        env.reset()
        specs = checked_specs(env.behavior_specs)
    acting = {name: parts_of(name)[0] for name in specs}
    if missing := set(known) - set(acting.values()):
        raise UserError(
            f"the environment has {', '.join(specs)}; the policy is for {', '.join(sorted(missing))}"
        )
    for policy in policies:
        policy.forget()
    return {
        name: (known[acting[name]], StepsChecker(name, spec))
        for name, spec in specs.items()
        if acting[name] in known
    }


def checked_steps(env: BaseEnv, name: str, checker: StepsChecker) -> tuple[DecisionSteps, TerminalSteps]:
    """Return what the agents of a behavior id observed.

    Raises:
        UserError: it does not fit the behavior or is not finite.
    """
    with environment_called():
        decision, terminal = checked_pair(name, env.get_steps(name))
    return checker.checked(decision), checker.checked(terminal)


def from_run(arguments: argparse.Namespace) -> tuple[str, dict[str, Any], list[Policy]]:
    """Return the environment's id and options, and the policies, of a run or a checkpoint."""
    checkpoints = find_checkpoints(arguments.run, arguments.checkpoint)
    env_id, options = environment_of(checkpoints[0], arguments.env, arguments.trust)
    if not is_pettingzoo(env_id):
        checkpoints = [find_checkpoint(arguments.run, arguments.checkpoint)]
    policies = [load_policy(checkpoint) for checkpoint in checkpoints]
    for policy in policies:
        policy.seed(arguments.seed)
    return env_id, options, list(policies)


def from_file(arguments: argparse.Namespace) -> tuple[str, dict[str, Any], list[Policy]]:
    """Return the environment's id and options, and the policy, of an `.onnx` file."""
    env_id = required_env(arguments)
    probe = make_env(env_id, 1, arguments.seed)
    try:
        specs = dict(probe.behavior_specs)
    finally:
        close_reported(probe.close)
    return env_id, {}, [OnnxPolicy(arguments.run, specs, arguments.seed)]


def required_env(arguments: argparse.Namespace) -> str:
    """Return the option `--env`, which an `.onnx` file needs.

    Raises:
        UserError: it is missing.
    """
    if arguments.env is None:
        raise UserError(
            f"{arguments.run}: an .onnx file names no environment; add --env, an id or a Unity player"
        )
    env: str = arguments.env
    return env
