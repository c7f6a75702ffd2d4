"""Soft values against closed forms and torch.distributions."""

import math

import pytest
import torch
from torch.distributions import Categorical

from trainers.maths.soft_values import entropies, entropy_targets, soft_value, taken_value
from trainers.networks.distributions import branch_log_probs

BRANCHES = (3, 2)


def some_branches(rows: int) -> tuple[torch.Tensor, ...]:
    logits = torch.randn(rows, sum(BRANCHES), generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    return branch_log_probs(logits, BRANCHES, None)


def test_the_value_of_a_branch_is_its_expectation_and_branches_are_averaged():
    log_probs = some_branches(4)
    values = torch.arange(4 * 2 * 5, dtype=torch.float64).reshape(4, 2, 5)
    bonus = torch.tensor([0.0, 1.0, 2.0, 3.0], dtype=torch.float64)
    found = soft_value(values, log_probs, bonus)
    first, second = (branch.exp() for branch in log_probs)
    for row in range(4):
        for stream in range(2):
            expected = 0.5 * (values[row, stream, :3] @ first[row] + values[row, stream, 3:] @ second[row])
            assert found[row, stream].item() == pytest.approx(expected.item() + row)


def test_the_best_policy_of_a_branch_has_the_log_sum_of_exponentials_as_its_value():
    """With probabilities in proportion to exp(Q / coefficient), as the theory of SAC has it."""
    values, coefficient = torch.tensor([[[1.0, -2.0, 0.5]]], dtype=torch.float64), 0.3
    log_probs = ((values[:, 0] / coefficient).log_softmax(1),)
    bonus = coefficient * entropies(log_probs, None)[:, 0]
    found = soft_value(values, log_probs, bonus)
    expected = coefficient * torch.logsumexp(values[0, 0] / coefficient, 0)
    assert found.item() == pytest.approx(expected.item())


def test_the_value_of_an_action_taken_is_its_entry_averaged_over_branches():
    values = torch.randn(2, 4, 3, 5, generator=torch.Generator().manual_seed(2))
    discrete = torch.tensor([[0, 1], [2, 0], [1, 1], [0, 0]])
    found = taken_value(values, discrete, BRANCHES)
    for critic in range(2):
        for row in range(4):
            for stream in range(3):
                entries = values[critic, row, stream]
                expected = 0.5 * (entries[discrete[row, 0]] + entries[3 + discrete[row, 1]])
                assert found[critic, row, stream].item() == pytest.approx(expected.item())
    torch.testing.assert_close(taken_value(values, discrete[:, :0], ()), values[..., 0])


def test_entropies_are_those_of_the_branches_and_of_the_sample():
    log_probs = some_branches(6)
    density = torch.linspace(-1.0, 1.0, 6, dtype=torch.float64)
    found = entropies(log_probs, density)
    torch.testing.assert_close(found[:, 0], -density)
    for index, branch in enumerate(log_probs):
        torch.testing.assert_close(found[:, 1 + index], Categorical(logits=branch).entropy())


def test_a_forbidden_action_adds_nothing_and_has_finite_gradients():
    logits = torch.randn(2, 5, generator=torch.Generator().manual_seed(3)).requires_grad_()
    forbidden = torch.tensor([[True, False, False, False, False], [False, True, True, True, False]])
    log_probs = branch_log_probs(logits, BRANCHES, forbidden)
    entropy = entropies(log_probs, None)
    total = soft_value(torch.ones(2, 1, 5), log_probs, entropy.sum(1)).sum()
    total.backward()
    assert torch.isfinite(logits.grad).all()
    assert (logits.grad[forbidden] == 0.0).all()
    torch.testing.assert_close(entropy[1], torch.zeros(2))


def test_entropy_targets_are_those_of_ml_agents():
    found = entropy_targets(3, (2, 7))
    assert found.tolist() == pytest.approx([-3.0, 0.2 * math.log(2), 0.2 * math.log(7)])
    assert entropy_targets(0, (4,)).tolist() == pytest.approx([0.2 * math.log(4)])
    assert entropy_targets(2, ()).tolist() == [-2.0]
