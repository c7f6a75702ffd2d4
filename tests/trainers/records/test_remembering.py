"""A loaded policy with memory, agent by agent."""

from pathlib import Path

import numpy as np
import pytest
import torch
from scripted_env import make_spec

from trainers import UserError
from trainers.config import NetworkSettings
from trainers.config.network import MemorySettings
from trainers.networks.actor_critic import ActorCritic
from trainers.records.checkpoint import load_state, save_state
from trainers.records.policy_file import LoadedPolicy

SIZE = 8


def loaded(folder: Path, memory: bool = True) -> LoadedPolicy:
    settings = NetworkSettings(
        hidden_units=8, num_layers=1, memory=MemorySettings(memory_size=SIZE) if memory else None
    )
    policy = ActorCritic(make_spec((3,), continuous=2), settings)
    generator = torch.Generator().manual_seed(0)
    for parameter in policy.parameters():
        parameter.data.normal_(generator=generator)
    state = {
        "trainer_type": "ppo",
        "global_step": 0,
        "Policy": policy.state_dict(),
        "behavior": {"name": "Test", **policy.description()},
    }
    save_state(folder / "policy.pt", state)
    return LoadedPolicy(load_state(folder / "policy.pt"), folder / "policy.pt")


def test_agents_keep_their_memory_in_any_order_and_company(tmp_path):
    policy, rng = loaded(tmp_path), np.random.default_rng(0)
    memories = {name: np.zeros((1, SIZE), np.float32) for name in "abc"}
    for present in ("ab", "cba", "b", "ca", "abc", "bc"):
        observations = rng.normal(size=(len(present), 3)).astype(np.float32)
        actions = policy.act(observations, agents=list(present)).continuous
        for row, name in enumerate(present):
            alone = policy.policy.choose([observations[row : row + 1]], None, True, None, memories[name])
            memories[name] = alone.memory
            expected = policy.policy.to_environment(alone).continuous
            np.testing.assert_allclose(actions[row : row + 1], expected, atol=1e-6)
        if "c" not in present:
            policy.forget("a")
            memories["a"] = np.zeros((1, SIZE), np.float32)


def test_what_was_seen_counts_until_it_is_forgotten(tmp_path):
    policy = loaded(tmp_path)
    one, other = np.ones(3, np.float32), -np.ones(3, np.float32)
    first = policy.predict(one)
    policy.predict(other)
    assert np.abs(policy.predict(one) - first).max() > 1e-4
    policy.forget()
    np.testing.assert_array_equal(policy.predict(one), first)
    both = np.stack([one, one])
    policy.forget()
    policy.predict(np.stack([one, other]))
    policy.forget([1])
    again = policy.predict(both)
    np.testing.assert_allclose(again[1], first, atol=1e-6)
    assert np.abs(again[0] - again[1]).max() > 1e-4


def test_agents_that_act_in_turn_remember_by_their_names(tmp_path):
    """As in a loop over the agents of a PettingZoo environment."""
    policy, apart = loaded(tmp_path), {name: loaded(tmp_path) for name in ("red", "blue")}
    rng = np.random.default_rng(1)
    for _ in range(3):
        for name, own in apart.items():
            observation = rng.normal(size=3).astype(np.float32)
            expected = own.predict(observation)
            np.testing.assert_allclose(policy.predict(observation, agents=name), expected, atol=1e-6)
    both = np.ones((2, 3), np.float32)
    policy.forget(["red"])
    apart["red"].forget()
    found = policy.predict(both, agents=["red", "blue"])
    for row, own in zip(found, apart.values(), strict=True):
        np.testing.assert_allclose(row, own.predict(both[0]), atol=1e-6)
    with pytest.raises(UserError, match="agents: expected 2 names, one for each observation, got 3"):
        policy.predict(both, agents=["red", "blue", "green"])


def test_without_memory_nothing_is_kept(tmp_path):
    policy = loaded(tmp_path, memory=False)
    first = policy.predict(np.ones(3, np.float32))
    policy.predict(-np.ones(3, np.float32))
    np.testing.assert_array_equal(policy.predict(np.ones(3, np.float32)), first)


@pytest.mark.parametrize("memory", [True, False])
def test_nobody_does_nothing(memory, tmp_path):
    action = loaded(tmp_path, memory).act(np.zeros((0, 3), np.float32))
    assert (action.continuous.shape, action.discrete.shape) == ((0, 2), (0, 0))


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("memory", [True, False])
def test_arrays_of_any_kind_say_the_same(memory, tmp_path):
    policy, rows = loaded(tmp_path, memory), np.random.default_rng(0).random((4, 3), np.float32)
    expected = policy.act(rows).continuous
    frozen = rows.copy()
    frozen.flags.writeable = False
    for given in (rows[::-1].copy()[::-1], np.asfortranarray(rows), rows.astype(">f4"), frozen):
        policy.forget()
        np.testing.assert_allclose(policy.act(given).continuous, expected, rtol=1e-6)


@pytest.mark.parametrize("name", ["runner", 3, np.int64(3)])
def test_one_name_is_one_agent(name, tmp_path):
    """A text is iterable, but its letters are no agents."""
    policy, seen = loaded(tmp_path), np.ones(3, np.float32)
    first = policy.predict([seen], agents=name)
    assert not np.array_equal(policy.predict([seen], agents=name), first)
    policy.predict([seen], agents="other")
    kept = policy.predict([seen], agents="other")
    policy.forget(name)
    np.testing.assert_array_equal(policy.predict([seen], agents=name), first)
    assert not np.array_equal(policy.predict([seen], agents="other"), first)
    assert not np.array_equal(kept, first)
