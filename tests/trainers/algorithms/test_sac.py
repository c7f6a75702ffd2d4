"""What SAC learns from: targets, entropy, both critics, masks, agents that come and go, resume."""

import copy
import math

import numpy as np
import pytest
import torch
from learner_tools import (
    assert_goes_on_the_same,
    behavior_settings,
    crowded_env,
    drive,
    hand_over,
    make_learner,
    whole_state,
)
from mlagents_envs.base_env import BehaviorSpec
from reference_adam import ReferenceAdam
from scripted_env import make_spec
from torch.distributions import Categorical, Normal
from torch.distributions.transforms import TanhTransform

from gym_adapters.errors import UserError
from trainers.algorithms.sac import SAC
from trainers.experience.rows import Transitions
from trainers.records.checkpoint import save_state
from trainers.training.starting import start_from

CONTINUOUS = make_spec((4,), continuous=2)
HYBRID = make_spec((4,), continuous=2, branches=(3, 2))
DISCRETE = make_spec((4,), branches=(3, 2))
BINS = {"critic_range": 4.0, "critic_bins": 41}
CROSSQ = {"critic_batch_norm": True, "actor_interval": 3, "adam_beta1": 0.5}
SPECS = pytest.mark.parametrize(
    "spec", [CONTINUOUS, DISCRETE, HYBRID], ids=["continuous", "discrete", "hybrid"]
)


def make_sac(
    spec: BehaviorSpec, hyper: dict | None = None, network: dict | None = None, seed=0, **keys
) -> SAC:
    defaults = {"batch_size": 8, "buffer_size": 200, "steps_per_update": 5}
    settings = behavior_settings("sac", {**defaults, **(hyper or {})}, network, **keys)
    learner = make_learner(spec, settings, seed)
    assert isinstance(learner, SAC)
    return learner


def transitions(
    seen: list[list[float]],
    following: list[list[float]],
    reward: list[float],
    discount: list[float],
    **actions,
) -> Transitions:
    rows = len(seen)
    return Transitions(
        observations=[np.array(seen, np.float32)],
        continuous=actions.get("continuous", np.zeros((rows, 0), np.float32)),
        discrete=actions.get("discrete", np.zeros((rows, 0), np.int64)),
        forbidden=None,
        reward=np.array(reward, np.float32)[:, None],
        next_observations=[np.array(following, np.float32)],
        next_forbidden=None,
        discount=np.array(discount, np.float32)[:, None],
    )


def test_a_gradient_step_is_that_of_the_losses_written_out():
    """For a hybrid action with masks, against torch.distributions and one Adam for each part."""
    learner = make_sac(HYBRID, {"learning_rate": 0.01, "steps_per_update": 1e9, "init_entcoef": 0.3})
    drive(crowded_env(HYBRID), learner, 20)
    batch = learner.draw()
    policy, target = copy.deepcopy(learner.policy), copy.deepcopy(learner.target)
    log_alpha = learner.log_coefficients.detach().clone().requires_grad_()
    noise = torch.Generator()
    noise.set_state(learner.generator.get_state())

    def parts(observations, forbidden):
        distribution = policy.distribution(policy.upload(observations), torch.from_numpy(forbidden))
        gaussian = Normal(distribution.mean, distribution.log_std.exp())
        before = distribution.mean + distribution.log_std.exp() * torch.randn(
            distribution.mean.shape, generator=noise
        )
        action = before.tanh()
        slope = TanhTransform().log_abs_det_jacobian(before, action)
        density = (gaussian.log_prob(before) - slope).sum(1)
        return action, density, [Categorical(logits=branch) for branch in distribution.log_probs]

    def value(critic, observations, forbidden, alpha):
        action, density, branches = parts(observations, forbidden)
        both = critic(policy.upload(observations), action)
        lower = torch.minimum(both[0], both[1])
        expected = [
            (branches[0].probs * lower[:, :3]).sum(1) + alpha[1] * branches[0].entropy(),
            (branches[1].probs * lower[:, 3:]).sum(1) + alpha[2] * branches[1].entropy(),
        ]
        entropy = [-density, branches[0].entropy(), branches[1].entropy()]
        return (expected[0] + expected[1]) / 2 - alpha[0] * density, torch.stack(entropy, 1)

    alpha = log_alpha.detach().exp()
    with torch.no_grad():
        beyond, _ = value(target, batch.next_observations, batch.next_forbidden, alpha)
        goal = torch.from_numpy(batch.reward[:, 0]) + torch.from_numpy(batch.discount[:, 0]) * beyond
    both = policy.critic(policy.upload(batch.observations), torch.from_numpy(batch.continuous))
    taken = torch.from_numpy(batch.discrete)
    loss = torch.zeros(())
    for values in both:
        chosen = (values.gather(1, taken[:, :1]) + values.gather(1, 3 + taken[:, 1:])) / 2
        loss = loss + 0.5 * (chosen[:, 0] - goal).square().mean()
    critic_weights = list(policy.critic.parameters())
    gradients = torch.autograd.grad(loss, critic_weights)
    here, entropy = value(policy.critic, batch.observations, batch.forbidden, alpha)
    actor_weights = [weight for name, weight in policy.named_parameters() if not name.startswith("critic.")]
    actor_gradients = torch.autograd.grad(-here.mean(), actor_weights)
    targets = torch.tensor([-2.0, 0.2 * math.log(3), 0.2 * math.log(2)])
    (alpha_gradient,) = torch.autograd.grad(
        (log_alpha * (entropy.detach() - targets)).sum(1).mean(), [log_alpha]
    )
    for weight, gradient in zip(
        [*critic_weights, *actor_weights, log_alpha],
        [*gradients, *actor_gradients, alpha_gradient],
        strict=True,
    ):
        weight.grad = gradient
    ReferenceAdam([*critic_weights, *actor_weights, log_alpha], lr=0.01).step()

    figures = learner.learn(batch)
    assert 2 * figures["Losses/Value Loss"].item() == pytest.approx(loss.item(), rel=1e-4)
    assert figures["Losses/Policy Loss"].item() == pytest.approx(-here.mean().item(), rel=1e-4)
    torch.testing.assert_close(learner.log_coefficients.detach(), log_alpha.detach())
    for name, tensor in policy.state_dict().items():
        torch.testing.assert_close(learner.policy.state_dict()[name], tensor, atol=1e-5, rtol=1e-3)


@pytest.mark.parametrize("head", [{}, BINS], ids=["numbers", "bins"])
def test_two_states_get_the_soft_values_of_the_closed_form(head):
    """State 0 leads to state 1, and that to the end. The entropy coefficient is kept at 0.5."""
    spec, alpha, gamma = make_spec((2,), branches=(2,)), 0.5, 0.9
    learner = make_sac(spec, {"learning_rate": 0.005, "tau": 0.05, **head}, gamma=gamma)
    first, second = [1.0, 0.0], [0.0, 1.0]
    batch = transitions(
        [first, first, second, second],
        [second, second, second, second],
        [0.0, 1.0, 2.0, -1.0],
        [gamma, gamma, 0.0, 0.0],
        discrete=np.array([[0], [1], [0], [1]]),
    )
    for _ in range(1000):
        with torch.no_grad():
            learner.log_coefficients.fill_(math.log(alpha))
        learner.learn(batch)
        learner.move_target()
    beyond = alpha * np.logaddexp(2.0 / alpha, -1.0 / alpha)
    expected = np.array([[gamma * beyond, 1.0 + gamma * beyond], [2.0, -1.0]])
    inputs = (torch.eye(2),)
    with torch.no_grad():
        values = learner.policy.values(learner.policy.critic, inputs, torch.zeros(2, 0))[:, :, 0].numpy()
        (log_probs,) = learner.policy.distribution(inputs, None).log_probs
    np.testing.assert_allclose(values, np.stack([expected, expected]), atol=0.03)
    np.testing.assert_allclose(
        log_probs.exp(), torch.from_numpy(expected / alpha).softmax(1).float(), atol=0.03
    )


@pytest.mark.parametrize("continuous", [True, False])
def test_the_policy_gets_as_random_as_its_target_says(continuous):
    spec = make_spec((1,), continuous=1) if continuous else make_spec((1,), branches=(4,))
    learner = make_sac(spec, {"learning_rate": 0.01, "init_entcoef": 0.5}, {"hidden_units": 32})
    rng = np.random.default_rng(0)
    rows = 64
    for _ in range(800):
        action = rng.uniform(-1, 1, (rows, 1)).astype(np.float32)
        choice = rng.integers(4, size=(rows, 1))
        reward = -4.0 * action[:, 0] ** 2 if continuous else 0.5 * choice[:, 0]
        batch = transitions(
            [[1.0]] * rows,
            [[1.0]] * rows,
            reward.tolist(),
            [0.0] * rows,
            **({"continuous": action} if continuous else {"discrete": choice}),
        )
        learner.learn(batch)
        learner.move_target()
    with torch.no_grad():
        distribution = learner.policy.distribution((torch.ones(4000, 1),), None)
        if continuous:
            entropy = -distribution.draw(torch.Generator().manual_seed(0))[1].mean()
        else:
            entropy = distribution.entropy().mean()
    assert entropy.item() == pytest.approx(learner.entropy_targets.item(), abs=0.15)


def test_only_the_two_critics_have_a_target_which_follows_them():
    learner = make_sac(CONTINUOUS, {"tau": 0.1, "learning_rate": 0.01})
    drive(crowded_env(CONTINUOUS), learner, 20)
    before = copy.deepcopy(learner.target.state_dict())
    learner.learn(learner.draw())
    learner.move_target()
    own = learner.policy.critic.state_dict()
    assert own.keys() == before.keys()
    for name, tensor in learner.target.state_dict().items():
        torch.testing.assert_close(tensor, before[name] + 0.1 * (own[name] - before[name]))


def test_with_tau_1_the_target_is_the_critics_after_every_update():
    learner = make_sac(CONTINUOUS, {"tau": 1.0, "steps_per_update": 0.25, "learning_rate": 0.01})
    drive(crowded_env(CONTINUOUS), learner, 20)
    for _ in range(3):
        learner.learn(learner.draw())
        learner.learned_until += 0.25
        learner.move_target()
        own = learner.policy.critic.state_dict()
        assert all(torch.equal(own[name], tensor) for name, tensor in learner.target.state_dict().items())


def test_actions_are_stored_as_the_environment_takes_them():
    learner, env = make_sac(HYBRID), crowded_env(HYBRID)
    drive(env, learner, 30)
    held = learner.replay.column("continuous", np.arange(len(learner.replay)))
    assert np.abs(held).max() <= 1.0
    sent = np.concatenate([actions[0].ravel() for actions in env.behaviors["Test"].actions.values()])
    assert set(sent.tolist()) <= set(held.ravel().tolist())


@SPECS
@pytest.mark.parametrize(
    "recipe", [{}, {"tau": 1.0, **CROSSQ}, {**CROSSQ, **BINS}], ids=["plain", "crossq", "target and bins"]
)
def test_the_next_updates_after_loading_are_bit_for_bit_the_same(spec, recipe, tmp_path):
    hyper = {"save_replay_buffer": True, "n_step": 2, "init_entcoef": 0.7, **recipe}
    network, keys = {"normalize": True}, {"normalize_reward": True, "max_steps": 1000}
    env, learner = crowded_env(spec), make_sac(spec, hyper, network, 3, **keys)
    drive(env, learner, 30)
    loaded = make_sac(spec, hyper, network, 4, **keys)
    hand_over(learner, loaded, tmp_path)
    assert_goes_on_the_same(env, learner, loaded)


@SPECS
def test_the_figures_are_ml_agents_own_and_there_is_none_for_what_is_not_there(spec):
    learner = make_sac(spec)
    drive(crowded_env(spec), learner, 20)
    tags = set(learner.learn(learner.draw()))
    expected = {
        "Losses/Policy Loss",
        "Losses/Value Loss",
        "Losses/Q1 Loss",
        "Losses/Q2 Loss",
        "Policy/Entropy",
    }
    assert expected | {"Policy/Extrinsic Value"} <= tags
    for tag in ("Policy/Continuous Entropy Coeff", "Policy/Action Deviation"):
        assert (tag in tags) == bool(spec.action_spec.continuous_size)
    assert ("Policy/Discrete Entropy Coeff" in tags) == bool(spec.action_spec.discrete_size)


def test_the_actor_moves_in_every_third_update_only():
    learner = make_sac(HYBRID, {"actor_interval": 3, "steps_per_update": 1e9})
    drive(crowded_env(HYBRID), learner, 20)
    for update in range(7):
        before = [flat.detach().clone() for flat in learner.optimizer.flat]
        tags = learner.gradient_step()
        moved = [not torch.equal(flat, old) for flat, old in zip(learner.optimizer.flat, before, strict=True)]
        assert moved == [True, update % 3 == 0, update % 3 == 0]
        assert ("Losses/Policy Loss" in tags) == (update % 3 == 0)


@pytest.mark.parametrize("tau", [1.0, 0.1])
def test_present_and_next_observations_are_normalised_together(tau):
    learner = make_sac(CONTINUOUS, {"critic_batch_norm": True, "tau": tau, "steps_per_update": 1e9})
    drive(crowded_env(CONTINUOUS), learner, 20)
    here, beyond = (torch.rand(6, 4),), (torch.rand(6, 4) + 3.0,)
    actions = torch.rand(2, 6, 2)
    target = learner.policy.critic if tau == 1.0 else learner.target
    found, found_beyond = learner.both_outputs(here, actions[0], beyond, actions[1])
    joint = (torch.cat([here[0], beyond[0]]),)
    expected = learner.policy.critic.train()(joint, actions.flatten(0, 1))[:, :6]
    expected_beyond = target.train()(joint, actions.flatten(0, 1))[:, 6:]
    torch.testing.assert_close(found.flatten(2), expected)
    torch.testing.assert_close(found_beyond.flatten(2), expected_beyond)
    assert found.requires_grad
    assert not found_beyond.requires_grad


def test_a_critic_of_another_range_is_refused(tmp_path):
    learner = make_sac(CONTINUOUS, BINS)
    save_state(tmp_path / "here.pt", whole_state(learner))
    other = make_sac(CONTINUOUS, {**BINS, "critic_range": 8.0})
    with pytest.raises(UserError, match=r"trained with hyperparameters.critic_range 4.0; this run has 8.0"):
        start_from(other, tmp_path / "here.pt")


def test_without_batch_normalisation_in_training_the_critics_are_in_use_as_they_are():
    """The moments of the batch are for learning alone: the actor's loss takes the running ones."""
    learner = make_sac(CONTINUOUS, {"critic_batch_norm": True, "tau": 1.0, "steps_per_update": 1e9})
    drive(crowded_env(CONTINUOUS), learner, 20)
    learner.learn(learner.draw())
    assert not any(module.training for module in learner.policy.modules())
