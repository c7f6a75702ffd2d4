"""SAC's distribution against torch.distributions, and its two critics against two networks."""

import pytest
import torch
from scripted_env import make_spec
from torch import nn
from torch.distributions import Independent, Normal, TransformedDistribution
from torch.distributions.transforms import TanhTransform

from trainers.config import NetworkSettings
from trainers.networks.distributions import Actions
from trainers.networks.soft_actor_critic import SoftActorCritic
from trainers.networks.squashed import SquashedDistribution, log_slope
from trainers.networks.twin_critic import TwinBatchNorm, frozen


def squashed(rows: int = 5) -> SquashedDistribution:
    rng = torch.Generator().manual_seed(1)
    mean = torch.randn(rows, 2, generator=rng, dtype=torch.float64)
    log_std = torch.randn(rows, 2, generator=rng, dtype=torch.float64) - 1.0
    return SquashedDistribution(mean.requires_grad_(), log_std.requires_grad_(), ())


def reference(distribution: SquashedDistribution) -> TransformedDistribution:
    return TransformedDistribution(
        Normal(distribution.mean, distribution.log_std.exp()), [TanhTransform(cache_size=1)]
    )


def test_densities_are_those_of_a_gaussian_squashed_by_tanh():
    distribution = squashed()
    action, density = distribution.draw(torch.Generator().manual_seed(2))
    expected = Independent(reference(distribution), 1).log_prob(action)
    torch.testing.assert_close(density, expected)
    parts = distribution.log_prob(Actions(action, torch.zeros(5, 0, dtype=torch.int64)))
    torch.testing.assert_close(parts.sum(1), expected)


def test_gradients_through_a_draw_are_finite_differences():
    def objective(mean: torch.Tensor, log_std: torch.Tensor) -> torch.Tensor:
        action, density = SquashedDistribution(mean, log_std, ()).draw(torch.Generator().manual_seed(3))
        return (action.square().sum(1) - 0.2 * density).sum()

    distribution = squashed(3)
    assert torch.autograd.gradcheck(objective, (distribution.mean, distribution.log_std))


def test_far_from_zero_densities_and_gradients_are_finite():
    mean = torch.tensor([[30.0, -400.0]], requires_grad=True)
    action, density = SquashedDistribution(mean, torch.zeros(1, 2), ()).draw()
    density.sum().backward()
    assert action.abs().max() <= 1.0
    assert torch.isfinite(density).all()
    assert torch.isfinite(mean.grad).all()
    before = torch.linspace(-4, 4, 9, dtype=torch.float64)
    torch.testing.assert_close(log_slope(before), (1 - before.tanh() ** 2).log())


@pytest.mark.parametrize("layer_norm", [False, True])
@pytest.mark.parametrize("shapes", [[(4,)], [(4,), (1, 20, 20)]])
def test_the_batched_critics_are_two_networks(shapes, layer_norm):
    spec = make_spec(*shapes, continuous=2)
    policy = SoftActorCritic(spec, NetworkSettings(hidden_units=8, layer_norm=layer_norm), 1)
    inputs = tuple(torch.rand(6, *shape) for shape in shapes)
    action = torch.rand(6, 2) * 2 - 1
    found = policy.values(policy.critic, inputs, action)
    assert found.shape == (2, 6, 1, 1)
    for number in range(2):
        features = torch.cat([policy.critic.encoders[number](inputs), action], 1)
        for layer in policy.critic.layers:
            if isinstance(layer, nn.SiLU):
                features = layer(features)
            elif layer.weight.dim() == 3 and layer.weight.shape[1] > 1:
                features = features @ layer.weight[number] + layer.bias[number]
            else:
                features = nn.functional.layer_norm(features, features.shape[-1:]) * layer.weight[number]
                features = features + layer.bias[number]
        torch.testing.assert_close(found[number, :, 0], features)
    assert not torch.allclose(found[0], found[1]), "each has weights of its own"


def test_a_frozen_critic_passes_gradients_to_its_inputs_alone():
    policy = SoftActorCritic(make_spec((3,), continuous=2), NetworkSettings(hidden_units=8))
    action = torch.zeros(4, 2, requires_grad=True)
    with frozen(policy.critic):
        policy.values(policy.critic, (torch.rand(4, 3),), action).sum().backward()
    assert action.grad is not None
    assert all(parameter.grad is None and parameter.requires_grad for parameter in policy.critic.parameters())


def test_it_is_built_again_from_its_description():
    spec = make_spec((3,), continuous=2, branches=(2, 3))
    policy = SoftActorCritic(spec, NetworkSettings(hidden_units=8, critic_hidden_units=6), 2)
    again = SoftActorCritic.build(spec, policy.description())
    again.load_state_dict(policy.state_dict())
    assert again.values(again.critic, (torch.zeros(1, 3),), torch.zeros(1, 2)).shape == (2, 1, 2, 5)


def test_twin_batch_normalisation_is_torch_s_own_for_each_network():
    ours, references = TwinBatchNorm(3), [nn.BatchNorm1d(3, momentum=0.01) for _ in range(2)]
    with torch.no_grad():
        ours.weight.uniform_(0.5, 1.5)
        ours.bias.uniform_(-1.0, 1.0)
        for number, reference in enumerate(references):
            reference.weight.copy_(ours.weight.chunk(2)[number])
            reference.bias.copy_(ours.bias.chunk(2)[number])
    for training in (True, True, False):
        features = torch.randn(2, 9, 3) * 2.0 + 1.0
        found = ours.train(training)(features)
        for number, reference in enumerate(references):
            torch.testing.assert_close(found[number], reference.train(training)(features[number]))
            torch.testing.assert_close(ours.mean.chunk(2)[number], reference.running_mean)
            torch.testing.assert_close(ours.variance.chunk(2)[number], reference.running_var)


def test_a_network_with_batch_normalisation_and_bins_is_built_again_from_its_description():
    spec, keys = make_spec((4,), continuous=2), {"critic_range": 5.0, "critic_bins": 7}
    policy = SoftActorCritic(spec, NetworkSettings(hidden_units=8), 1, critic_batch_norm=True, **keys)
    again = SoftActorCritic.build(spec, policy.description())
    again.load_state_dict(policy.state_dict())
    inputs, action = (torch.rand(6, 4),), torch.rand(6, 2)
    found, expected = (one.eval().values(one.critic, inputs, action) for one in (again, policy))
    assert torch.equal(found, expected)
