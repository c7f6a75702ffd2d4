"""Which behavior and team the agents of a PettingZoo environment have, and the options that change it."""

import sys
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from gymnasium import spaces

from gym_adapters import make_env
from gym_adapters.trust import needs_trust
from tests.refusals import refused
from tests.small_games import SmallGame

SOLDIERS = ("red_0", "blue_0", "red_1", "blue_1")


class Battle(SmallGame):
    """Red against blue, two soldiers each, or other agents; whoever is called medic sees more."""

    def __init__(self, possible_agents: tuple[str, ...] = SOLDIERS) -> None:
        self.possible_agents = list(possible_agents)

    def observation_space(self, agent: str) -> spaces.Space:
        return spaces.Box(-1.0, 1.0, (3 if agent.startswith("medic") else 2,), np.float32)


@pytest.fixture(autouse=True)
def battle(monkeypatch: pytest.MonkeyPatch) -> None:
    """`wars/battle_v0`."""
    package, module = ModuleType("wars"), ModuleType("wars.battle_v0")
    module.parallel_env = Battle  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "wars", package)
    monkeypatch.setitem(sys.modules, "wars.battle_v0", module)


def found(**options: Any) -> dict[str, list[str]]:
    """The agents of each behavior id."""
    env: Any = make_env("wars/battle_v0", 2, options=options)
    env.reset()
    for name, role in env.roles.items():
        assert len(env.get_steps(name)[0]) == 2 * len(role.agents)
    env.step()
    env.close()
    return {name: role.agents for name, role in env.roles.items()}


RED, BLUE = ["red_0", "red_1"], ["blue_0", "blue_1"]
FOUR = ("player_0", "player_1", "player_2", "player_3")


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, {"red": RED, "blue": BLUE}),
        ({"teams": True}, {"red?team=0": RED, "blue?team=1": BLUE}),
        ({"behaviors": {"red": "soldier", "blue": "soldier"}}, {"soldier": list(SOLDIERS)}),
        (
            {"behaviors": {"red": "soldier", "blue": "soldier"}, "teams": True, "grouped": True},
            {"soldier?team=0": RED, "soldier?team=1": BLUE},
        ),
        ({"behaviors": {"red_1": "scout"}}, {"red": ["red_0"], "blue": BLUE, "scout": ["red_1"]}),
        (
            {"behaviors": {"red_1": "scout"}, "teams": True},
            {"red?team=0": ["red_0"], "scout?team=0": ["red_1"], "blue?team=1": BLUE},
        ),
        ({"possible_agents": FOUR}, {"battle_v0": list(FOUR)}),
        (
            {"possible_agents": FOUR, "teams": {"player_0": 0, "player_2": 0, "player": 1}},
            {"battle_v0?team=0": ["player_0", "player_2"], "battle_v0?team=1": ["player_1", "player_3"]},
        ),
        (
            {
                "possible_agents": FOUR[:2],
                "behaviors": {"player_0": "cat", "player_1": "mouse"},
                "teams": True,
            },
            {"cat?team=0": ["player_0"], "mouse?team=1": ["player_1"]},
        ),
    ],
)
def test_options_say_which_behavior_and_team_agents_have(
    options: dict[str, Any], expected: dict[str, list[str]]
) -> None:
    assert found(**options) == expected


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (
            {"behaviors": {"green": "soldier"}},
            "env_options.behaviors: there is no agent 'green'; expected red, blue",
        ),
        ({"behaviors": {"red": 3}}, "env_options.behaviors: expected behaviors of agents"),
        ({"behaviors": ["red"]}, "env_options.behaviors: expected behaviors of agents"),
        ({"behaviors": {"red": "a?team=1"}}, "env_options.behaviors: expected behaviors of agents"),
        ({"teams": {"red": 0}}, "env_options.teams: gives 'blue_0' no team; add it"),
        ({"teams": {"red": True, "blue": 1}}, "env_options.teams: expected true, false, or the number"),
        ({"teams": {"red": -1, "blue": 1}}, "env_options.teams: expected true, false, or the number"),
        ({"teams": "yes"}, "env_options.teams: expected true, false, or the number"),
        ({"grouped": {}}, "env_options.grouped: expected true or false"),
        (
            {"possible_agents": ("red_0", "medic_0"), "behaviors": {"medic": "red"}},
            "'red_0' and 'medic_0' cannot both be 'red', since their spaces differ",
        ),
    ],
)
def test_options_that_do_not_fit_the_agents_are_named(options: dict[str, Any], words: str) -> None:
    assert words in refused(found, **options)


def test_options_of_the_adapter_need_no_trust() -> None:
    own = {"behaviors": {"adversary": "chaser"}}
    assert not needs_trust("mpe2/simple_tag_v3", own)
    assert "adversary" in needs_trust("Walker2d-v5", own)
