"""Supervised learning of demonstrations: what is held out, when it ends, and which weights it leaves."""

from pathlib import Path

import numpy as np
import pytest
import torch
from scripted_env import make_spec
from test_cloning import HYPER, pupil, teach

from bridge.demonstrations import Demonstrations
from tests.shown import episode
from trainers.imitation import fitting
from trainers.imitation.cloning import Cloning
from trainers.imitation.fitting import default_epochs, deviation, divided, fit, mean_loss

SPEC = make_spec((3,), continuous=1, branches=(3,))


def made(lengths: list[int]) -> Demonstrations:
    runs = tuple(episode(SPEC, [np.zeros((length + 1, 3))]) for length in lengths)
    return Demonstrations("test", "Test", SPEC, runs)


@pytest.mark.parametrize(("lengths", "held"), [([30] * 20, 2), ([7] * 5, 1)])
def test_whole_trajectories_are_held_out_if_there_are_some(lengths: list[int], held: int) -> None:
    learned, held_out = divided(made(lengths), seed=0)
    assert len(held_out) == held * lengths[0]
    assert sorted([*learned, *held_out]) == list(range(sum(lengths)))
    assert len({row // lengths[0] for row in held_out}) == held


@pytest.mark.parametrize(("lengths", "held"), [([100], 10), ([50, 45], 9), ([9], 0)])
def test_single_decisions_are_held_out_of_few_trajectories(lengths: list[int], held: int) -> None:
    learned, held_out = divided(made(lengths), seed=0)
    assert len(held_out) == held
    assert sorted([*learned, *held_out]) == list(range(sum(lengths)))


def test_with_memory_the_end_of_each_of_few_trajectories_is_held_out() -> None:
    learned, held_out = divided(made([20, 10]), seed=0, in_order=True)
    assert held_out.tolist() == [18, 19, 29]
    assert sorted([*learned, *held_out]) == list(range(30))


def cloner(tmp_path: Path, rows: np.ndarray | None = None, **cloning: int) -> Cloning:
    teach(tmp_path / "a.demo", SPEC, 200)
    learner = pupil(tmp_path / "a.demo", **cloning)
    one = learner.cloning
    assert one is not None
    hyper = learner.settings.hyperparameters
    return Cloning(one.settings, one.shown, one.policy, learner.optimizer, 0, hyper, learner.generator, rows)


def test_it_ends_when_the_held_out_part_gets_no_better_and_leaves_the_best_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fitting, "LEAST_EPOCHS", 3)
    one = cloner(tmp_path, np.arange(100))
    held_out = np.arange(100, 200)
    one.shown.discrete[held_out] = (one.shown.discrete[held_out] + 1) % 3  # what is learned is wrong there
    one.shown.forbidden[:] = False
    epochs, weights = [], []
    for epoch in fit(one, held_out, 40):
        epochs.append(epoch)
        weights.append(one.weights.detach().clone())
    best = min(epochs, key=lambda epoch: epoch.held_out)
    assert len(epochs) == best.number + 4 < 40  # a tenth of 40
    assert [epoch.number for epoch in epochs] == list(range(1, len(epochs) + 1))
    assert torch.equal(one.weights.detach(), weights[best.number - 1])
    assert mean_loss(one, held_out) == pytest.approx(best.held_out)
    assert epochs[-1].samples == 100 * len(epochs)


def test_the_learning_rate_falls_linearly_over_the_epochs(tmp_path: Path) -> None:
    one = cloner(tmp_path, np.arange(200))
    rates = [epoch.rate for epoch in fit(one, np.arange(0), 4)]
    assert rates == pytest.approx([3e-3, 2.25e-3, 1.5e-3, 0.75e-3])


def test_closing_it_early_leaves_the_best_weights(tmp_path: Path) -> None:
    one = cloner(tmp_path, np.arange(100))
    passes = fit(one, np.arange(100, 200), 100)
    next(passes)
    best = one.weights.detach().clone()
    one.weights.data.add_(1.0)
    passes.close()
    assert torch.equal(one.weights.detach(), best)


def test_default_epochs_take_a_fixed_number_of_gradient_steps(tmp_path: Path) -> None:
    one = cloner(tmp_path, np.arange(150), batch_size=10)
    assert default_epochs(one) == fitting.GRADIENT_STEPS / 15
    assert HYPER["ppo"]["batch_size"] == 10


def test_the_deviation_is_the_root_mean_square_error_as_a_raw_action(tmp_path: Path) -> None:
    one = cloner(tmp_path)
    with torch.no_grad():
        mean = one.policy.distribution(one.policy.upload(one.shown.observations), None).mode().continuous
    errors = mean.numpy() / 3.0 - one.shown.continuous
    expected = 3.0 * np.sqrt(np.square(errors).mean(0))
    np.testing.assert_allclose(deviation(one, np.arange(200)).numpy(), expected, rtol=1e-5)
