"""Faults of PettingZoo environments: what is refused in one line, and what is mended."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from gymnasium import spaces

from gym_adapters import UserError, check_env
from gym_adapters.parallel_env import ParallelEnvAdapter
from tests.small_games import SmallGame

Result = tuple[dict[str, Any], ...]


class Pair(SmallGame):
    """Two agents, of whom the first ends after two steps and the second after four; each step pays 1."""

    possible_agents = ("pair_0", "pair_1")
    actions = spaces.Discrete(3)
    seen = spaces.Box(0.0, 8.0, (2,), np.float32)

    def look(self, agent: str) -> Any:
        return np.array([self.time, self.possible_agents.index(agent)], np.float32)

    def over(self, agent: str) -> bool:
        return self.time == 2 + 2 * self.possible_agents.index(agent)


def played(env: ParallelEnvAdapter, steps: int) -> tuple[list[Any], list[Any]]:
    """Returns what each decision and each end of the only behavior says: id, observation, reward."""
    found: tuple[list[Any], list[Any]] = ([], [])
    env.reset()
    for _ in range(steps):
        env.step()
        for rows, steps_ in zip(found, env.get_steps("pair_v0"), strict=True):
            rows += zip(steps_.agent_id.tolist(), steps_.obs[0].tolist(), steps_.reward.tolist(), strict=True)
    return found


class OneArray(Pair):
    """Writes every observation of an agent into the same array."""

    def __init__(self) -> None:
        self.arrays = {agent: np.zeros(2, np.float32) for agent in self.possible_agents}

    def look(self, agent: str) -> Any:
        self.arrays[agent][:] = super().look(agent)
        return self.arrays[agent]


def test_the_next_episode_does_not_overwrite_the_last_observation() -> None:
    env = ParallelEnvAdapter(OneArray, 2, "pair_v0")
    assert played(env, 9) == played(ParallelEnvAdapter(Pair, 2, "pair_v0"), 9)
    check_env(env, steps=30)


class Blinking(Pair):
    """Does not observe the second agent after odd steps, in which it does not end."""

    def step(self, actions: dict[str, Any]) -> Result:
        observations, *rest = super().step(actions)
        if self.time % 2:
            del observations["pair_1"]
        return observations, *rest


def test_an_agent_that_is_not_observed_is_paid_with_its_next_decision_or_its_end() -> None:
    deciding, ended = played(ParallelEnvAdapter(Blinking, 1, "pair_v0"), 4)
    assert [(agent, reward) for agent, _, reward in deciding] == [(0, 1.0), (1, 2.0), (2, 0.0), (3, 0.0)]
    assert ended == [(0, [2.0, 0.0], 1.0), (1, [4.0, 1.0], 2.0)]


class Staying(Pair):
    """Takes no agent from its list, and says of each in all later steps that it has ended."""

    def step(self, actions: dict[str, Any]) -> Result:
        self.agents = list(self.possible_agents)
        observations, rewards, over, *rest = super().step(actions)
        self.agents = list(self.possible_agents)
        over |= {"pair_0": self.time >= 2}
        return observations, rewards, over, *rest


def test_an_agent_that_ended_and_stays_in_the_list_has_ended() -> None:
    plain = played(ParallelEnvAdapter(Pair, 2, "pair_v0"), 9)
    assert played(ParallelEnvAdapter(Staying, 2, "pair_v0"), 9) == plain


def changed(change: Callable[[list[Any]], Any], kind: type[Pair] = Pair) -> type[Pair]:
    """Returns a kind of environment whose third step has another result."""

    class Changed(kind):  # type: ignore[misc, valid-type]
        def step(self, actions: dict[str, Any]) -> Any:
            result = list(super().step(actions))
            if self.time == 3:
                result = change(result) or result
            return tuple(result)

    return Changed


def of(**members: Any) -> type[Pair]:
    return type("Of", (Pair,), members)


def told(part: int, value: Any) -> Callable[[list[Any]], None]:
    return lambda result: result[part].update(pair_1=value)


class Leaving(Pair):
    """The second agent leaves without a word."""

    def step(self, actions: dict[str, Any]) -> Result:
        result = super().step(actions)
        if self.time == 3:
            self.agents = []
            for part in result:
                part.clear()
        return result


class Hiding(Pair):
    def reset(self, seed: int | None = None, options: Any = None) -> Result:
        result = super().reset(seed, options)
        self.agents.remove("pair_1")
        return result


class Crowded(Pair):
    def reset(self, seed: int | None = None, options: Any = None) -> Result:
        result = super().reset(seed, options)
        self.agents.append("stranger")
        return result


class Listless(Pair):
    def reset(self, seed: int | None = None, options: Any = None) -> Result:
        result = super().reset(seed, options)
        self.agents: Any = None
        return result


def raise_key(_: Any, agent: str) -> None:
    raise KeyError(agent)


MASKED = spaces.Dict({"observation": Pair.seen, "action_mask": spaces.MultiBinary(3)})
FAULTS: dict[str, type[Pair]] = {
    "no last observation of 'pair_1'": Leaving,
    "agents gave no 'pair_1', which has not ended": Hiding,
    "agents gave an agent 'stranger'; expected only agents of possible_agents": Crowded,
    r"step\(\) gave an agent 'stranger'": changed(lambda result: result[0].update(stranger=None)),
    "terminated of pair_1 gave 'no'; expected True or False": changed(told(2, "no")),
    r"truncated of pair_1 gave array\(\[False, False\]\)": changed(told(3, np.zeros(2, bool))),
    "the reward of pair_1 gave None; expected a number": changed(told(1, None)),
    "the info of pair_1 gave 'well'; expected a dictionary": changed(told(4, "well")),
    "agents gave None; expected a list": Listless,
    "an observation is array.*; expected a dictionary with 'observation'": of(seen=MASKED),
    "a dictionary without 'action_mask'": of(
        seen=MASKED, look=lambda *_: {"observation": np.zeros(2, np.float32)}
    ),
    "possible_agents, the names of all agents, got 3": of(possible_agents=3),
    r"possible_agents, the names of all agents, got \(0, 1\)": of(possible_agents=(0, 1)),
    "possible_agents has 'pair_0' twice": of(possible_agents=("pair_0", "pair_0")),
    r"observation_space\('pair_0'\) failed with KeyError: 'pair_0' .*test_checked_copy": of(
        observation_space=raise_key
    ),
    r"action_space\('pair_0'\) gave 4; expected a Gymnasium space": of(action_space=lambda *_: 4),
    "action space .* is empty; expected at least one action": of(actions=spaces.Box(0.0, 1.0, (0,))),
}


@pytest.mark.parametrize("said", FAULTS)
def test_a_fault_is_named_in_one_line(said: str) -> None:
    with pytest.raises(UserError, match=said) as caught:
        played(ParallelEnvAdapter(FAULTS[said], 1, "pair_v0"), 6)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("change", [told(1, np.array([1.0])), told(2, np.array(0)), told(4, None)])
def test_one_number_or_flag_in_an_array_is_one(change: Callable[[list[Any]], None]) -> None:
    plain = played(ParallelEnvAdapter(Pair, 1, "pair_v0"), 6)
    assert played(ParallelEnvAdapter(changed(change), 1, "pair_v0"), 6) == plain


@pytest.mark.parametrize(
    ("agents", "roles"),
    [
        (("red team_0", "red team_1"), {"red team": "red team_0", "red team 2": "red team_1"}),
        (("red_0", "red_1", "red 2_0"), {"red": "red_0", "red 2": "red_1", "red 2 2": "red 2_0"}),
        (("red 2_0", "red_0", "red_1"), {"red 2": "red 2_0", "red": "red_0", "red 3": "red_1"}),
    ],
)
def test_agents_of_other_spaces_have_another_role_whatever_their_names(
    agents: tuple[str, ...], roles: dict[str, str]
) -> None:
    class Unlike(Pair):
        possible_agents = agents

        def observation_space(self, agent: str) -> Any:
            return spaces.Box(0.0, 8.0, (2 + agents.index(agent),), np.float32)

    env = ParallelEnvAdapter(Unlike, 1, "unlike_v0")
    assert {name: role.agents for name, role in env.roles.items()} == {
        name: [agent] for name, agent in roles.items()
    }
