"""GAIL: where the discriminator ends, what it compares, its penalties, what it pays, and how it goes on."""

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from learner_tools import assert_same, behavior_settings, drive, make_learner
from mlagents_envs.base_env import BehaviorSpec
from row_tools import RowTable, row_table
from scripted_env import Behavior, ScriptedEnv, crowd, make_spec

from gym_adapters.errors import UserError
from tests.shown import episode, write_shown
from trainers.algorithms.learner import Learner
from trainers.config import GAILSettings
from trainers.experience.task import Task
from trainers.rewards.gail import BETA_RATE, CAPACITY, GAIL
from trainers.rewards.learned import RowBatch

SPEC = make_spec((3,), continuous=1, branches=(2,))
TAGS = {
    "Losses/GAIL Loss",
    "Policy/GAIL Expert Estimate",
    "Policy/GAIL Policy Estimate",
    "Policy/GAIL Grad Mag Loss",
}
VAIL_TAGS = {"Losses/GAIL KL Loss", "Policy/GAIL Beta"}


def show(
    path: Path, seen: np.ndarray, continuous: np.ndarray, discrete: np.ndarray, spec: BehaviorSpec = SPEC
) -> Path:
    """Write demonstrations with these columns."""
    run = episode(spec, [np.concatenate([seen, seen[-1:]])], continuous, discrete)
    return write_shown(path, spec, run)


def make_gail(
    demo: Path,
    limit: float = 3.0,
    batch_size: int = 32,
    penalty: float | None = None,
    network: dict[str, Any] | None = None,
    **keys: Any,
) -> GAIL:
    settings = GAILSettings.model_validate(
        {
            "demo_path": str(demo),
            "network_settings": {"hidden_units": 32, "num_layers": 1, **(network or {})},
            "learning_rate": 0.003,
            **keys,
        }
    )
    behavior = behavior_settings(hyperparameters={"batch_size": batch_size, "buffer_size": 64})
    task = Task("Test", SPEC, behavior, 0, torch.device("cpu"), action_limit=limit)
    signal = GAIL("gail", settings, task)
    if penalty is not None:
        signal.penalty_weight = penalty
    return signal


def kinds(rng: np.random.Generator, shares: list[float], count: int) -> np.ndarray:
    """One-hot vectors, drawn with these probabilities."""
    return np.eye(3, dtype=np.float32)[rng.choice(3, count, p=shares)]


def acted(
    seen: np.ndarray, continuous: np.ndarray | None = None, discrete: np.ndarray | None = None
) -> RowTable:
    return row_table(SPEC, [seen.astype(np.float32)], continuous=continuous, discrete=discrete)


def estimate(signal: GAIL, rows: RowTable) -> np.ndarray:
    """D, from the reward -ln(1 - D)."""
    return 1.0 - np.exp(-signal.rewards(rows) / signal.strength)


def test_the_discriminator_ends_at_p_over_p_plus_q(tmp_path: Path) -> None:
    p, q, count = [0.6, 0.3, 0.1], [0.1, 0.3, 0.6], 3000
    rng = np.random.default_rng(0)
    demo = show(tmp_path / "a.demo", kinds(rng, p, count), np.zeros((count, 1)), np.zeros((count, 1)))
    signal = make_gail(demo, batch_size=500, penalty=0.0, learning_rate=0.01)
    for _ in range(25):
        figures = signal.update(acted(kinds(rng, q, count)))
    expected = np.array(p) / (np.array(p) + np.array(q))
    np.testing.assert_allclose(estimate(signal, acted(np.eye(3))), expected, atol=0.04)
    assert figures["Policy/GAIL Expert Estimate"] == pytest.approx(float(np.dot(p, expected)), abs=0.06)
    assert figures["Policy/GAIL Policy Estimate"] == pytest.approx(float(np.dot(q, expected)), abs=0.06)


def test_actions_are_compared_in_the_units_that_the_environment_takes(tmp_path: Path) -> None:
    """A policy whose raw actions are three times those shown does exactly what was shown."""
    rng = np.random.default_rng(1)
    seen, shown = rng.standard_normal((600, 3)), rng.uniform(-1, 1, (600, 1)).astype(np.float32)
    picks = rng.integers(0, 2, (600, 1))
    signal = make_gail(show(tmp_path / "a.demo", seen, shown, picks), use_actions=True)
    network = signal.network
    expert = signal._expert_side(np.arange(600))  # noqa: SLF001
    rows = acted(seen, shown * 3.0, picks)
    policy = signal._policy_side(RowBatch(rows, network))  # noqa: SLF001
    torch.testing.assert_close(policy, expert)
    assert expert[0].shape == (600, 3 + 1 + 2)
    beyond = signal._policy_side(RowBatch(acted(seen[:1], np.full((1, 1), 9.0, np.float32)), network))  # noqa: SLF001
    assert beyond[0][0, 3] == 1.0


def test_actions_count_only_with_use_actions(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    seen = rng.standard_normal((600, 3))
    demo = show(tmp_path / "a.demo", seen, np.full((600, 1), 0.8), np.ones((600, 1)))
    same, other = (
        acted(seen, np.full((600, 1), raw, np.float32), np.full((600, 1), pick))
        for raw, pick in ((2.4, 1), (-2.4, 0))
    )
    with_actions, without = make_gail(demo, use_actions=True), make_gail(demo)
    for signal in (with_actions, without):
        for _ in range(8):
            signal.update(other)
    assert with_actions.rewards(same).mean() > 2.0 * with_actions.rewards(other).mean()
    np.testing.assert_array_equal(without.rewards(same), without.rewards(other))


def test_the_penalty_is_that_of_the_gradient_on_one_point_between_each_pair_of_rows(tmp_path: Path) -> None:
    """A linear discriminator has the same gradient everywhere, its weights: the penalty is 10 (|w| - 1)²."""
    demo = show(tmp_path / "a.demo", np.ones((40, 3)), np.ones((40, 1)), np.zeros((40, 1)))
    signal = make_gail(demo, use_actions=True, network={"activation": "relu"})
    linear, head = signal.network.body.layers[0], signal.network.head
    weights = torch.tensor([0.5, -1.0, 2.0, 0.25, 1.5, 0.0])
    with torch.no_grad():
        linear.weight.zero_()
        linear.weight[0] = weights
        linear.bias.fill_(100.0)  # the unit stays in its linear part
        head.weight.zero_()
        head.weight[0, 0] = 1.0
    loss, figures = signal.loss(_batch(signal, acted(np.zeros((20, 3)))))
    by_hand = 10.0 * (float(weights.norm()) - 1.0) ** 2
    assert figures["Policy/GAIL Grad Mag Loss"].item() == pytest.approx(by_hand, rel=1e-5)
    assert loss.item() == pytest.approx(by_hand + figures["Losses/GAIL Loss"].item(), rel=1e-5)


def test_the_bottleneck_costs_what_exceeds_its_capacity_and_its_weight_follows(tmp_path: Path) -> None:
    demo = show(tmp_path / "a.demo", np.ones((40, 3)), np.zeros((40, 1)), np.zeros((40, 1)))
    signal = make_gail(demo, use_vail=True)
    signal.beta = 0.25
    loss, figures = signal.loss(_batch(signal, acted(-np.ones((20, 3)))))
    divergence, penalty = figures["Losses/GAIL KL Loss"].item(), figures["Policy/GAIL Grad Mag Loss"].item()
    assert figures["Policy/GAIL Beta"].item() == 0.25
    expected = figures["Losses/GAIL Loss"].item() + 0.25 * (divergence - CAPACITY) + penalty
    assert loss.item() == pytest.approx(expected, rel=1e-5)
    assert signal.beta == pytest.approx(0.25 + BETA_RATE * (divergence - CAPACITY))
    signal.beta = 0.0
    with torch.no_grad():
        signal.network.code_layer.weight.zero_()
    signal.loss(_batch(signal, acted(-np.ones((20, 3)))))
    assert signal.beta == 0.0  # less than the capacity passes


@pytest.mark.parametrize("use_vail", [False, True])
def test_what_was_demonstrated_pays_more_and_all_pay_more_than_nothing(
    use_vail: bool, tmp_path: Path
) -> None:
    rng = np.random.default_rng(3)
    demo = show(tmp_path / "a.demo", rng.normal(1.0, 0.3, (300, 3)), np.zeros((300, 1)), np.zeros((300, 1)))
    signal = make_gail(demo, use_vail=use_vail, strength=0.5, network={"normalize": True})
    strange = acted(rng.normal(-1.0, 0.3, (300, 3)))
    for _ in range(10):
        figures = signal.update(strange)
    assert set(figures) == (TAGS | VAIL_TAGS if use_vail else TAGS)
    alike = acted(rng.normal(1.0, 0.3, (300, 3)))
    assert signal.rewards(alike).mean() > 2.0 * signal.rewards(strange).mean()
    assert signal.rewards(strange).min() > 0.0
    assert figures["Policy/GAIL Expert Estimate"] > 0.6 > 0.4 > figures["Policy/GAIL Policy Estimate"]


def test_the_normaliser_is_that_of_the_demonstrations_and_stays(tmp_path: Path) -> None:
    rng = np.random.default_rng(4)
    seen = rng.normal(50.0, 3.0, (500, 3))
    signal = make_gail(
        show(tmp_path / "a.demo", seen, np.zeros((500, 1)), np.zeros((500, 1))), network={"normalize": True}
    )
    prepared = signal.network.upload([seen.astype(np.float32)])[0]
    assert prepared.mean().abs() < 0.2
    before = signal.network.normalizer.mean.clone()
    signal.update(acted(rng.normal(0.0, 1.0, (64, 3))))
    assert torch.equal(signal.network.normalizer.mean, before)


@pytest.mark.parametrize("trainer", ["ppo", "sac", "poca"])
@pytest.mark.parametrize("use_vail", [False, True])
def test_a_run_goes_on_bit_for_bit(trainer: str, use_vail: bool, tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    demo = show(
        tmp_path / "a.demo", rng.standard_normal((60, 3)), rng.uniform(-1, 1, (60, 1)), np.zeros((60, 1))
    )
    hyper = {
        "sac": {"buffer_size": 500, "batch_size": 16, "buffer_init_steps": 20},
    }.get(trainer, {"buffer_size": 40, "batch_size": 10})

    def make() -> Learner:
        block = {
            "demo_path": str(demo),
            "use_actions": True,
            "use_vail": use_vail,
            "network_settings": {"hidden_units": 8, "num_layers": 1},
        }
        settings = behavior_settings(trainer, hyper)
        signals = settings.reward_signals.model_copy(update={"gail": GAILSettings.model_validate(block)})
        return make_learner(SPEC, settings.model_copy(update={"reward_signals": signals}))

    learner, other = make(), make()
    drive(ScriptedEnv({"Test": Behavior(SPEC, crowd(4, 60, 7))}), learner, 60)
    values, _, _ = learner.metrics.summarise()
    assert values.keys() >= TAGS
    assert (use_vail and learner.signals[1].beta > 0) or not use_vail
    state = copy.deepcopy(learner.state_dict())
    other.load_state_dict(state)
    assert_same(other.state_dict(), learner.state_dict())
    rows = acted(rng.standard_normal((30, 3)), rng.uniform(-3, 3, (30, 1)).astype(np.float32))
    assert learner.signals[1].update(rows) == other.signals[1].update(rows)
    np.testing.assert_array_equal(learner.signals[1].rewards(rows), other.signals[1].rewards(rows))


def test_demonstrations_of_another_behavior_are_refused(tmp_path: Path) -> None:
    spec = make_spec((3,), continuous=2)
    demo = show(tmp_path / "a.demo", np.ones((5, 3)), np.ones((5, 2)), np.zeros((5, 0)), spec)
    with pytest.raises(UserError, match=r"a\.demo: recorded with 2 continuous .* behavior Test has 1"):
        make_gail(demo)


def _batch(signal: GAIL, rows: RowTable) -> RowBatch:
    return RowBatch(rows, signal.network)
