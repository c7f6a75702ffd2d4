"""Which episodes count when policies play: the first of each agent."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping

from mlagents_envs.base_env import BaseEnv, DecisionSteps, TerminalSteps

from gym_adapters.teams import parts_of

Place = tuple[str, int | None]
"""A behavior id, and the number of a copy if the environment tells it."""


class FirstEpisodes:
    """Tells which episodes count: the first of each agent, as far as the environment shows it.

    In a Unity player an agent has a new id in every episode. So an episode counts if it begins before any of its
    behavior id has ended. If the environment tells the copy of an agent (see `ParallelEnvAdapter.copy_of`), this holds
    in each copy, and more agents of a copy count while others play its first game.

    Args:
        env: the environment.
        limit: episodes; if given, those count instead that begin first in each behavior id.

    Attributes:
        running: the behavior id and agent id of the episodes that count and have not ended.
        begun: how many that count have begun, by behavior id.
    """

    def __init__(self, env: BaseEnv, limit: int | None = None) -> None:
        self.running: set[tuple[str, int]] = set()
        self.begun: Counter[str] = Counter()
        self._copy_of: Callable[[int], int | None] = getattr(env, "copy_of", lambda _: None)
        self._limit = limit
        self._ended: set[Place] = set()
        self._over: set[Place] = set()

    def take(
        self, found: Mapping[str, tuple[DecisionSteps, TerminalSteps]]
    ) -> dict[str, tuple[list[int], list[int]]]:
        """Take in a step.

        Args:
            found: who decides and whose episode ended, by behavior id.

        Returns:
            The rows of those who decide in an episode that counts, and of those whose episode counted, by behavior id.
        """
        ended = {name: self._end(name, terminal.agent_id.tolist()) for name, (_, terminal) in found.items()}
        games = {self._copy_of(agent) for _, agent in self.running} - {None}
        self._over |= {place for place in self._ended if place[1] not in games}
        return {
            name: (self._begin(name, decision.agent_id.tolist()), ended[name])
            for name, (decision, _) in found.items()
        }

    def lacking(self, behaviors: Iterable[str]) -> list[str]:
        """Return the behaviors of which nobody has begun, and the behavior ids that are short of the limit."""
        there = {parts_of(name)[0] for name in self.begun}
        few = [name for name, count in self.begun.items() if self._limit is not None and count < self._limit]
        return [*(name for name in behaviors if name not in there), *few]

    def _end(self, name: str, agents: list[int]) -> list[int]:
        rows = [row for row, agent in enumerate(agents) if (name, agent) in self.running]
        self.running.difference_update((name, agent) for agent in agents)
        self._ended.update((name, self._copy_of(agent)) for agent in agents)
        return rows

    def _begin(self, name: str, agents: list[int]) -> list[int]:
        for agent in agents:
            if (name, agent) not in self.running and self._counts(name, agent):
                self.running.add((name, agent))
                self.begun[name] += 1
        return [row for row, agent in enumerate(agents) if (name, agent) in self.running]

    def _counts(self, name: str, agent: int) -> bool:
        """Whether an episode counts that begins now."""
        if self._limit is not None:
            return self.begun[name] < self._limit
        return (name, self._copy_of(agent)) not in self._over
