"""PettingZoo environments as a `BaseEnv`: roles, groups, masks, agents that end early, and faults that are named."""

import sys
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from gymnasium import spaces
from mlagents_envs.base_env import ActionTuple
from mlagents_envs.exception import UnityActionException

from gym_adapters import UserError, check_env, make_env
from gym_adapters.parallel_env import ParallelEnvAdapter
from gym_adapters.trust import needs_trust
from tests.small_games import SmallGame

RUNNER = spaces.Box(-1.0, 1.0, (2,), np.float32)
JUDGE = spaces.Dict({"observation": spaces.Discrete(4), "action_mask": spaces.MultiBinary(3)})


class Relay(SmallGame):
    """Two runners and a judge. Runner 1 stops after two steps; the rest is truncated after four.

    Observations tell the step and the runner. Both runners get 0.5 while both run, and then the first gets 1.
    """

    possible_agents = ("runner_0", "runner_1", "judge_0")

    def __init__(self, **faults: Any) -> None:
        self.faults, self.seeds, self.taken = faults, [], []
        self.closed = False

    def observation_space(self, agent: str) -> spaces.Space:
        return JUDGE if agent == "judge_0" else RUNNER

    def action_space(self, agent: str) -> spaces.Space:
        return spaces.Discrete(3) if agent == "judge_0" else spaces.Box(0.0, 10.0, (1,), np.float32)

    def look(self, agent: str) -> Any:
        if agent == "judge_0":
            return {"observation": self.time % 4, "action_mask": np.array([1, 0, 1], np.int8)}
        return np.array([self.time / 8, int(agent[-1])], np.float32)

    def pay(self, actions: dict[str, Any]) -> dict[str, Any]:
        runner = 0.5 if len(self.agents) == 3 else 1.0
        return {agent: -1.0 if agent == "judge_0" else runner for agent in self.agents}

    def over(self, agent: str) -> bool:
        return agent == "runner_1" and self.time == 2

    def cut_off(self, agent: str) -> bool:
        return self.time == 4

    def reset(self, seed: int | None = None, options: Any = None) -> Any:
        self.seeds.append(seed)
        return super().reset(seed, options)

    def step(self, actions: dict[str, Any]) -> Any:
        self.taken.append(actions)
        assert set(actions) == set(self.agents)
        result: Any = super().step(actions)
        for name, wrong in self.faults.items():
            if name == "result":
                result = wrong
            elif name == "reward":
                result[1]["runner_0"] = wrong
            elif name == "observation":
                result[0]["runner_0"] = wrong
            elif name == "raises":
                raise wrong
        return result

    def close(self) -> None:
        self.closed = True


def adapter(copies: int = 2, grouped: bool = False, **faults: Any) -> ParallelEnvAdapter:
    return ParallelEnvAdapter(lambda: Relay(**faults), copies, "relay_v0", seed=5, grouped=grouped)


def test_the_contract_is_kept() -> None:
    check_env(adapter(3), steps=60)
    check_env(adapter(1, grouped=True), steps=60)


def test_agents_of_a_role_share_a_behavior() -> None:
    env = adapter()
    specs = env.behavior_specs
    assert list(specs) == ["runner", "judge"]
    assert specs["runner"].action_spec.continuous_size == 1
    assert specs["judge"].action_spec.discrete_branches == (3,)
    assert [spec.shape for spec in specs["judge"].observation_specs] == [(4,)], "without the mask"
    env.reset()
    assert len(env.get_steps("runner")[0]) == 4
    assert len(env.get_steps("judge")[0]) == 2
    assert [copy.seeds for copy in env.copies] == [[5], [6]]


class Alike(Relay):
    """All agents have the same role."""

    possible_agents = ("runner_0", "runner_1")


def test_a_single_role_has_the_name_of_the_environment() -> None:
    assert list(ParallelEnvAdapter(Alike, 1, "relay_v0").behavior_specs) == ["relay_v0"]


class Weighing(Relay):
    """The judge weighs what it chooses."""

    def action_space(self, agent: str) -> spaces.Space:
        choice = super().action_space(agent)
        return (
            spaces.Tuple((choice, spaces.Box(0.0, 5.0, (2,), np.float32))) if agent == "judge_0" else choice
        )

    def step(self, actions: dict[str, Any]) -> Any:
        for agent, action in actions.items():
            assert self.action_space(agent).contains(action), action
        assert "judge_0" not in actions or actions["judge_0"][0] != 1, "the mask forbids it"
        return super().step(actions)


def test_numbers_and_choices_are_one_action() -> None:
    env = ParallelEnvAdapter(Weighing, 2, "weighing_v0")
    actions = env.behavior_specs["judge"].action_spec
    assert (actions.continuous_size, actions.discrete_branches) == (2, (3,))
    check_env(env, steps=60)


def test_rewards_ends_and_ids_are_those_of_the_agents() -> None:
    env = adapter(1)
    env.reset()
    first = env.get_steps("runner")[0].agent_id.tolist()
    env.step()
    np.testing.assert_array_equal(env.get_steps("runner")[0].reward, [0.5, 0.5])
    env.step()
    deciding, ended = env.get_steps("runner")
    assert deciding.agent_id.tolist() == first[:1]
    assert ended.agent_id.tolist() == first[1:]
    assert ended.reward.tolist() == [0.5]
    assert not ended.interrupted.any()
    np.testing.assert_allclose(ended.obs[0], [[2 / 8, 1.0]])
    env.step()
    assert env.get_steps("runner")[0].reward.tolist() == [1.0]
    env.step()
    deciding, ended = env.get_steps("runner")
    assert ended.agent_id.tolist() == first[:1]
    assert ended.interrupted.all()
    assert set(deciding.agent_id.tolist()).isdisjoint(first), "the next episode has new agents"
    assert deciding.reward.tolist() == [0.0, 0.0]
    np.testing.assert_allclose(deciding.obs[0][:, 0], [0.0, 0.0])
    assert env.copies[0].seeds == [5, None], "later episodes go on with the random numbers of the first"


def test_what_a_group_earns_alike_is_the_group_s() -> None:
    env = adapter(2, grouped=True)
    env.reset()
    deciding = env.get_steps("runner")[0]
    assert len(set(deciding.group_id.tolist())) == 2
    assert (deciding.group_id > 0).all()
    env.step()
    deciding = env.get_steps("runner")[0]
    assert deciding.reward.tolist() == [0.0] * 4
    assert deciding.group_reward.tolist() == [0.5] * 4
    judges = env.get_steps("judge")[0]
    assert judges.group_reward.tolist() == [-1.0] * 2
    assert set(judges.group_id.tolist()).isdisjoint(deciding.group_id.tolist())


def test_actions_reach_their_agents_in_the_environment_s_units() -> None:
    env = adapter(1)
    env.reset()
    env.set_actions("runner", ActionTuple(continuous=np.array([[-1.0], [1.0]], np.float32)))
    env.set_actions("judge", ActionTuple(discrete=np.array([[2]], np.int32)))
    env.step()
    taken = env.copies[0].taken[0]
    assert taken["runner_0"].tolist() == [0.0]
    assert taken["runner_1"].tolist() == [10.0]
    assert taken["judge_0"] == 2
    env.step()
    assert env.copies[0].taken[1]["runner_0"].tolist() == [5.0], "what was not set again is 0"
    with pytest.raises(UnityActionException, match="unknown behavior 'spectator'"):
        env.get_steps("spectator")
    with pytest.raises(UnityActionException, match="outside its branches"):
        env.set_actions("judge", ActionTuple(discrete=np.array([[3]], np.int32)))


def test_masks_come_from_the_observation_or_from_info() -> None:
    env = adapter(1)
    env.reset()
    (mask,) = env.get_steps("judge")[0].action_mask
    np.testing.assert_array_equal(mask, [[False, True, False]])
    assert env.get_steps("runner")[0].action_mask is None


class Turns(Relay):
    """The judge may act at every second step only; its mask forbids everything at the others."""

    def look(self, agent: str) -> Any:
        seen = super().look(agent)
        if agent == "judge_0" and self.time % 2:
            seen["action_mask"] = np.zeros(3, np.int8)
        return seen


def test_an_agent_that_may_do_nothing_waits_and_is_paid_later() -> None:
    env = ParallelEnvAdapter(Turns, 1, "relay_v0")
    check_env(env, steps=40)
    env.reset()
    judge = env.get_steps("judge")[0].agent_id.tolist()
    env.step()
    assert len(env.get_steps("judge")[0]) == 0
    env.step()
    deciding = env.get_steps("judge")[0]
    assert deciding.agent_id.tolist() == judge
    assert deciding.reward.tolist() == [-2.0]


class Busy(Relay):
    """Cannot be closed well."""

    def close(self) -> None:
        super().close()
        raise OSError("busy")


def test_every_copy_is_closed_even_if_one_fails() -> None:
    env = ParallelEnvAdapter(Busy, 3, "relay_v0")
    with pytest.raises(OSError, match="busy"):
        env.close()
    assert all(copy.closed for copy in env.copies)


class Nobody(Relay):
    possible_agents = ()


@pytest.mark.parametrize(("kind", "fails_at"), [(Busy, 2), (Nobody, 9)])
def test_copies_are_closed_if_the_rest_cannot_be_made(kind: type[Relay], fails_at: int) -> None:
    made: list[Relay] = []

    def make() -> Relay:
        if len(made) == fails_at:
            raise UserError("no fuel")
        made.append(kind())
        return made[-1]

    with pytest.raises(UserError, match=r"no fuel|possible_agents"):
        ParallelEnvAdapter(make, 3, "relay_v0")
    assert made
    assert all(copy.closed for copy in made)


FAULTS = {
    "result": ((1, 2), r"step\(\) gave .*; expected 5 dictionaries by agent"),
    "reward": ("much", "the reward of runner_0 gave .*; expected a number"),
    "observation": (np.zeros(3, np.float32), "observation"),
    "raises": (RuntimeError("no fuel"), "step failed with RuntimeError: no fuel"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_what_is_wrong_is_one_line(name: str) -> None:
    wrong, said = FAULTS[name]
    env = adapter(1, **{name: wrong})
    env.reset()
    with pytest.raises(UserError, match=said) as caught:
        env.step()
    assert "\n" not in str(caught.value)


def module(name: str, **members: Any) -> ModuleType:
    made = ModuleType(name)
    made.__dict__.update(members)
    return made


def test_an_environment_is_found_by_package_and_module(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "games", module("games"))
    monkeypatch.setitem(sys.modules, "games.relay_v0", module("games.relay_v0", parallel_env=Relay))
    env = make_env("games/relay_v0", num_envs=3, options={"grouped": True})
    assert env.title == "relay_v0"
    env.reset()
    assert len(env.get_steps("judge")[0]) == 3
    env.close()
    assert needs_trust("games/relay_v0", {}).startswith("import the module 'games'")
    assert needs_trust("mpe2/simple_spread_v3", {}) == ""
    with pytest.raises(UserError, match="grouped: expected true or false, got 'yes'"):
        make_env("games/relay_v0", num_envs=1, options={"grouped": "yes"})
    with pytest.raises(UserError, match="check the name"):
        make_env("games/chess_v0", num_envs=1)
    for name in [name for name in sys.modules if name.partition(".")[0] == "mpe2"]:  # of an earlier test
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "path", [])
    with pytest.raises(
        UserError, match=r"install the extra pettingzoo, or run: .*pip install pettingzoo mpe2"
    ):
        make_env("mpe2/simple_spread_v3", num_envs=1)
    monkeypatch.setitem(sys.modules, "mpe2", module("mpe2"))
    with pytest.raises(UserError, match="check the name"):
        make_env("mpe2/simple_spred_v3", num_envs=1)
    monkeypatch.setitem(sys.modules, "games.empty_v0", module("games.empty_v0"))
    with pytest.raises(UserError, match="neither parallel_env nor env"):
        make_env("games/empty_v0", num_envs=1)
