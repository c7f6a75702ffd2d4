"""Games between two runs: `python -m trainers.evaluate RUN --against OTHER`."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from mlagents_envs.base_env import ActionTuple, BaseEnv, BehaviorSpec, DecisionSteps, TerminalSteps
from mlagents_envs.exception import UnityActionException

from gym_adapters.actions import checked_choices, random_actions
from gym_adapters.errors import UserError, environment_called, raised
from gym_adapters.teams import parts_of
from gym_adapters.text import joined_lines
from gym_adapters.values import described
from trainers.experience.playing import Policy, actions_of, steps_of
from trainers.maths.elo import rating_difference, score_interval

SAME = 1e-6
"""Returns that differ by less, in parts of them or in all, are equal: float32 rewards were rounded."""


class Side(Protocol):
    """One side of a match: chooses the actions of a behavior's agents."""

    def act(self, behavior: str, steps: DecisionSteps) -> ActionTuple:
        """Choose the actions of agents of the behavior `Name`, in their order."""


class PolicySide:
    """The policies of a run, or of a file.

    Args:
        policies: one for each behavior.
        deterministic: take the most likely actions; else draw samples.
    """

    def __init__(self, policies: Sequence[Policy], deterministic: bool = True) -> None:
        self._policies = {policy.name: policy for policy in policies}
        self._deterministic = deterministic

    def forget(self) -> None:
        """Forget what the agents remember, before games begin."""
        for policy in self._policies.values():
            policy.forget()

    def act(self, behavior: str, steps: DecisionSteps) -> ActionTuple:
        """See `Side.act`.

        Raises:
            UserError: there is no policy for it.
        """
        policy = self._policies.get(behavior)
        if policy is None:
            raise UserError(
                f"the environment has {behavior}; the run has {', '.join(sorted(self._policies))}"
            )
        return actions_of(policy, behavior, steps, self._deterministic)


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


class OwnSide:
    """A player of the user's own. What goes wrong in it is one line that names it.

    Args:
        name: what it is called, with which errors begin.
        player: it; a `Side`.
        specs: the behaviors by name.

    Raises:
        UserError: it has no method `act`. So does `act` if the player fails, or takes no action of the behavior.
    """

    def __init__(self, name: str, player: Any, specs: Mapping[str, BehaviorSpec]) -> None:
        if not callable(getattr(player, "act", None)):
            raise UserError(f"{name}: has no method act(self, behavior, steps); write it")
        self._name, self._player, self._specs = name, player, specs

    def act(self, behavior: str, steps: DecisionSteps) -> ActionTuple:
        """See `Side.act`."""
        spec = self._specs[behavior].action_spec
        try:
            given = self._player.act(behavior, steps)
        except UserError:
            raise
        except (Exception, SystemExit) as error:
            raise UserError(f"{self._name}: act raised {raised(error)}; mend it") from error
        if not isinstance(given, ActionTuple):
            raise UserError(
                f"{self._name}: act gave {described(given)}; expected a mlagents_envs.base_env.ActionTuple"
            )
        try:
            action = checked_choices(spec, given, len(steps), behavior)
        except UnityActionException as error:
            raise UserError(f"{self._name}: act: {joined_lines(error)}; change it") from error
        if not np.isfinite(action.continuous).all():
            raise UserError(f"{self._name}: act gave an action that is not finite; change it")
        for branch, forbidden in enumerate(steps.action_mask or ()):
            if forbidden[np.arange(len(steps)), action.discrete[:, branch]].any():
                raise UserError(
                    f"{self._name}: act took an action that steps.action_mask[{branch}] forbids (True); look at it"
                )
        return action


class _Game:
    """The game of one copy."""

    def __init__(self) -> None:
        self._returns: tuple[dict[int, float], dict[int, float]] = ({}, {})  # of each side's agents
        self._alive: set[int] = set()
        self.over = False

    def earn(self, side: int, agent: int, reward: float, ended: bool) -> None:
        """Add what an agent of the first side, 0, or the second, 1, received."""
        self._returns[side][agent] = self._returns[side].get(agent, 0.0) + reward
        (self._alive.discard if ended else self._alive.add)(agent)

    def settle(self) -> None:
        """Called between the ends and the decisions of a step: see whether the game is over."""
        self.over = any(self._returns) and not self._alive

    @property
    def result(self) -> float:
        """1 if the first side has won, 0.5 if nobody has, 0 if it has lost."""
        first, second = (sum(returns.values()) / max(len(returns), 1) for returns in self._returns)
        return 0.5 if math.isclose(first, second, rel_tol=SAME, abs_tol=SAME) else float(first > second)


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


def play_games(env: BaseEnv, copies: int, first: Side, second: Side, team: int) -> np.ndarray:
    """Play one game in every copy of an environment.

    The side wins whose agents have the larger mean return, own and group rewards together. Equal ones are a draw.

    Args:
        env: an environment whose agents' ids modulo `copies` are the numbers of their copies, as in
            `ParallelEnvAdapter`; it is reset, and left open.
        copies: number of copies.
        first: plays `team`.
        second: plays all other teams.
        team: a team of the environment.

    Returns:
        The scores of the first side, (copies,): 1 won, 0.5 drawn, 0 lost.

    Raises:
        UserError: the environment sends what does not fit its behaviors or is not finite.
    """
    side_of = {behavior_id: int(parts_of(behavior_id)[1] != team) for behavior_id in env.behavior_specs}
    games = [_Game() for _ in range(copies)]
    for found in steps_of(env, {parts_of(behavior_id)[0] for behavior_id in side_of}):
        if all(game.over for game in games):
            break
        for behavior_id, (_, terminal) in found.items():
            _follow(games, side_of[behavior_id], terminal)
        for game in games:
            game.settle()
        for behavior_id, (decision, _) in found.items():
            _follow(games, side_of[behavior_id], decision)
            if len(decision):
                side = second if side_of[behavior_id] else first
                actions = side.act(parts_of(behavior_id)[0], decision)
                with environment_called():
                    env.set_actions(behavior_id, actions)
    return np.array([game.result for game in games])


def _follow(games: list[_Game], side: int, steps: DecisionSteps | TerminalSteps) -> None:
    """Add what agents received to the games that are not over."""
    ended = isinstance(steps, TerminalSteps)
    rewards = steps.reward + steps.group_reward
    for agent, reward in zip(steps.agent_id.tolist(), rewards.tolist(), strict=True):
        game = games[agent % len(games)]
        if not game.over:
            game.earn(side, agent, reward, ended)


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
