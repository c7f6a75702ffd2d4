"""What one copy of a PettingZoo environment tells of its agents, in the form that PettingZoo defines."""

from collections.abc import Callable, Collection, Mapping
from typing import Any, NamedTuple, NoReturn

from gym_adapters.errors import UserError, raised
from gym_adapters.values import described, one_flag, one_number


class Told(NamedTuple):
    """What a copy tells of its agents, by agent, in the order in which its `reset` or `step` returns it.

    Attributes:
        observations: Of those that it observes.
        rewards: Of those that lived before the step.
        terminated: The agents whose episode ended, and was not cut.
        over: The agents whose episode ended.
        infos: Of those about whom there is something to tell.
    """

    observations: Mapping[str, Any]
    rewards: Mapping[str, float]
    terminated: Collection[str]
    over: Collection[str]
    infos: Mapping[str, Any]


class CheckedCopy:
    """A copy of an environment, whose results are checked.

    Args:
        copy: A `pettingzoo.ParallelEnv`.
        where: Names it in messages.
        known: The agents that it may have.
    """

    def __init__(self, copy: Any, where: str, known: Collection[str]) -> None:
        self._copy, self._where, self._known = copy, where, known

    @property
    def agents(self) -> list[str]:
        """The agents that live."""
        agents = self._copy.agents
        if not isinstance(agents, Collection) or isinstance(agents, str):
            self.refuse("agents", described(agents), "a list of those whose episode goes on")
        for agent in agents:
            if agent not in self._known:
                self.refuse("agents", f"an agent {agent!r}", "only agents of possible_agents")
        return list(agents)

    def reset(self, seed: int | None) -> Told:
        """Begin an episode.

        Raises:
            UserError: The environment fails, or returns something else than two dictionaries by agent.
        """
        observations, infos = self._called("reset", lambda: self._copy.reset(seed=seed), 2)
        return Told(observations, {}, (), (), self._checked_infos(infos))

    def step(self, actions: Mapping[str, Any]) -> Told:
        """Let all agents that live act.

        Raises:
            UserError: The environment fails, or returns something else than five dictionaries by agent.
        """
        observations, rewards, terminated, truncated, infos = self._called(
            "step", lambda: self._copy.step(actions), 5
        )
        agents = actions.keys() | observations.keys()
        ended = {agent for agent in agents if self._flag("terminated", terminated, agent)}
        cut = {agent for agent in agents if self._flag("truncated", truncated, agent)}
        numbers = {agent: self._number(rewards.get(agent, 0.0), agent) for agent in actions}
        return Told(observations, numbers, ended, ended | cut, self._checked_infos(infos))

    def refuse(self, what: str, came: str, expected: str) -> NoReturn:
        """Raise an error that says what a result gave and what was expected."""
        raise UserError(f"{self._where}: {what} gave {came}; expected {expected}; change the environment")

    def _called(self, what: str, method: Callable[[], Any], count: int) -> Any:
        """Call a method, and return the dictionaries that it must return."""
        try:
            result = method()
        except (Exception, SystemExit) as error:
            raise UserError(f"{self._where}: {what} failed with {raised(error)}; mend its code") from error
        if (
            not isinstance(result, tuple)
            or len(result) != count
            or not all(isinstance(part, Mapping) for part in result)
        ):
            self.refuse(f"{what}()", described(result), f"{count} dictionaries by agent")
        for agent in result[0]:
            if agent not in self._known:
                self.refuse(f"{what}()", f"an agent {agent!r}", "only agents of possible_agents")
        return result

    def _checked_infos(self, infos: Mapping[str, Any]) -> Mapping[str, Any]:
        for agent, info in infos.items():
            if agent in self._known and info is not None and not isinstance(info, Mapping):
                self.refuse(f"the info of {agent}", described(info), "a dictionary")
        return infos

    def _flag(self, what: str, flags: Mapping[str, Any], agent: str) -> bool:
        flag = one_flag(flags.get(agent, False))
        if flag is None:
            self.refuse(f"{what} of {agent}", described(flags[agent]), "True or False")
        return flag

    def _number(self, value: Any, agent: str) -> float:
        number = one_number(value)
        if number is None:
            self.refuse(f"the reward of {agent}", described(value), "a number")
        return number
