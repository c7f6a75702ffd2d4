"""The LSTM of a network, and rows as sequences."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scripted_env import make_spec

from trainers.config import NetworkSettings
from trainers.config.network import MemorySettings
from trainers.networks.actor_critic import ActorCritic
from trainers.networks.memory import PADDED, Memory, Sequences, _of_similar_lengths

INPUTS, SIZE = 5, 8


def make_memory(**settings) -> Memory:
    torch.manual_seed(0)
    return Memory(INPUTS, SIZE, NetworkSettings(**settings))


def one_by_one(layer: Memory, features: torch.Tensor, memory: torch.Tensor, lengths: list[int]):
    """The reference: every sequence alone and row after row, with the formulas of the LSTM."""
    weights = layer.lstm
    seen, after, row = [], [], 0
    for number, length in enumerate(lengths):
        hidden, cell = memory[number].split(SIZE // 2)
        for _ in range(length):
            gates = weights.weight_ih_l0 @ features[row] + weights.bias_ih_l0
            gates = gates + weights.weight_hh_l0 @ hidden + weights.bias_hh_l0
            opened, kept, new, shown = gates.split(SIZE // 2)
            cell = kept.sigmoid() * cell + opened.sigmoid() * new.tanh()
            hidden = shown.sigmoid() * cell.tanh()
            seen.append(hidden)
            row += 1
        after.append(torch.cat([hidden, cell]))
    return torch.stack(seen), torch.stack(after)


@given(lengths=st.lists(st.integers(1, 7), min_size=1, max_size=6), seed=st.integers(0, 99))
def test_sequences_of_any_lengths_are_what_each_gives_alone_and_so_are_gradients(lengths, seed):
    layer = make_memory()
    generator = torch.Generator().manual_seed(seed)
    features = torch.randn(sum(lengths), INPUTS, generator=generator, requires_grad=True)
    memory = torch.randn(len(lengths), SIZE, generator=generator, requires_grad=True)
    leaves = [features, memory, *layer.parameters()]
    expected = one_by_one(layer, features, memory, lengths)
    found = layer(features, memory, torch.tensor(lengths))
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other)
    weights = [torch.randn(part.shape, generator=generator) for part in found]
    gradients = [
        torch.autograd.grad(
            sum((part * weight).sum() for part, weight in zip(parts, weights, strict=True)), leaves
        )
        for parts in (found, expected)
    ]
    for one, other in zip(*gradients, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


@given(lengths=st.lists(st.integers(1, 30), min_size=1, max_size=9), seed=st.integers(0, 99))
def test_sequences_to_learn_from_are_the_same_and_so_are_gradients(lengths, seed):
    layer = make_memory()
    generator = torch.Generator().manual_seed(seed)
    features = torch.randn(sum(lengths), INPUTS, generator=generator, requires_grad=True)
    memory = torch.randn(len(lengths), SIZE, generator=generator)
    sequences = Sequences(torch.tensor(lengths), memory, memory[:, None])
    weights = torch.randn(sum(lengths), SIZE // 2, generator=generator)
    found = [
        layer.over(features, memory, replace(sequences, second_derivatives=twice)) for twice in (False, True)
    ]
    torch.testing.assert_close(*found)
    leaves = [features, *layer.parameters()]
    gradients = [torch.autograd.grad((part * weights).sum(), leaves) for part in found]
    for one, other in zip(*gradients, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


@given(lengths=st.lists(st.integers(1, 300), min_size=1, max_size=40).map(torch.tensor))
def test_groups_of_sequences_hold_each_once_and_little_padding(lengths):
    groups = list(_of_similar_lengths(lengths))
    assert sorted(torch.cat(groups).tolist()) == list(range(len(lengths)))
    for group in groups:
        assert int(lengths[group].max()) * len(group) <= PADDED * int(lengths[group].sum())


def test_single_rows_need_no_lengths():
    layer, features, memory = make_memory(), torch.randn(4, INPUTS), torch.randn(4, SIZE)
    ones = torch.ones(4, dtype=torch.int64)
    for one, other in zip(layer(features, memory), layer(features, memory, ones), strict=True):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize("orthogonal", [False, True])
def test_initial_weights_are_those_of_mlagents(orthogonal):
    torch.manual_seed(0)
    size = 64
    layer = Memory(96, 2 * size, NetworkSettings(orthogonal_init=orthogonal)).lstm
    for weight in (layer.weight_ih_l0, layer.weight_hh_l0):
        for gate in weight.detach().split(size):
            if orthogonal:
                torch.testing.assert_close(gate @ gate.T, torch.eye(size), rtol=0, atol=1e-5)
            else:  # Xavier uniform: -a to a, a = sqrt(6 / (inputs + outputs))
                limit = np.sqrt(6.0 / (gate.shape[0] + gate.shape[1]))
                assert 0.99 * limit < gate.abs().max() <= limit
    for bias in (layer.bias_ih_l0, layer.bias_hh_l0):
        opened, kept, new, shown = bias.detach().split(size)
        assert (kept == 1.0).all()
        assert not torch.cat([opened, new, shown]).any()


def test_a_part_of_the_rows_has_the_sequences_of_these_rows():
    lengths = torch.tensor([3, 1, 4, 2])
    sequences = Sequences(lengths, torch.arange(4.0)[:, None], torch.arange(4.0)[:, None, None])
    part = sequences.within(slice(3, 8))
    assert part.lengths.tolist() == [1, 4]
    assert part.memory.flatten().tolist() == part.critic_memory.flatten().tolist() == [1.0, 2.0]
    assert sequences.starts.tolist() == [0, 3, 4, 8]
    assert len(sequences.within(slice(0, 10))) == 4


def test_new_sequences_have_one_length_and_the_last_the_rest():
    sequences = Sequences.new(10, 4, torch.zeros(SIZE), 2)
    assert sequences.lengths.tolist() == [4, 4, 2]
    assert sequences.memory.shape == (3, SIZE)
    assert sequences.critic_memory.shape == (3, 2, SIZE)


@pytest.mark.parametrize("shared", [False, True])
def test_without_sequences_every_row_begins_an_episode(shared):
    torch.manual_seed(0)
    settings = NetworkSettings(hidden_units=8, memory=MemorySettings(memory_size=SIZE))
    policy = ActorCritic(make_spec((3,), continuous=2), settings, shared)
    inputs, nothing = [torch.randn(6, 3)], torch.zeros(SIZE)
    rows = Sequences.new(6, 1, nothing, policy.critic_memories)
    distribution, value = policy(inputs, None, rows)
    torch.testing.assert_close(policy.distribution(inputs, None).mean, distribution.mean)
    torch.testing.assert_close(policy.recall(inputs, None, torch.zeros(6, SIZE))[0].mean, distribution.mean)
    torch.testing.assert_close(policy.value(inputs), value)
