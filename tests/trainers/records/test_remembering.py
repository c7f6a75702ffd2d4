"""A loaded policy with memory, agent by agent."""

from pathlib import Path

import numpy as np
import torch
from scripted_env import make_spec

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


def test_without_memory_nothing_is_kept(tmp_path):
    policy = loaded(tmp_path, memory=False)
    first = policy.predict(np.ones(3, np.float32))
    policy.predict(-np.ones(3, np.float32))
    np.testing.assert_array_equal(policy.predict(np.ones(3, np.float32)), first)
