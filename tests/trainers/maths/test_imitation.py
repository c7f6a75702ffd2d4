"""Losses of imitation, against values computed by hand."""

import math

import pytest
import torch

from trainers.maths.imitation import cloning_loss

NO_CHOICE = torch.zeros((2, 0), dtype=torch.int64)


def test_the_cloning_loss_is_a_mean_over_rows_and_dimensions_plus_one_over_rows_and_branches() -> None:
    action, shown = torch.tensor([[0.0, 1.0], [0.5, 0.5]]), torch.tensor([[1.0, 1.0], [0.5, -0.5]])
    probabilities = [torch.tensor([[0.25, 0.75], [0.5, 0.5]]), torch.tensor([[0.1, 0.9], [0.2, 0.8]])]
    picks = torch.tensor([[0, 1], [1, 0]])
    branches = [one.log() for one in probabilities]
    continuous = (1.0 + 0.0 + 0.0 + 1.0) / 4
    discrete = -(math.log(0.25) + math.log(0.9) + math.log(0.5) + math.log(0.2)) / 4
    assert float(cloning_loss(action, shown, branches, picks)) == pytest.approx(continuous + discrete)
    assert float(cloning_loss(action, shown, [], NO_CHOICE)) == pytest.approx(continuous)
    assert float(cloning_loss(action[:, :0], shown[:, :0], branches, picks)) == pytest.approx(discrete)
