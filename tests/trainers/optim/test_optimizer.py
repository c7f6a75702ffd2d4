"""The optimiser's one flat vector does what Adam does parameter by parameter."""

import copy

import pytest
import torch
from learner_tools import behavior_settings
from mlagents_envs.base_env import BehaviorSpec
from reference_adam import ReferenceAdam
from scripted_env import make_spec
from torch import nn

from trainers.config import PPOSettings
from trainers.networks.actor_critic import ActorCritic
from trainers.networks.distributions import Actions
from trainers.optim.optimizer import FlatAdam

SPECS = {
    "continuous": make_spec((6,), continuous=3),
    "discrete": make_spec((6,), branches=(3, 2)),
    "image and vector": make_spec((3, 20, 20), (6,), continuous=1, branches=(4,)),
}


def make_policy(spec: BehaviorSpec, shared: bool) -> ActorCritic:
    torch.manual_seed(0)
    network = behavior_settings(network={"normalize": True}).network_settings
    return ActorCritic(spec, network, shared)


def make_optimizer(policy: ActorCritic, hyper: PPOSettings, max_steps: int) -> FlatAdam:
    rates = (hyper.learning_rate, hyper.critic_learning_rate or hyper.learning_rate)
    return FlatAdam(policy.parameter_groups(), rates, hyper, max_steps)


def some_loss(policy: ActorCritic, spec: BehaviorSpec, step: int) -> torch.Tensor:
    """A loss in which every parameter has a part, other data at every step."""
    rng = torch.Generator().manual_seed(step)
    observations = [torch.rand(16, *one.shape, generator=rng) for one in spec.observation_specs]
    actions = Actions(
        torch.randn(16, spec.action_spec.continuous_size, generator=rng),
        torch.zeros(16, spec.action_spec.discrete_size, dtype=torch.int64),
    )
    distribution, value = policy(policy.prepare(observations), None)
    return 10.0 * (value - 3.0).square().mean() - distribution.log_prob(actions).mean()


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("limit", [None, 0.5])
@pytest.mark.parametrize("kind", SPECS)
def test_steps_equal_plain_adam(kind, limit, shared):
    spec = SPECS[kind]
    hyper = PPOSettings(learning_rate=1e-3, critic_learning_rate=3e-3, max_grad_norm=limit)
    policy, reference = make_policy(spec, shared), make_policy(spec, shared)
    optimizer = make_optimizer(policy, hyper, 1000)
    names = {name for name, parameter in reference.named_parameters() if parameter.numel()}
    critics = {name for name in names if name.startswith(("value_head", "critic"))}
    parameters = dict(reference.named_parameters())
    plain = ReferenceAdam(
        [
            {"params": [parameters[name] for name in sorted(names - critics)], "lr": 1e-3},
            {"params": [parameters[name] for name in sorted(critics)], "lr": 3e-3},
        ]
    )
    for step in range(5):
        optimizer.descend(some_loss(policy, spec, step))
        plain.zero_grad()
        some_loss(reference, spec, step).backward()
        assert all(parameters[name].grad is not None for name in names)
        if limit is not None:
            nn.utils.clip_grad_norm_(reference.parameters(), limit)
        plain.step()
    for name, parameter in policy.named_parameters():
        torch.testing.assert_close(parameter, parameters[name], rtol=1e-4, atol=1e-6, msg=name)


def test_weights_that_are_loaded_are_the_ones_that_move():
    spec = SPECS["continuous"]
    policy = make_policy(spec, False)
    optimizer = make_optimizer(policy, PPOSettings(learning_rate=1e-2), 1000)
    optimizer.descend(some_loss(policy, spec, 0))
    loaded = {name: torch.full_like(tensor, 0.1) for name, tensor in policy.state_dict().items()}
    policy.load_state_dict(loaded)
    optimizer.descend(some_loss(policy, spec, 1))
    for name, parameter in policy.named_parameters():
        assert 0.0 < (parameter - 0.1).abs().max() <= 0.011, name


def test_step_size_follows_the_schedule_for_both_groups():
    policy = make_policy(SPECS["continuous"], False)
    hyper = PPOSettings(learning_rate=1e-3, critic_learning_rate=4e-3, learning_rate_schedule="linear")
    optimizer = make_optimizer(policy, hyper, 1000)
    for step, share in ((0, 1.0), (250, 0.75), (1000, 0.0), (2000, 0.0)):
        optimizer.set_learning_rate(step)
        assert optimizer.adam.rates == [
            pytest.approx(1e-3 * share, abs=2e-10),
            pytest.approx(4e-3 * share, abs=2e-10),
        ]


@pytest.mark.parametrize("schedule", ["constant", "linear", "adaptive"])
def test_only_an_adaptive_schedule_goes_on_with_the_rate_that_was_adapted(schedule):
    policy = make_policy(SPECS["discrete"], False)
    before = make_optimizer(policy, PPOSettings(learning_rate_schedule="adaptive", target_kl=0.01), 1000)
    for _ in range(3):
        before.adapt(1.0, 0.01)
    hyper = PPOSettings(learning_rate=1e-3, learning_rate_schedule=schedule, target_kl=0.01)
    after = make_optimizer(policy, hyper, 1000)
    after.load_state_dict(before.state_dict())
    after.set_learning_rate(0)
    assert after.learning_rate == pytest.approx(1e-3 / 1.5**3 if schedule == "adaptive" else 1e-3)


def test_its_steps_are_those_of_torch_s_adam():
    """Bit for bit, as the same kernel must; the checkpoints too, but for what is the same in all of them."""
    spec = SPECS["continuous"]
    policy = make_policy(spec, False)
    optimizer = make_optimizer(policy, PPOSettings(critic_learning_rate=1e-3), 1000)
    copies = [nn.Parameter(flat.detach().clone()) for flat in optimizer.flat]
    groups = [{"params": [copy], "lr": rate} for copy, rate in zip(copies, optimizer.adam.rates, strict=True)]
    theirs = ReferenceAdam(groups, fused=True)
    for step in range(4):
        optimizer.descend(some_loss(policy, spec, step))
        for twin, flat in zip(copies, optimizer.flat, strict=True):
            twin.grad = flat.grad.clone()
        theirs.step()
    assert all(torch.equal(one, other) for one, other in zip(optimizer.flat, copies, strict=True))
    saved, expected = optimizer.state_dict()["adam"], theirs.state_dict()
    for group in (0, 1):
        assert saved["state"][group].keys() == expected["state"][group].keys()
        assert all(
            torch.equal(value, expected["state"][group][key]) for key, value in saved["state"][group].items()
        )
        assert saved["param_groups"][group].items() <= expected["param_groups"][group].items()


def test_groups_that_stay_keep_their_weights_and_moments():
    spec = SPECS["continuous"]
    policy = make_policy(spec, False)
    optimizer = make_optimizer(policy, PPOSettings(critic_learning_rate=1e-3), 1000)
    optimizer.descend(some_loss(policy, spec, 0))
    before = copy.deepcopy(optimizer.state_dict()["adam"]["state"])
    weights = [flat.detach().clone() for flat in optimizer.flat]
    optimizer.descend(some_loss(policy, spec, 1), groups=1)
    after = optimizer.state_dict()["adam"]["state"]
    assert [int(after[group]["step"]) for group in (0, 1)] == [2, 1]
    assert all(torch.equal(before[1][key], after[1][key]) for key in before[1])
    assert torch.equal(weights[1], optimizer.flat[1])
    assert not torch.equal(weights[0], optimizer.flat[0])
    assert all(flat.grad is not None for flat in optimizer.flat)
