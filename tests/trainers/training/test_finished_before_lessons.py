"""Lessons that begin after a behavior has finished: it keeps what it reached, and goes on being measured."""

import math
from collections import deque
from pathlib import Path
from typing import Any

import numpy as np
from learner_tools import behavior_settings, make_learner
from mlagents_envs.base_env import ActionTuple, BaseEnv, BehaviorMapping, DecisionSteps, TerminalSteps
from scripted_env import make_spec
from task_envs import TaskEnv

from trainers import train
from trainers.optim.collective import Alone
from trainers.records.run_status import STATUS, read_status
from trainers.training.outcome import Outcome

AGENTS = 8
RUN = Path("runs/run")


class Beside(BaseEnv):
    """Two tasks at once, one behavior each, with a parameter."""

    def __init__(self) -> None:
        def look(rng: np.random.Generator, age: np.ndarray):
            return [rng.normal(size=(len(age), 3)).astype(np.float32)], None

        def pay(obs: list[np.ndarray], action: ActionTuple) -> np.ndarray:
            return 1.0 + action.discrete[:, 0]

        spec = make_spec((3,), continuous=0, branches=(2,))
        self.parts = {name: TaskEnv(spec, look, pay, AGENTS, name=name) for name in ("Short", "Long")}
        self.told: list[Any] = []

    @property
    def behavior_specs(self) -> BehaviorMapping:
        return BehaviorMapping({name: part.spec for name, part in self.parts.items()})

    def set_parameters(self, values: dict[str, Any]) -> None:
        self.told.append(values)

    def reset(self) -> None:
        for part in self.parts.values():
            part.reset()

    def step(self) -> None:
        for part in self.parts.values():
            part.step()

    def close(self) -> None:
        pass

    def get_steps(self, behavior_name: str) -> tuple[DecisionSteps, TerminalSteps]:
        return self.parts[behavior_name].get_steps(behavior_name)

    def set_actions(self, behavior_name: str, action: ActionTuple) -> None:
        self.parts[behavior_name].set_actions(behavior_name, action)

    def set_action_for_agent(self, behavior_name: str, agent_id: int, action: ActionTuple) -> None:
        raise AssertionError("actions come for all agents at once")


HALF_WAY = {"behavior": "Long", "measure": "progress", "threshold": 0.5, "min_lesson_length": 1}
"""A lesson ends after Short has finished: half-way through Long's 1,600 steps."""
LATER = {"behavior": "Short", "measure": "reward", "threshold": 3.0, "min_lesson_length": 200}
"""A lesson ends with the 200th episode of Short, which plays 120 until it has finished."""


def trained(
    long: int, resume: bool = False, criteria: dict[str, Any] = HALF_WAY
) -> tuple[Beside, dict[str, Outcome]]:
    """A run of both behaviors with two lessons."""
    behavior = {
        "trainer_type": "ppo",
        "hyperparameters": {"batch_size": 32, "buffer_size": 64, "num_epoch": 1},
        "network_settings": {"hidden_units": 4, "num_layers": 1},
        "summary_freq": 160,
    }
    first = {"name": "first", "value": 0, "completion_criteria": criteria}
    options = {
        "behaviors": {"Short": {**behavior, "max_steps": 480}, "Long": {**behavior, "max_steps": long}},
        "environment_parameters": {"height": {"curriculum": [first, {"name": "second", "value": 1}]}},
        "checkpoint_settings": {"run_id": "run", "results_dir": "runs", "resume": resume},
        "env_settings": {"seed": 3},
    }
    env = Beside()
    return env, train(env, options)


def test_lessons_that_begin_later_leave_what_a_behavior_reached() -> None:
    env, outcomes = trained(1_600)
    assert len(env.told) == 2
    short = outcomes["Short"]
    assert short.finished
    assert short.episodes >= 100
    assert math.isfinite(short.mean_return)
    assert math.isfinite(short.best_return)
    saved = read_status(RUN / STATUS)["Short"]
    assert short.best_return == saved["best_return"]
    assert short.mean_return == saved["final_checkpoint"]["reward"]


def test_a_lesson_that_begins_at_the_end_of_a_behavior_leaves_what_it_reached() -> None:
    """Long has had 480 steps, three tenths of its own, in the same step as Short."""
    env, outcomes = trained(1_600, criteria={**HALF_WAY, "threshold": 0.299})
    assert len(env.told) == 2
    assert outcomes["Short"].finished
    assert math.isfinite(outcomes["Short"].mean_return)


def test_a_resumed_run_leaves_what_a_finished_behavior_reached() -> None:
    _, before = trained(1_600)
    saved = read_status(RUN / STATUS)["Short"]
    _, outcomes = trained(1_800, resume=True)
    assert outcomes["Long"].steps > before["Long"].steps
    short = outcomes["Short"]
    assert (short.steps, short.episodes) == (before["Short"].steps, before["Short"].episodes)
    assert short.best_return == before["Short"].best_return
    assert short.mean_return == before["Short"].mean_return
    again = read_status(RUN / STATUS)["Short"]
    assert again["best_return"] == saved["best_return"]
    assert again["final_checkpoint"]["reward"] == saved["final_checkpoint"]["reward"]


def test_a_lesson_goes_on_measuring_a_behavior_that_has_finished() -> None:
    """Otherwise Long would train in the first lesson to the end."""
    env, outcomes = trained(1_600, criteria=LATER)
    assert len(env.told) == 2
    assert outcomes["Short"].episodes < 130
    assert outcomes["Short"].steps < 500


class Two(Alone):
    """Two ranks."""

    size = 2


def test_so_do_the_lessons_of_several_ranks() -> None:
    """What happens on each rank after the end counts for lessons on all of them, and for nothing else."""
    settings = behavior_settings("ppo", max_steps=100)
    learner = make_learner(make_spec((3,), continuous=1), settings, collective=Two())
    learner.metrics.lesson_returns = deque(maxlen=10)
    learner.step = 100
    learner.finish()
    own, group, lengths = np.array([1.0, 2.0]), np.array([0.5, 0.5]), np.array([4, 4])
    learner.ended(own, group, lengths)
    learner.groups_ended(group)
    _, told = learner.news.take()
    learner.meet(np.array([0, 0]), 8, 0, [told, told])
    assert list(learner.metrics.lesson_returns) == [1.5, 2.5, 1.5, 2.5]
    assert (learner.step, learner.metrics.episodes) == (100, 0)
    assert not learner.metrics.recent_returns
    assert learner.metrics.summarise()[0] == {}
