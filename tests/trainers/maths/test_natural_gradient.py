"""The natural gradient against closed forms and against Fisher matrices made entry by entry."""

import itertools
from dataclasses import dataclass

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from learner_tools import behavior_settings, make_learner
from scripted_env import Behavior, ScriptedEnv, crowd, make_spec

from trainers.maths.natural_gradient import DAMPING, HALVINGS, conjugate_gradient, move_within, natural_step
from trainers.networks.distributions import ActionDistribution, branch_log_probs

NATURAL = {"natural_gradient_kl": 0.01, "buffer_size": 64, "batch_size": 16, "learning_rate": 0.01}
KINDS = {
    "continuous": {"continuous": 3},
    "branches": {"branches": (3, 2)},
    "hybrid": {"continuous": 2, "branches": (3,)},
}


def distance(step: torch.Tensor, fisher: torch.Tensor) -> float:
    """Half of s (F + damping) s, which the step's length is chosen by."""
    return float(0.5 * step @ (fisher @ step + DAMPING * step))


@settings(deadline=None)
@given(size=st.integers(1, 10), seed=st.integers(0, 10_000))
def test_conjugate_gradient_solves_linear_systems(size, seed):
    rng = torch.Generator().manual_seed(seed)
    root = torch.randn(size, size, generator=rng, dtype=torch.float64)
    matrix = root @ root.T + 0.1 * torch.eye(size, dtype=torch.float64)
    target = torch.randn(size, generator=rng, dtype=torch.float64)
    found = conjugate_gradient(lambda vector: matrix @ vector, target, 3 * size)
    torch.testing.assert_close(found, torch.linalg.solve(matrix, target), rtol=1e-5, atol=1e-7)


def test_conjugate_gradient_of_nothing_is_nothing():
    assert torch.equal(conjugate_gradient(lambda vector: vector, torch.zeros(3), 5), torch.zeros(3))


@pytest.mark.parametrize("limit", [1e-3, 0.02])
def test_step_of_a_gaussian_is_known(limit):
    """Its mean and log deviation are the parameters themselves: F is 1 / variance for the one and 2 for the other."""
    mean = torch.tensor([0.3, -1.0], dtype=torch.float64, requires_grad=True)
    log_std = torch.tensor([-0.5, 0.4], dtype=torch.float64, requires_grad=True)
    slope = torch.tensor([1.0, -2.0, 0.5, 3.0], dtype=torch.float64)
    distribution = ActionDistribution(mean.expand(7, 2), log_std, ())
    divergence = distribution.divergence_from(distribution.detach()).mean()
    loss = slope @ torch.cat([mean, log_std])

    step = natural_step(loss, divergence, [mean, log_std], limit)

    fisher = torch.diag(
        torch.cat([(-2.0 * log_std.detach()).exp(), torch.full((2,), 2.0, dtype=torch.float64)])
    )
    direction = -slope / (fisher.diagonal() + DAMPING)
    torch.testing.assert_close(step / step.norm(), direction / direction.norm())
    assert distance(step, fisher) == pytest.approx(limit)


def test_step_of_a_network_is_that_of_its_fisher_matrix():
    """The matrix as its definition says: the mean of the score's square, over all actions of all rows."""
    torch.manual_seed(3)
    network = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.Tanh(), torch.nn.Linear(3, 5)).double()
    parameters = list(network.parameters())
    x = torch.randn(6, 2, dtype=torch.float64)
    branches = branch_log_probs(network(x), (3, 2), None)
    distribution = ActionDistribution(x[:, :0], torch.zeros(0, dtype=torch.float64), branches)

    fisher = torch.zeros(29, 29, dtype=torch.float64)
    for row, pair in itertools.product(range(6), itertools.product(range(3), range(2))):
        log_prob = branches[0][row, pair[0]] + branches[1][row, pair[1]]
        score = torch.cat(
            [part.flatten() for part in torch.autograd.grad(log_prob, parameters, retain_graph=True)]
        )
        fisher += log_prob.exp().detach() / 6 * torch.outer(score, score)
    loss = (branches[0][:, 1] - branches[1][:, 0]).mean()
    slope = torch.cat([part.flatten() for part in torch.autograd.grad(loss, parameters, retain_graph=True)])

    divergence = distribution.divergence_from(distribution.detach()).mean()
    step = natural_step(loss, divergence, parameters, 0.01)

    direction = -torch.linalg.solve(fisher + DAMPING * torch.eye(29, dtype=torch.float64), slope)
    torch.testing.assert_close(step / step.norm(), direction / direction.norm(), rtol=1e-3, atol=1e-4)
    assert distance(step, fisher) == pytest.approx(0.01)


@pytest.mark.parametrize(("limit", "moved"), [(100.0, 8.0), (16.0, 4.0), (15.9, 2.0), (0.0, 0.0)])
def test_a_step_is_halved_until_it_stays_within_the_limit(limit, moved):
    """The divergence is the square of how far the weight is from where it was; 0 is not reached by halves."""
    weight = torch.tensor([3.0])
    move_within(weight, torch.tensor([8.0]), lambda: (weight[0] - 3.0).square(), limit)
    assert weight.item() == 3.0 + moved


def test_a_step_that_leads_nowhere_is_not_made():
    weight, tried = torch.tensor([3.0]), []

    def divergence():
        tried.append(weight.item())
        return torch.tensor(float("nan"))

    move_within(weight, torch.tensor([float("inf")]), divergence, 1.0)
    assert weight.item() == 3.0
    assert len(tried) == HALVINGS + 1


@dataclass(frozen=True)
class Update:
    """A learner's first update: its weights before, those it has now, and the divergence of what it learned from."""

    before: dict[str, torch.Tensor]
    after: dict[str, torch.Tensor]
    divergence: torch.Tensor

    def moved(self, *names: str) -> bool:
        """Whether any of the weights under these names changed."""
        found = [name for name in self.before if name.startswith(names)]
        assert found
        return any(not torch.equal(self.before[name], self.after[name]) for name in found)


def first_update(
    kind: str, *, explicit: bool = True, scale: float = 1.0, blank_critic: bool = False, **keys: object
) -> Update:
    """Collect one rollout, in which rewards are multiplied by `scale`, and learn from it.

    A blank critic says 0 of everything.
    """
    spec = make_spec((4,), **KINDS[kind])
    learner = make_learner(spec, behavior_settings("a2c", {**NATURAL, **keys}, strength=scale))
    if not explicit:
        learner.numpy_path = None
    if blank_critic:
        torch.nn.init.zeros_(learner.policy.value_head.weight)
    env, actor = ScriptedEnv({"Test": Behavior(spec, crowd(5, 40, 9))}), learner.actor("Test")
    env.reset()
    while True:
        asking = actor.observe(*env.get_steps("Test"))
        if learner.ready:
            break
        env.set_actions("Test", actor.act(asking))
        env.step()
    columns = learner.rollout.columns()
    policy, closed = learner.policy, torch.from_numpy(columns.settled.copy())
    inputs = [tensor[closed] for tensor in policy.upload(columns.observations)]
    before = {name: tensor.clone() for name, tensor in policy.state_dict().items()}
    with torch.no_grad():
        old = policy.distribution(inputs, None)
        old = ActionDistribution(old.mean, old.log_std.clone(), old.log_probs)
    learner.update()
    with torch.no_grad():
        divergence = policy.distribution(inputs, None).divergence_from(old)
    return Update(before, policy.state_dict(), divergence)


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3])
@pytest.mark.parametrize("kind", KINDS)
def test_an_update_moves_the_policy_by_the_divergence_asked(kind, scale):
    """However large rewards are; damping leaves it somewhat short."""
    for limit in (1e-4, 0.01):
        update = first_update(kind, scale=scale, natural_gradient_kl=limit, normalize_advantage="none")
        assert 0.3 * limit < update.divergence.mean() < 1.3 * limit


@pytest.mark.parametrize("explicit", [True, False])
@pytest.mark.parametrize("beta", [0.0, 0.1])
def test_passes_move_the_critic_alone(explicit, beta):
    one, many = (
        first_update("hybrid", explicit=explicit, critic_num_epoch=epochs, beta=beta) for epochs in (1, 5)
    )
    actor = ("actor", "mean_head", "logits_head", "log_std")
    assert one.moved(*actor)
    assert one.moved("critic", "value_head")
    for name in one.after:
        same = torch.equal(one.after[name], many.after[name])
        assert same == name.startswith(actor), name


def test_the_entropy_bonus_widens_the_policy():
    free, pulled = (first_update("hybrid", beta=beta).after["log_std"] for beta in (0.0, 100.0))
    assert (pulled > free).all()


def test_nothing_to_gain_moves_nothing():
    update = first_update("hybrid", scale=0.0, beta=0.0, blank_critic=True)
    for name, tensor in update.after.items():
        assert torch.equal(tensor, update.before[name]), name
