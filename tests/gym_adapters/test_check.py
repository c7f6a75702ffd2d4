"""The checker passes what keeps the contract and catches every planted fault."""

import copy

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces
from gymnasium.vector import AutoresetMode
from mlagents_envs.base_env import BehaviorMapping
from small_envs import NAME, counters, scripted

from gym_adapters import ContractError, VectorEnvAdapter, check_env
from tests.refusals import refused

FLOATS = spaces.Box(-1, 1, (3,))


@pytest.mark.parametrize("mode", list(AutoresetMode))
@pytest.mark.parametrize("masked", [False, True])
def test_every_autoreset_mode_keeps_the_contract(mode, masked):
    check_env(counters([1, 2, 5], mode, masked=masked), steps=60)


def test_what_is_no_base_env_is_named():
    with pytest.raises(ContractError, match=r"is no BaseEnv; gym_adapters\.make_env"):
        check_env(gymnasium.make("CartPole-v1"))


def test_the_environment_stays_open():
    env = counters([3])
    check_env(env, steps=5)
    assert not env.vector_env.closed


class Faulty(VectorEnvAdapter):
    """An adapter with one fault in what it gives back."""

    def __init__(self, adapter: VectorEnvAdapter, fault) -> None:
        super().__init__(adapter.vector_env, NAME, 0)
        self.fault = fault
        self.kept = None

    def get_steps(self, behavior_name):
        decisions, terminals = super().get_steps(behavior_name)
        copies = copy.copy(decisions), copy.copy(terminals)
        self.fault(self, *copies)
        return copies


def reuse_buffer(env, decisions, _):
    """Gives out one array, over and over."""
    if env.kept is None:
        env.kept = decisions.obs[0].copy()
    env.kept[:] = decisions.obs[0]
    decisions.obs = [env.kept]


def end_a_stranger(_, decisions, terminals):
    if len(terminals):
        terminals.agent_id = terminals.agent_id + 100


def pay_at_the_start(_, decisions, terminals):
    decisions.reward = np.where(np.isin(decisions.agent_id, terminals.agent_id), 1, decisions.reward)
    decisions.reward = decisions.reward.astype(np.float32)


def give(name, value):
    """A fault that replaces one field of the decisions."""
    return lambda _, decisions, __: setattr(decisions, name, value(decisions))


def number_the_flags(_, decisions, terminals):
    terminals.interrupted = terminals.interrupted.astype(np.float32)


FAULTS = {
    "interrupted has type float32": number_the_flags,
    "was overwritten": reuse_buffer,
    "ended without having asked": end_a_stranger,
    "begins an episode with reward": pay_at_the_start,
    "obs[0] has shape": give("obs", lambda d: [d.obs[0][:, :2]]),
    "obs[0] has type float16": give("obs", lambda d: [d.obs[0].astype(np.float16)]),
    "obs has 2 arrays": give("obs", lambda d: d.obs * 2),
    "obs[0] holds a value that is not finite": give("obs", lambda d: [d.obs[0] * np.nan]),
    "reward has type float64": give("reward", lambda d: d.reward.astype(np.float64)),
    "reward has shape": give("reward", lambda d: d.reward[:, None]),
    "reward holds a value that is not finite": give("reward", lambda d: d.reward + np.float32(np.inf)),
    "an id twice": give("agent_id", lambda d: d.agent_id * 0),
    "agent_id has type float64": give("agent_id", lambda d: d.agent_id / 1),
    "agent_id is a list": give("agent_id", lambda d: d.agent_id.tolist()),
    "group_id has shape": give("group_id", lambda d: d.group_id[1:]),
    "group_reward has shape": give("group_reward", lambda d: d.group_reward[1:]),
    "2 action masks for 1": give("action_mask", lambda d: [np.zeros((len(d), 2), bool)] * 2),
    "action_mask[0] has type": give("action_mask", lambda d: [np.zeros((len(d), 2))]),
    "action_mask[0] has shape": give("action_mask", lambda d: [np.zeros((len(d), 3), bool)]),
    "forbids every action": give("action_mask", lambda d: [np.ones((len(d), 2), bool)]),
}


@pytest.mark.parametrize("message", FAULTS)
def test_planted_faults_are_caught(message):
    env = Faulty(scripted(FLOATS, spaces.Discrete(2)), FAULTS[message])
    assert message in refused(check_env, env, steps=40)


def test_an_episode_that_ends_twice_is_caught():
    """Agent 0 ends, and again in the step that begins its next episode, before it acted in that."""

    def end_again(_, decisions, terminals):
        if decisions.obs[0][0].tolist() == [1, 0]:
            terminals.obs = decisions.obs
            terminals.interrupted = np.ones(len(decisions), dtype=bool)
            for name in ("reward", "agent_id", "group_id", "group_reward"):
                setattr(terminals, name, getattr(decisions, name))

    with pytest.raises(ContractError, match=r"agents \[0\] ended without"):
        check_env(Faulty(counters([2, 9], AutoresetMode.NEXT_STEP), end_again), steps=20)


def test_a_flawless_copy_passes():
    """So it is the fault that is caught, not the wrapping."""
    check_env(Faulty(scripted(FLOATS, spaces.Discrete(2)), lambda *_: None), steps=40)


class Careless(VectorEnvAdapter):
    """Takes any action for any agent."""

    def set_actions(self, behavior_name, action):
        pass

    def set_action_for_agent(self, behavior_name, agent_id, action):
        pass


class Shrinking(VectorEnvAdapter):
    """Has another spec at every look."""

    looks = 0

    @property
    def behavior_specs(self):
        self.looks += 1
        spec = super().behavior_specs[NAME]
        return BehaviorMapping({NAME: spec._replace(observation_specs=spec.observation_specs * self.looks)})


class Nameless(VectorEnvAdapter):
    """Never says who it is."""

    behavior_specs = BehaviorMapping({})


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (Careless, "was accepted"),
        (Shrinking, "arrays|changed"),
        (Nameless, "behavior_specs is empty"),
    ],
)
def test_faulty_environments_are_caught(kind, message):
    env = kind(scripted(FLOATS, spaces.Discrete(2)).vector_env, NAME)
    with pytest.raises(ContractError, match=message):
        check_env(env, steps=20)


@pytest.mark.parametrize("steps", [None, (), (None, None)])
def test_what_is_no_pair_of_steps_is_named(steps):
    class Odd(VectorEnvAdapter):
        def get_steps(self, behavior_name):
            return steps

    with pytest.raises(ContractError, match=r"get_steps\(\)"):
        check_env(Odd(scripted(FLOATS, spaces.Discrete(2)).vector_env, NAME), steps=2)
