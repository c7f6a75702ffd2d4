"""The rewards that the environment pays, as they are reported and learned from."""

import numpy as np
import pytest
from learner_tools import behavior_settings, drive, make_learner
from scripted_env import Behavior, Life, ScriptedEnv, Visit, make_spec

from trainers.algorithms.learner import Learner

REPORTED = "Policy/Extrinsic Reward"

THREE = [
    Life(0, (Visit(0),), Visit(2, 1.0)),
    Life(1, (Visit(0),), Visit(2, 0.25, group_reward=0.75)),
    Life(2, (Visit(0), Visit(1, 5.0)), Visit(3, -1.0)),
]
"""Episodes worth 1, 1 and 4; the first two end in one step, the third in another."""


def lived(trainer_type: str, strength: float, lives: list[Life], **keys) -> Learner:
    spec = make_spec((3,), branches=(2,))
    learner = make_learner(spec, behavior_settings(trainer_type, strength=strength, **keys))
    drive(ScriptedEnv({"Test": Behavior(spec, lives)}), learner, 2 + max(life.ending.step for life in lives))
    return learner


@pytest.mark.parametrize("strength", [1.0, 0.5, 0.0])
@pytest.mark.parametrize("trainer_type", ["ppo", "a2c", "dqn", "pqn"])
def test_what_is_reported_is_the_mean_over_episodes_times_strength(trainer_type, strength):
    learner = lived(trainer_type, strength, THREE)
    means, _, _ = learner.metrics.summarise()
    assert means[REPORTED] == 2.0 * strength
    assert means["Environment/Cumulative Reward"] == (1.0 + 0.25 + 4.0) / 3
    assert means["Environment/Episode Length"] == 4 / 3
    assert learner.metrics.summarise()[0] == {}, "nothing has ended since"


def test_what_is_reported_is_neither_clipped_nor_scaled():
    learner = lived("ppo", 1.0, THREE, reward_clip=0.1, normalize_reward=True)
    assert learner.metrics.summarise()[0][REPORTED] == 2.0


def test_an_agent_that_acts_without_learning_is_reported_as_well():
    spec = make_spec((3,), branches=(2,))
    learner = make_learner(spec, behavior_settings(strength=0.5))
    learner.training = False
    drive(ScriptedEnv({"Test": Behavior(spec, THREE)}), learner, 5)
    assert learner.metrics.summarise()[0][REPORTED] == 1.0


@pytest.mark.parametrize("trainer_type", ["ppo", "pqn", "dqn"])
def test_rows_are_paid_what_they_earned_by_themselves_and_in_their_group(trainer_type):
    learner = lived(trainer_type, 0.5, THREE)
    if trainer_type != "dqn":
        columns = learner.rollout.columns()
        rewards, settled = learner.rewards(columns)[:, 0], columns.settled
    else:
        rows = learner.replay.rows(np.arange(learner.replay.total))
        rewards, settled = learner.rewards(rows)[:, 0], learner.replay.column("settled", rows.places)
    assert sorted(rewards[settled].tolist()) == [-0.5, 0.5, 0.5, 2.5]
