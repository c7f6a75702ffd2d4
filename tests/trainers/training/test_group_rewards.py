"""What a behavior has reached is what its agents and their groups have earned, together."""

import math
from pathlib import Path

import pytest
from learner_tools import SMALL_NETWORK
from scripted_env import Behavior, Life, ScriptedEnv, Visit, make_spec

from trainers import load_policy, train
from trainers.records.metrics import GROUP_REWARD, Summary
from trainers.records.progress import LineDisplay

EPISODES = 120


class Taught(ScriptedEnv):
    """An episode of one decision at every step, the next one paid more by 1; notes when it is told of lessons."""

    def __init__(self, own: bool, group: bool) -> None:
        lives = [
            Life(
                0,
                (Visit(count, group=int(group)),),
                Visit(count + 1, own * count, group_reward=group * count),
            )
            for count in range(EPISODES)
        ]
        super().__init__({"Task": Behavior(make_spec((3,), continuous=1), lives)})
        self.told: list[int] = []

    def set_parameters(self, values: object) -> None:
        self.told.append(self.now)


def options(taught: bool = True) -> dict:
    criteria = {"behavior": "Task", "measure": "reward", "min_lesson_length": 100, "threshold": 60.0}
    lessons = [
        {"name": "easy", "value": 0.0, "completion_criteria": criteria},
        {"name": "hard", "value": 1.0},
    ]
    behavior = {
        "trainer_type": "ppo",
        "hyperparameters": {"batch_size": 16, "buffer_size": 64},
        "network_settings": SMALL_NETWORK,
        "max_steps": EPISODES,
        "summary_freq": EPISODES,
    }
    return {
        "behaviors": {"Task": behavior},
        "environment_parameters": {"mass": {"curriculum": lessons}} if taught else {},
        "env_settings": {"seed": 1},
        "checkpoint_settings": {"run_id": "run", "results_dir": "runs"},
    }


@pytest.mark.parametrize(("own", "group"), [(False, True), (True, False), (True, True)])
def test_the_best_policy_looks_at_own_and_group_rewards(own, group):
    outcome = train(Taught(own, group), options(taught=False))["Task"]
    assert outcome.episodes == EPISODES
    assert outcome.mean_return == outcome.best_return == 69.5 * (own + group), "of episodes 20 to 119"
    assert load_policy(Path("runs/run"), "best").step == EPISODES


@pytest.mark.parametrize(("own", "group"), [(False, True), (True, False), (True, True)])
def test_lessons_look_at_own_and_group_rewards(own, group):
    env, times = Taught(own, group), own + group
    outcome = train(env, options())["Task"]
    # the mean of the last 100 after episode k is k - 49.5: above 60 at 110, and of twice that at 100
    begun = 111 if times == 1 else 100
    assert env.told == [0, begun]
    assert outcome.mean_return == times * (begun + EPISODES - 1) / 2, "of the episodes of the second lesson"
    assert math.isnan(outcome.best_return), "they are fewer than 100"


def test_summaries_tell_group_and_own_returns_apart():
    found: list[Summary] = []

    class Listening(LineDisplay):
        def summarise(self, summary: Summary) -> None:
            found.append(summary)

    train(Taught(own=False, group=True), options(), display=Listening())
    (summary,) = found
    assert summary.values["Environment/Cumulative Reward"] == 0.0
    assert summary.values[GROUP_REWARD] == summary.values["Policy/Extrinsic Reward"] == 59.5
    assert summary.returns == [0.0] * EPISODES
