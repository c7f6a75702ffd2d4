"""Behaviors that share a run: each has its own end, and its own randomness."""

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from learner_tools import SMALL_NETWORK, assert_same
from mlagents_envs.base_env import ActionTuple
from run_tools import read_progress
from scripted_env import make_spec
from task_envs import TaskEnv, noise

from tests.joined_env import JoinedEnv
from trainers.algorithms.learner import Learner
from trainers.config import RunSettings, load_settings
from trainers.maths.seeds import behavior_seed
from trainers.optim.collective import Alone
from trainers.optim.threads import Threads
from trainers.records.checkpoint import load_state
from trainers.records.progress import LineDisplay
from trainers.training.callbacks import Callbacks
from trainers.training.learners import Learners
from trainers.training.loop import run
from trainers.training.session import Session

AGENTS = 8
KINDS: dict[str, dict[str, Any]] = {
    "ppo": {"batch_size": 16, "buffer_size": 32},
    "a2c": {"batch_size": 16, "buffer_size": 32},
    "dqn": {"batch_size": 16, "buffer_size": 200, "buffer_init_steps": 16, "exploration_initial_eps": 1.0},
    "pqn": {"batch_size": 16, "buffer_size": 32, "exploration_initial_eps": 1.0},
}


class Beside(JoinedEnv):
    """Several tasks at once, one behavior each; remembers the actions of each, step by step."""

    def __init__(self, *names: str, continuous: int = 0) -> None:
        def pay(obs: list[np.ndarray], action: ActionTuple) -> np.ndarray:
            return action.discrete[:, 0] + action.continuous.sum(1)

        spec = make_spec((3,), continuous=continuous, branches=(2,))
        super().__init__({name: (TaskEnv(spec, noise((3,)), pay, AGENTS, name=name), name) for name in names})
        self.actions: dict[str, list[np.ndarray]] = {name: [] for name in names}

    def set_actions(self, behavior_name: str, action: ActionTuple) -> None:
        self.actions[behavior_name].append(np.concatenate([action.continuous, action.discrete], axis=1))
        super().set_actions(behavior_name, action)


def settings(kind: str, seed: int = 7, **max_steps: int) -> RunSettings:
    """A run of behaviors with so many steps each."""
    behavior = {
        "trainer_type": kind,
        "hyperparameters": KINDS[kind],
        "network_settings": SMALL_NETWORK,
        "summary_freq": 40,
    }
    return load_settings(
        {
            "behaviors": {name: {**behavior, "max_steps": steps} for name, steps in max_steps.items()},
            "env_settings": {"seed": seed},
            "checkpoint_settings": {"run_id": "run", "results_dir": "runs"},
        }
    )


@pytest.mark.parametrize("kind", ["ppo", "dqn"])
def test_a_behavior_that_has_had_its_steps_only_acts_from_then_on(kind):
    env = Beside("Short", "Long", continuous=int(kind != "dqn"))
    with Threads() as threads:
        session = Session(
            settings(kind, Short=80, Long=800), LineDisplay(), threads, Alone(), Callbacks(), None
        )
        run(env, session)
    short = session.recorders["Short"].learner
    outcomes = session.close()
    assert 80 <= outcomes["Short"].steps < 80 + AGENTS
    assert 800 <= outcomes["Long"].steps < 800 + AGENTS
    assert outcomes["Short"].episodes == pytest.approx(80 / 4, abs=AGENTS)
    assert outcomes["Long"].episodes == pytest.approx(800 / 4, abs=AGENTS)

    saved = load_state(Path("runs/run/Short/checkpoint.pt"))
    assert saved["global_step"] == outcomes["Short"].steps
    assert_same(dict(short.policy.state_dict()), saved["Policy"])
    steps = [int(row["step"]) for row in read_progress(Path("runs/run"), "Short")]
    assert steps[-1] == outcomes["Short"].steps
    assert len(steps) == len(set(steps)) <= 3
    assert short.metrics.summarise()[0] == {}

    actions = env.actions["Short"]
    assert len(actions) == len(env.actions["Long"]) > 95
    assert len({array.tobytes() for array in actions[-50:]}) > 10, "it goes on choosing"


def learners(kind: str, *names: str) -> dict[str, Learner]:
    """As a run makes them, in this order."""
    with Threads() as threads:
        make = Learners(settings(kind, **dict.fromkeys(names, 1000)), threads, LineDisplay())
        spec = Beside("Any", continuous=int(kind not in ("dqn", "pqn"))).behavior_specs["Any"]
        return {name: make.make(name, spec, {}) for name in names}


def side_by_side(env: Beside, learners: dict[str, Learner], steps: int) -> None:
    env.reset()
    for _ in range(steps):
        for name, learner in learners.items():
            actor = learner.actor(name)
            batch = actor.observe(*env.get_steps(name))
            if learner.ready:
                learner.update()
            env.set_actions(name, actor.act(batch))
        env.step()


@pytest.mark.parametrize("kind", KINDS)
def test_the_first_behavior_is_the_one_it_would_be_alone_and_the_second_another(kind):
    continuous = int(kind not in ("dqn", "pqn"))
    both, alone = (Beside(*names, continuous=continuous) for names in (("First", "Second"), ("First",)))
    two, one = learners(kind, "First", "Second"), learners(kind, "First")
    side_by_side(both, two, 25)
    side_by_side(alone, one, 25)
    np.testing.assert_array_equal(both.actions["First"], alone.actions["First"])
    assert_same(two["First"].state_dict(), one["First"].state_dict())
    assert not np.array_equal(both.actions["First"][0], both.actions["Second"][0])


@pytest.mark.parametrize("kind", KINDS)
def test_behaviors_of_one_kind_begin_with_other_weights_and_other_noise(kind):
    made = list(learners(kind, "First", "Second", "Third").values())
    for one, other in itertools.combinations(made, 2):
        for name, tensor in one.policy.state_dict().items():
            if tensor.dim() == 2:  # biases begin at 0
                assert not torch.equal(tensor, other.policy.state_dict()[name]), name
        assert not torch.equal(one.generator.get_state(), other.generator.get_state())


def test_seeds_of_a_run_s_behaviors_follow_from_its_own_and_none_is_another_s():
    seeds = {seed: [behavior_seed(seed, number) for number in range(20)] for seed in range(50)}
    assert all(own[0] == seed for seed, own in seeds.items())
    assert len({one for own in seeds.values() for one in own}) == 50 * 20
    assert behavior_seed(3, 1) == behavior_seed(3, 1)
