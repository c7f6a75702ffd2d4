"""Behavioral cloning: what it learns, its schedule, its minibatches, and how it goes on after a resume."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from learner_tools import assert_same, behavior_settings, drive, make_learner
from mlagents_envs.base_env import BehaviorSpec
from scripted_env import Behavior, ScriptedEnv, crowd, make_spec

from gym_adapters.errors import UserError
from tests.shown import episode, write_shown
from trainers.algorithms.learner import Learner
from trainers.config import load_settings
from trainers.networks.distributions import ActionDistribution

TRAINERS = ("ppo", "a2c", "poca", "mappo", "sac")
HYPER = {
    "sac": {"buffer_size": 500, "batch_size": 16, "buffer_init_steps": 20, "steps_per_update": 4},
    "ppo": {"buffer_size": 40, "batch_size": 10},
}


def teach(
    path: Path, spec: BehaviorSpec, count: int = 400, forbid: bool = False, seed: int = 0
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Write what a teacher does: 0.9 tanh of the first number, and the branch that the signs of the others say.

    With `forbid`, the other choices of the branch are forbidden. Returns the observations and both kinds of actions.
    """
    rng = np.random.default_rng(seed)
    seen = rng.standard_normal((count + 1, 3)).astype(np.float32)
    continuous = np.tanh(seen[:-1, :1] * np.ones(spec.action_spec.continuous_size, np.float32)) * 0.9
    choices = (seen[:-1, 1] > 0).astype(np.int64) + (seen[:-1, 2] > 0)
    discrete = np.tile(choices[:, None], (1, spec.action_spec.discrete_size))
    forbidden = np.zeros((count, sum(spec.action_spec.discrete_branches)), np.bool_)
    if forbid:
        forbidden[:, :3] = ~np.eye(3, dtype=np.bool_)[choices]
    write_shown(path, spec, episode(spec, [seen], continuous, discrete, forbidden, np.ones(count)))
    return seen[:-1], continuous, discrete


def pupil(
    path: Path,
    trainer: str = "ppo",
    continuous: int = 1,
    branches: tuple[int, ...] = (3,),
    seed: int = 0,
    network: dict[str, Any] | None = None,
    hyperparameters: dict[str, Any] | None = None,
    **cloning: Any,
) -> Learner:
    hyper = {**HYPER.get(trainer, HYPER["ppo"]), "learning_rate": 3e-3, **(hyperparameters or {})}
    settings = behavior_settings(
        trainer,
        hyper,
        {"hidden_units": 32, "num_layers": 2, **(network or {})},
        behavioral_cloning={"demo_path": str(path), **cloning},
    )
    return make_learner(make_spec((3,), continuous=continuous, branches=branches), settings, seed)


def acts_like(learner: Learner, seen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    sample = learner.policy.choose([seen], None, True, None)
    action = learner.policy.to_environment(sample)
    return action.continuous, action.discrete


@pytest.mark.parametrize("trainer", TRAINERS)
@pytest.mark.parametrize(("continuous", "branches"), [(2, ()), (0, (3,)), (1, (3,))])
def test_the_clone_does_what_the_teacher_did(
    trainer: str, continuous: int, branches: tuple[int, ...], tmp_path: Path
) -> None:
    spec = make_spec((3,), continuous=continuous, branches=branches)
    seen, shown, picked = teach(tmp_path / "teacher.demo", spec)
    learner = pupil(tmp_path / "teacher.demo", trainer, continuous, branches, num_epoch=40, batch_size=20)
    others = [
        name
        for name in learner.policy.state_dict()
        if name.startswith("critic." if trainer == "sac" else ("critic.", "value_head.", "log_std"))
    ]
    before = {name: learner.policy.state_dict()[name].clone() for name in others}
    learner.clone()
    found, choices = acts_like(learner, seen)
    if continuous:
        assert np.abs(found - shown).mean() < 0.05
    if branches:
        assert (choices == picked).mean() > 0.95
    assert others
    assert all(torch.equal(learner.policy.state_dict()[name], before[name]) for name in others)


def test_an_action_at_the_end_of_the_range_is_reached_and_one_beyond_it_is_cut(tmp_path: Path) -> None:
    spec = make_spec((3,), continuous=1, branches=())
    write_shown(tmp_path / "far.demo", spec, episode(spec, [np.ones((101, 3))], [7.0] * 100))
    learner = pupil(tmp_path / "far.demo", branches=(), num_epoch=60)
    learner.clone()
    assert acts_like(learner, np.ones((1, 3), np.float32))[0] == pytest.approx(1.0, abs=0.02)


def test_forbidden_choices_are_not_learned_from(tmp_path: Path) -> None:
    spec = make_spec((3,), continuous=0, branches=(3,))
    teach(tmp_path / "masked.demo", spec, forbid=True)
    learner = pupil(tmp_path / "masked.demo", continuous=0)
    assert learner.cloning is not None
    assert float(learner.cloning.loss(np.arange(50)).detach()) == pytest.approx(0.0, abs=1e-6)
    teach(tmp_path / "open.demo", spec)
    learner = pupil(tmp_path / "open.demo", continuous=0)
    assert float(learner.cloning.loss(np.arange(50)).detach()) > 0.5


def test_the_learning_rate_falls_to_the_step_and_then_nothing_moves(tmp_path: Path) -> None:
    teach(tmp_path / "a.demo", make_spec((3,), continuous=1, branches=(3,)), 50)
    learner = pupil(tmp_path / "a.demo", strength=0.5, steps=1000)
    cloning = learner.cloning
    assert cloning is not None
    for step in (0, 250, 500, 999):
        assert cloning.rate(step) == pytest.approx(1e-10 + (1.5e-3 - 1e-10) * (1 - step / 1000))
    assert cloning.update(250) > 0
    assert cloning.adam.rates == [cloning.rate(250)]
    before = learner.optimizer.flat[0].detach().clone()
    assert cloning.update(1000) == 0.0
    assert torch.equal(learner.optimizer.flat[0].detach(), before)
    assert pupil(tmp_path / "a.demo", strength=0.5).cloning.rate(10**9) == pytest.approx(1.5e-3)


@pytest.mark.parametrize(
    ("cloning", "sizes"),
    [
        ({}, [10] * 10 * 3),  # the trainer's batch size, three passes
        ({"batch_size": 30, "num_epoch": 2}, [30] * 3 * 2),
        ({"batch_size": 30, "num_epoch": 1, "samples_per_update": 70}, [30] * 2),
        ({"batch_size": 30, "num_epoch": 1, "samples_per_update": 29}, [30] * 3),
        ({"batch_size": 5000, "num_epoch": 1}, [100]),
    ],
)
def test_minibatches_are_those_of_the_keys(cloning: dict[str, int], sizes: list[int], tmp_path: Path) -> None:
    teach(tmp_path / "a.demo", make_spec((3,), continuous=1, branches=(3,)), 100)
    learner = pupil(tmp_path / "a.demo", **cloning)
    seen: list[np.ndarray] = []
    loss = learner.cloning.loss
    learner.cloning.loss = lambda rows: (seen.append(rows), loss(rows))[1]  # type: ignore[method-assign]
    learner.clone()
    assert [len(rows) for rows in seen] == sizes
    one_pass = np.concatenate(seen[: len(sizes) // learner.cloning.passes])
    assert len(np.unique(one_pass)) == len(one_pass)


@pytest.mark.parametrize("trainer", TRAINERS)
@pytest.mark.parametrize("network", [{}, {"normalize": True}])
def test_a_run_goes_on_bit_for_bit(trainer: str, network: dict[str, Any], tmp_path: Path) -> None:
    spec = make_spec((3,), continuous=1, branches=(3,))
    teach(tmp_path / "a.demo", spec, 60)

    def make() -> Learner:
        return pupil(tmp_path / "a.demo", trainer, seed=3, network=network, num_epoch=1, steps=400)

    learner, other = make(), make()
    env = ScriptedEnv({"Test": Behavior(spec, crowd(4, 120, 7))})
    drive(env, learner, 60)
    state = learner.state_dict()
    assert state["behavioral_cloning"]["step"] > 0
    other.load_state_dict(state)
    assert_same(other.state_dict(), learner.state_dict())
    learner.clone()
    other.clone()
    assert_same(other.state_dict(), learner.state_dict())


def test_a_run_that_has_imitated_goes_on_without_imitation(tmp_path: Path) -> None:
    teach(tmp_path / "a.demo", make_spec((3,), continuous=1, branches=(3,)))
    learner = pupil(tmp_path / "a.demo")
    assert learner.cloning.update(0) > 0
    other = pupil(tmp_path / "a.demo", strength=0)
    other.load_state_dict(learner.state_dict())
    assert other.cloning.update(0) == 0
    assert_same(other.state_dict(), learner.state_dict())


def test_the_loss_is_reported_and_nothing_is_without_the_block(tmp_path: Path) -> None:
    spec = make_spec((3,), continuous=1, branches=(3,))
    teach(tmp_path / "a.demo", spec, 60)
    learner = pupil(tmp_path / "a.demo")
    drive(ScriptedEnv({"Test": Behavior(spec, crowd(4, 60, 7))}), learner, 60)
    values, _, _ = learner.metrics.summarise()
    assert values["Losses/Pretraining Loss"] > 0
    plain = make_learner(spec, behavior_settings("ppo", HYPER["ppo"]))
    assert plain.cloning is None
    assert "behavioral_cloning" not in plain.state_dict()


def test_the_numpy_path_sees_the_cloned_weights(tmp_path: Path) -> None:
    seen, _, _ = teach(tmp_path / "a.demo", make_spec((3,), continuous=1, branches=(3,)), 60)
    learner = pupil(tmp_path / "a.demo")
    learner.clone()
    assert learner.numpy_path is not None
    fast = learner.numpy_path.choose([seen], None, True, learner.generator)
    with torch.no_grad():
        slow = learner.policy.distribution(learner.policy.upload([seen]), None)
    assert isinstance(slow, ActionDistribution)
    np.testing.assert_allclose(fast.continuous, slow.mean.numpy(), atol=1e-5)


def test_demonstrations_of_another_behavior_are_refused(tmp_path: Path) -> None:
    teach(tmp_path / "a.demo", make_spec((3,), continuous=2, branches=()), 10)
    with pytest.raises(UserError, match=r"a\.demo: recorded with 2 continuous .*behavior Test has 1"):
        pupil(tmp_path / "a.demo")


def test_dqn_has_no_policy_to_clone() -> None:
    block = {"trainer_type": "dqn", "behavioral_cloning": {"demo_path": "a.demo"}}
    with pytest.raises(
        UserError, match="behavioral_cloning needs trainer_type ppo, sac, poca, mappo or a2c; dqn"
    ):
        load_settings({"behaviors": {"Test": block}})


def recall_task(path: Path, episodes: int = 60, length: int = 4) -> np.ndarray:
    """Write what a teacher does who remembers the first number that it saw: it repeats its sign. Returns the signs."""
    spec = make_spec((3,), continuous=1, branches=(3,))
    rng = np.random.default_rng(0)
    signs = rng.choice([-1.0, 1.0], episodes).astype(np.float32)
    runs = []
    for sign in signs:
        seen = np.zeros((length + 1, 3), np.float32)
        seen[0, 0] = sign
        runs.append(episode(spec, [seen], [0.6 * sign] * length, [1 + int(sign)] * length))
    write_shown(path, spec, *runs)
    return signs


@pytest.mark.parametrize("trainer", ["ppo", "sac"])
def test_a_policy_with_memory_learns_sequences(trainer: str, tmp_path: Path) -> None:
    signs = recall_task(tmp_path / "a.demo")
    network = {"memory": {"sequence_length": 4, "memory_size": 16}}
    learner = pupil(tmp_path / "a.demo", trainer, network=network, num_epoch=120, batch_size=24)
    learner.clone()
    memory = np.zeros((len(signs), 16), np.float32)
    for step in range(4):
        seen = np.zeros((len(signs), 3), np.float32)
        seen[:, 0] = signs if step == 0 else 0.0
        sample = learner.policy.choose([seen], None, True, None, memory)
        memory = sample.memory
        action = learner.policy.to_environment(sample)
        np.testing.assert_allclose(action.continuous[:, 0], 0.6 * signs, atol=0.15)
        np.testing.assert_array_equal(action.discrete[:, 0], 1 + signs)


def test_sequences_are_whole_and_of_one_trajectory(tmp_path: Path) -> None:
    recall_task(tmp_path / "a.demo", episodes=10, length=7)
    network = {"memory": {"sequence_length": 3, "memory_size": 8}}
    cloning = pupil(tmp_path / "a.demo", network=network, batch_size=6, num_epoch=1).cloning
    assert cloning is not None
    drawn = list(cloning.minibatches())
    rows = np.concatenate(drawn)
    assert sorted(rows) == list(range(70))
    assert [len(np.split(part, np.flatnonzero(np.diff(part) != 1) + 1)) <= 2 for part in drawn] == [True] * 15
    # The loss of an episode is the same in two sequences as by acting through it, up to where the second begins.
    together = cloning.errors(np.arange(7))
    apart = cloning.errors(np.concatenate([np.arange(3), np.arange(10, 13)]))
    torch.testing.assert_close(apart[:3], together[:3])
