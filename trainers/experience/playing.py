"""Plays episodes by policies that do not learn: in evaluations of a run, and after training."""

import logging
from collections.abc import Collection, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

import numpy as np
from mlagents_envs.base_env import ActionTuple, BaseEnv, BehaviorSpec, DecisionSteps, TerminalSteps

from gym_adapters.errors import UserError, environment_called
from gym_adapters.teams import parts_of
from trainers.experience.checks import StepsChecker, checked_pair, checked_specs
from trainers.experience.first_episodes import FirstEpisodes
from trainers.networks.behavior_spec import require_same_actions

logger = logging.getLogger(__name__)

FIRST_NOTICE = 5000
"""Steps after which it is said that episodes have not ended; said again after twice as many, and so on."""
PATIENCE = 1000
"""Steps in which nobody plays an episode that counts, while an agent is waited for that has not come."""


class Policy(Protocol):
    """What plays: a `LoadedPolicy` or an `OnnxPolicy`, which say what the methods do."""

    name: str
    spec: BehaviorSpec

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


Seen = dict[str, tuple[DecisionSteps, TerminalSteps]]
"""What the agents that decide and those whose episode ended observed, by behavior id."""


def steps_of(env: BaseEnv, behaviors: Collection[str]) -> Iterator[Seen]:
    """Reset an environment and step it for ever, with the actions that are set meanwhile.

    Behaviors may appear after the reset, as those of a Unity player do when their first agent asks.

    Args:
        env: the environment; it is left open.
        behaviors: the names of those to look at.

    Raises:
        UserError: the environment sends what does not fit its behaviors or is not finite.
    """
    checkers: dict[str, StepsChecker] = {}
    with environment_called():
        env.reset()
    while True:
        with environment_called():
            for name, spec in checked_specs(env.behavior_specs).items():
                if name not in checkers and parts_of(name)[0] in behaviors:
                    checkers[name] = StepsChecker(name, spec)
            pairs = {name: checked_pair(name, env.get_steps(name)) for name in checkers}
        yield {
            name: (checkers[name].checked(decision), checkers[name].checked(terminal))
            for name, (decision, terminal) in pairs.items()
        }
        with environment_called():
            env.step()


def actions_of(policy: Policy, name: str, steps: DecisionSteps, deterministic: bool) -> ActionTuple:
    """Return the actions of the agents of a behavior id by a policy, which knows each by this id and its own."""
    agents = [(name, agent) for agent in steps.agent_id.tolist()]
    return policy.act(steps.obs, deterministic, steps.action_mask, agents)


@dataclass(frozen=True)
class Acted(Generic[Player]):
    """What the agents of a behavior id observed in a step, and what they then did.

    Attributes:
        behavior_id: such as `Name?team=0`.
        policy: acts for them.
        decision: what those that decide observed.
        terminal: what those whose episode ended observed.
        actions: of those that decide, in their order.
        counted: the rows of `decision` whose episode counts.
        ended: the rows of `terminal` whose episode counted.
    """

    behavior_id: str
    policy: Player
    decision: DecisionSteps
    terminal: TerminalSteps
    actions: ActionTuple
    counted: list[int]
    ended: list[int]


def play(
    env: BaseEnv, policies: Sequence[Player], deterministic: bool = True, limit: int | None = None
) -> Iterator[list[Acted[Player]]]:
    """Reset an environment, and let policies act until the episodes that count have ended.

    Args:
        env: an environment with the policies' behaviors, which may appear after the reset; it is left open.
        policies: one for each behavior that acts.
        deterministic: take the most likely actions; else draw samples.
        limit: see `FirstEpisodes`.

    Yields:
        What the agents of each behavior id did, once per step, before the environment takes the step.

    Raises:
        UserError: no agent of a behavior begins while nobody else plays, or the environment sends what does not fit
            it or is not finite.
    """
    known = {policy.name: policy for policy in policies}
    for policy in policies:
        policy.forget()
    episodes = FirstEpisodes(env, limit)
    compared: set[str] = set()
    idle, notice = 0, FIRST_NOTICE
    for step, found in enumerate(steps_of(env, known), start=1):
        if not (episodes.running or episodes.lacking(known)):
            return
        if idle == PATIENCE:
            raise _nobody(env.behavior_specs, episodes.lacking(known), episodes)
        for name in found.keys() - compared:
            owner, expected = parts_of(name)[0], env.behavior_specs[name].action_spec
            made = known[owner].spec.action_spec
            require_same_actions(f"policy {owner}", made, expected, "the environment")
            compared.add(name)
        rows = episodes.take(found)
        acted = []
        for name, (decision, terminal) in found.items():
            policy = known[parts_of(name)[0]]
            policy.forget((name, agent) for agent in terminal.agent_id.tolist())
            actions = ActionTuple()
            if len(decision):
                actions = actions_of(policy, name, decision, deterministic)
                with environment_called():
                    env.set_actions(name, actions)
            acted.append(Acted(name, policy, decision, terminal, actions, *rows[name]))
        yield acted
        idle = 0 if episodes.running else idle + 1
        if step == notice:
            begun = episodes.begun.total()
            logger.warning(
                "%s: %d of %d episodes have ended after %d steps; playing goes on until all have, Ctrl-C stops it",
                ", ".join(known),
                begun - len(episodes.running),
                begun,
                step,
            )
            notice *= 2


def specs_with(env: BaseEnv, wanted: Sequence[str]) -> dict[str, BehaviorSpec]:
    """Reset an environment, step it until it has one of some behaviors, or for `PATIENCE` steps. Return its behaviors.

    It is said at once for what it waits.
    """
    with environment_called():
        env.reset()
        specs = checked_specs(env.behavior_specs)
        for step in range(PATIENCE):
            if not {parts_of(name)[0] for name in specs}.isdisjoint(wanted):
                break
            if step == 0:
                logger.warning(
                    "waiting up to %s steps for behavior %s; the player has %s so far",
                    f"{PATIENCE:,}",
                    " or ".join(wanted),
                    ", ".join(specs) or "none",
                )
            env.step()
            specs = checked_specs(env.behavior_specs)
    return specs


def match_behaviors(env: BaseEnv, policies: Sequence[Policy]) -> None:
    """Match policies with the behaviors of an environment that knows all of them from the start.

    They have the same names. A single policy takes the name of a single behavior with the same observations and
    actions, such as that of another version of its task.

    Raises:
        UserError: it lacks one.
    """
    with environment_called():
        specs = checked_specs(env.behavior_specs)
    there = {parts_of(name)[0] for name in specs}
    missing = [policy.name for policy in policies if policy.name not in there]
    if missing and len(policies) == len(there) == 1:
        (policy,), (name,) = policies, there
        if all(_same_spaces(policy.spec, spec) for spec in specs.values()):
            policy.name, missing = name, []
    if missing:
        raise UserError(_missing(specs, missing))


def _same_spaces(one: BehaviorSpec, other: BehaviorSpec) -> bool:
    """Whether the agents of two behaviors observe and do the same, as far as that is known."""
    seen = [[observation.shape for observation in spec.observation_specs] for spec in (one, other)]
    return seen[0] == seen[1] and one.action_spec == other.action_spec


def _missing(specs: Iterable[str], missing: Sequence[str]) -> str:
    return f"the environment has {', '.join(specs) or 'no behavior'}; the policy is for {', '.join(sorted(missing))}"


def _nobody(specs: Iterable[str], lacking: Sequence[str], episodes: FirstEpisodes) -> UserError:
    """Return the error that nobody has begun an episode for too long."""
    waited = f"in {PATIENCE:,} steps"
    if missing := [name for name in lacking if name not in episodes.begun]:
        return UserError(f"{_missing(specs, missing)}, of which no agent asked for a decision {waited}")
    begun = ", ".join(f"{episodes.begun[name]:,} of {name}" for name in lacking)
    return UserError(f"only {begun} began an episode, and no other agent {waited}; ask for fewer episodes")


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
    env: BaseEnv, policies: Sequence[Policy], played: dict[int, list[ActionTuple]] | None = None
) -> dict[str, list[Played]]:
    """Play the first episode of every agent by the likeliest actions, as far as `env` tells which episode that is.

    See `FirstEpisodes`.

    Args:
        env: an environment with the policies' behaviors; it is reset, and left open.
        policies: one for each behavior that acts.
        played: is filled with the actions of each agent's episode, by agent id.

    Returns:
        The episodes by behavior, at least one each, in order of behavior id and agent id.

    Raises:
        UserError: see `play`.
    """
    found = play_ids(env, policies, played=played)
    return {
        policy.name: [
            one for name in sorted(found) if parts_of(name)[0] == policy.name for one in found[name]
        ]
        for policy in policies
    }


def play_ids(
    env: BaseEnv,
    policies: Sequence[Policy],
    deterministic: bool = True,
    played: dict[int, list[ActionTuple]] | None = None,
) -> dict[str, list[Played]]:
    """Play as `play_all` does, and return the episodes by behavior id, in order of agent id.

    If `deterministic` is false, actions are sampled.
    """
    running: dict[tuple[str, int], Played] = {}
    finished: dict[tuple[str, int], Played] = {}
    for step in play(env, policies, deterministic):
        for acted in step:
            name, decision, terminal = acted.behavior_id, acted.decision, acted.terminal
            agents, rewards = terminal.agent_id.tolist(), _rewards(terminal)
            for row in acted.ended:
                episode = finished[name, agents[row]] = running.pop((name, agents[row]))
                episode.total += rewards[row]
            agents, rewards = decision.agent_id.tolist(), _rewards(decision)
            for row in acted.counted:
                agent, one = agents[row], slice(row, row + 1)
                if (name, agent) in running:
                    running[name, agent].total += rewards[row]
                else:
                    running[name, agent] = Played()
                running[name, agent].length += 1
                if played is not None:
                    action = ActionTuple(acted.actions.continuous[one], acted.actions.discrete[one])
                    played.setdefault(agent, []).append(action)
    found: dict[str, list[Played]] = {}
    for name, agent in sorted(finished):
        found.setdefault(name, []).append(finished[name, agent])
    return found


def _rewards(steps: DecisionSteps | TerminalSteps) -> list[float]:
    """Return the sum of each agent's own reward and its group's."""
    own, group = steps.reward.tolist(), steps.group_reward.tolist()
    return [mine + ours for mine, ours in zip(own, group, strict=True)]
