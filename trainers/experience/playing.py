"""Plays episodes by policies that do not learn: in evaluations of a run, and after training."""

import logging
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

import numpy as np
from mlagents_envs.base_env import ActionTuple, BaseEnv, DecisionSteps, TerminalSteps

from gym_adapters.errors import UserError, environment_called
from gym_adapters.teams import parts_of
from trainers.experience.checks import StepsChecker, checked_pair, checked_specs

logger = logging.getLogger(__name__)

FIRST_NOTICE = 5000
"""Steps after which it is said that episodes have not ended; said again after twice as many, and so on."""


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


@dataclass
class Played:
    """One agent's episode.

    Attributes:
        total: its raw return, the agent's own rewards and its group's.
        length: its decisions.
    """

    total: float = 0.0
    length: int = 0


def play_all(
    env: BaseEnv,
    policies: Sequence[Policy],
    deterministic: bool = True,
    played: dict[int, list[ActionTuple]] | None = None,
) -> dict[str, list[Played]]:
    """Play one episode with every agent of the games with which `env` starts.

    These are the agents that decide in the first step. If `env` tells the copy of an agent (see
    `ParallelEnvAdapter.copy_of`), they are also those that come later while the first game of their copy goes on, as
    the second player of a game of turns does.

    Args:
        env: an environment with the policies' behaviors; it is reset, and left open.
        policies: one for each behavior that acts.
        deterministic: take the most likely actions; else draw samples.
        played: is filled with the actions of each agent's episode, by agent id.

    Returns:
        The episodes by behavior, in order of agent id.

    Raises:
        UserError: the environment has no such behavior, or sends what does not fit it or is not
            finite.
    """
    playing = begin(env, policies)
    copy_of: Callable[[int], int | None] = getattr(env, "copy_of", lambda _: None)
    running: dict[tuple[str, int], Played] = {}
    finished: dict[tuple[str, int], Played] = {}
    step, notice = 0, FIRST_NOTICE
    while not step or running:
        found = {name: checked_steps(env, name, checker) for name, (_, checker) in playing.items()}
        for name, (_, terminal) in found.items():
            playing[name][0].forget((name, agent) for agent in terminal.agent_id.tolist())
            for agent, reward in _rewards(terminal):
                if (name, agent) in running:
                    finished[name, agent] = running.pop((name, agent))
                    finished[name, agent].total += reward
        games = {copy_of(agent) for _, agent in running} - {None}
        for name, (decision, _) in found.items():
            for agent, reward in _rewards(decision):
                if (name, agent) in running:
                    running[name, agent].total += reward
                elif not step or copy_of(agent) in games:
                    running[name, agent] = Played()
                if (name, agent) in running:
                    running[name, agent].length += 1
            if len(decision):
                agents = [(name, agent) for agent in decision.agent_id.tolist()]
                actions = playing[name][0].act(decision.obs, deterministic, decision.action_mask, agents)
                with environment_called():
                    env.set_actions(name, actions)
                if played is not None:
                    for row, agent in enumerate(decision.agent_id.tolist()):
                        if (name, agent) in running:
                            one = slice(row, row + 1)
                            action = ActionTuple(actions.continuous[one], actions.discrete[one])
                            played.setdefault(agent, []).append(action)
        step += 1
        if step == notice:
            logger.warning(
                "%s: %d of %d episodes have ended after %d steps; playing goes on until all have, Ctrl-C stops it",
                ", ".join(policy.name for policy in policies),
                len(finished),
                len(finished) + len(running),
                step,
            )
            notice *= 2
        with environment_called():
            env.step()
    return {
        behavior: [finished[name, agent] for name, agent in sorted(finished) if parts_of(name)[0] == behavior]
        for behavior in (policy.name for policy in policies)
    }


def _rewards(steps: DecisionSteps | TerminalSteps) -> Iterator[tuple[int, float]]:
    """Yield each agent's id, and the sum of its own reward and its group's."""
    own, group = steps.reward.tolist(), steps.group_reward.tolist()
    for agent, mine, ours in zip(steps.agent_id.tolist(), own, group, strict=True):
        yield agent, mine + ours
