"""Heads of SAC's critics: the values of their outputs, and the losses, against torch's own."""

import torch
from torch.nn import functional

from trainers.maths.bins import centres, spread
from trainers.networks.value_head import BinHead, NumberHead, value_head

TARGETS = torch.tensor([[0.5, -2.0], [4.0, 0.0], [-1.0, 1.0]])


def some_outputs(size: int) -> torch.Tensor:
    """(2, n, streams, size, choices)."""
    return torch.randn(2, 3, 2, size, 4, generator=torch.Generator().manual_seed(0))


def test_without_a_range_the_outputs_are_the_values_and_the_loss_is_half_the_squared_error():
    head, outputs = value_head(101, None), some_outputs(1)
    assert type(head) is NumberHead
    assert torch.equal(head.values(outputs), outputs[..., 0, :])
    found = head.losses(head.scores(outputs)[..., 1], TARGETS)
    torch.testing.assert_close(found, 0.5 * (outputs[..., 0, 1] - TARGETS) ** 2)


def test_with_a_range_the_value_is_the_mean_of_the_bins():
    head, outputs = value_head(7, 3.0), some_outputs(7)
    assert isinstance(head, BinHead)
    expected = torch.einsum("cnsbk,b->cnsk", outputs.softmax(3), centres(7, 3.0))
    torch.testing.assert_close(head.values(outputs), expected)


def test_with_a_range_the_loss_is_the_cross_entropy():
    head, outputs = value_head(7, 3.0), some_outputs(7)[..., 2]
    found = head.losses(head.scores(outputs[..., None])[..., 0], TARGETS)
    labels = spread(TARGETS, 7, 3.0).expand_as(outputs)
    expected = functional.cross_entropy(outputs.reshape(-1, 7), labels.reshape(-1, 7), reduction="none")
    torch.testing.assert_close(found.flatten(), expected)


def test_the_loss_is_least_where_the_value_is_the_target():
    head, target = BinHead(51, 5.0), torch.tensor([[1.3]])
    logits = spread(target, 51, 5.0).clamp_min(1e-30).log().requires_grad_()
    head.losses(head.scores(logits[..., None])[..., 0], target).sum().backward()
    assert logits.grad is not None
    assert logits.grad.abs().max() < 1e-6
    torch.testing.assert_close(head.values(logits.detach()[..., None])[..., 0], target, atol=1e-3, rtol=0)
