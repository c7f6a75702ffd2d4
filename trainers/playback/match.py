"""Games between two runs: `python -m trainers.evaluate RUN --against OTHER`."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from mlagents_envs.base_env import ActionTuple, BaseEnv, BehaviorSpec, DecisionSteps, TerminalSteps

from gym_adapters.actions import random_actions
from gym_adapters.errors import UserError, environment_called
from gym_adapters.teams import parts_of
from trainers.experience.checks import StepsChecker, checked_specs
from trainers.experience.playing import checked_steps
from trainers.maths.elo import rating_difference, results, score_interval
from trainers.records.policy_file import LoadedPolicy


class Side(Protocol):
    """One side of a match: chooses the actions of a behavior's agents."""

    def act(self, behavior: str, steps: DecisionSteps) -> ActionTuple:
        """Choose the actions of agents of the behavior `Name`, in their order."""


class RunSide:
    """The policies of a run.

    Args:
        policies: one for each behavior.
        deterministic: take the most likely actions; else draw samples.
    """

    def __init__(self, policies: Sequence[LoadedPolicy], deterministic: bool = True) -> None:
        self._policies = {policy.name: policy for policy in policies}
        self._deterministic = deterministic

    def forget(self) -> None:
        """Forget what the agents remember, before games begin."""
        for policy in self._policies.values():
            policy.forget()

    def act(self, behavior: str, steps: DecisionSteps) -> ActionTuple:
        """See `Side.act`.

        Raises:
            UserError: the run has no such behavior.
        """
        policy = self._policies.get(behavior)
        if policy is None:
            raise UserError(
                f"the environment has {behavior}; the run has {', '.join(sorted(self._policies))}"
            )
        agents = [(behavior, agent) for agent in steps.agent_id.tolist()]
        return policy.act(steps.obs, self._deterministic, steps.action_mask, agents)


class RandomSide:
    """Takes any allowed action with the same probability.

    Args:
        specs: the behaviors by name.
        seed: of its choices.
    """

    def __init__(self, specs: Mapping[str, BehaviorSpec], seed: int) -> None:
        self._specs, self._random = specs, np.random.default_rng(seed)

    def act(self, behavior: str, steps: DecisionSteps) -> ActionTuple:
        """See `Side.act`."""
        spec = self._specs[behavior].action_spec
        return random_actions(self._random, spec, len(steps), steps.action_mask)


@dataclass
class _Game:
    """The game of one copy, as the first side sees it: its living agents, their last rewards and their sum."""

    agents: set[int] = field(default_factory=set)
    last: float = 0.0
    total: float = 0.0
    over: bool = False


def teams_in(env: BaseEnv) -> list[int]:
    """Return the teams of an environment that has been reset.

    Raises:
        UserError: there are not two or more.
    """
    teams = sorted({team for _, team in map(parts_of, env.behavior_specs)})
    if len(teams) < 2:
        raise UserError(
            f"--against: the environment has one team ({', '.join(env.behavior_specs)}), so that nobody plays "
            "against anybody; train in one of two or more"
        )
    return teams


def play(env: BaseEnv, copies: int, first: Side, second: Side, team: int) -> np.ndarray:
    """Play one game in every copy of an environment.

    Args:
        env: an environment whose agents' ids modulo `copies` are the numbers of their copies, as in
            `ParallelEnvAdapter`; it is reset, and left open.
        copies: number of copies.
        first: plays `team`.
        second: plays all other teams.
        team: a team of the environment.

    Returns:
        The scores of the first side, (copies,): 1 won, 0.5 drawn, 0 lost (see `maths.elo.results`).

    Raises:
        UserError: the environment sends what does not fit its behaviors or is not finite.
    """
    with environment_called():
        env.reset()
        specs = checked_specs(env.behavior_specs)
    checkers = {behavior_id: StepsChecker(behavior_id, spec) for behavior_id, spec in specs.items()}
    games = [_Game() for _ in range(copies)]
    while not all(game.over for game in games):
        for behavior_id, checker in checkers.items():
            name, side_team = parts_of(behavior_id)
            decision, terminal = checked_steps(env, behavior_id, checker)
            if side_team == team:
                _follow(games, decision, terminal)
            if len(decision):
                actions = (first if side_team == team else second).act(name, decision)
                with environment_called():
                    env.set_actions(behavior_id, actions)
        with environment_called():
            env.step()
    return results(np.array([game.last for game in games]), np.array([game.total for game in games]))


def _follow(games: list[_Game], decision: DecisionSteps, terminal: TerminalSteps) -> None:
    """Add what the first side's agents received to the games that are not over."""
    for steps, ended in ((terminal, True), (decision, False)):
        rewards = steps.reward + steps.group_reward
        for agent, reward in zip(steps.agent_id.tolist(), rewards.tolist(), strict=True):
            game = games[agent % len(games)]
            if game.over:
                continue
            if ended:
                game.agents.discard(agent)
                game.last += reward
            else:
                game.agents.add(agent)
            game.total += reward
        if ended:
            for number in {agent % len(games) for agent in steps.agent_id.tolist()}:
                games[number].over = not games[number].agents


def report(scores: np.ndarray, name: str, other: str) -> dict[str, Any]:
    """Return the result of a match of n games, (n,) scores, for `--json` and `text`."""
    score = float(scores.mean())
    low, high = score_interval(scores.tolist())
    return {
        "run": name,
        "against": other,
        "games": len(scores),
        "won": int((scores == 1.0).sum()),
        "drawn": int((scores == 0.5).sum()),
        "lost": int((scores == 0.0).sum()),
        "score": score,
        "interval": [low, high],
        "elo": [rating_difference(low), rating_difference(score), rating_difference(high)],
    }


def text(found: Mapping[str, Any]) -> str:
    """Return the result of a match in words."""
    low, high = found["interval"]
    elo = [f"{value:+.0f}" if math.isfinite(value) else "beyond measure" for value in found["elo"]]
    return (
        f"{found['run']} against {found['against']}: {found['games']} games\n"
        f"won {found['won']}  drawn {found['drawn']}  lost {found['lost']}\n"
        f"score {found['score']:.3f}, with 95% probability from {low:.3f} to {high:.3f}\n"
        f"Elo difference {elo[1]}, from {elo[0]} to {elo[2]}\n"
    )
