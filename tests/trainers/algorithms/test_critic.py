"""What the critic learns, against values known in closed form."""

import numpy as np
import pytest
import torch
from learner_tools import behavior_settings, drive, make_learner
from scripted_env import make_spec
from task_envs import TaskEnv, one_hot

from trainers.algorithms.on_policy import OnPolicyLearner


@pytest.mark.parametrize("trainer_type", ["ppo", "a2c"])
@pytest.mark.parametrize("horizon", [1, 3, 64])
def test_critic_of_an_endless_task_learns_the_geometric_series(trainer_type, horizon):
    """Reward 1 for ever: only time limits end episodes, and what comes after them counts in full."""
    learner = train_critic(trainer_type, horizon, interrupted=True)
    value = critic_says(learner, np.ones((1, 4), np.float32))
    assert value == pytest.approx([1 / (1 - 0.8)], rel=0.03)


@pytest.mark.parametrize("trainer_type", ["ppo", "a2c"])
@pytest.mark.parametrize("horizon", [1, 64])
def test_critic_of_a_task_of_fixed_length_learns_what_is_left(trainer_type, horizon):
    """Reward 1 in each of four decisions, and nothing after a true end."""
    learner = train_critic(trainer_type, horizon, interrupted=False)
    value = critic_says(learner, one_hot(np.arange(4), 4))
    assert value == pytest.approx([sum(0.8**k for k in range(left)) for left in (4, 3, 2, 1)], rel=0.03)


def train_critic(trainer_type: str, horizon: int, interrupted: bool) -> OnPolicyLearner:
    """A critic of episodes of four decisions; it sees which one it is, or nothing where time limits end them."""
    spec = make_spec((4,), continuous=1)

    def look(rng, age):
        seen = np.ones((len(age), 4), np.float32) if interrupted else one_hot(np.minimum(age, 3), 4)
        return [seen], None

    env = TaskEnv(spec, look, lambda obs, action: np.ones(16), interrupted=interrupted, name="Test")
    only_critic = {"clip_value_loss": False, "num_epoch": 8} if trainer_type == "ppo" else {}
    per_update = 128 if trainer_type == "ppo" else 16
    settings = behavior_settings(
        trainer_type,
        {
            "buffer_size": per_update,
            "batch_size": per_update,
            "learning_rate": 0.02,
            "learning_rate_schedule": "constant",
            **only_critic,
        },
        gamma=0.8,
        time_horizon=horizon,
    )
    learner = make_learner(spec, settings)
    drive(env, learner, 400)
    return learner


def critic_says(learner: OnPolicyLearner, observations: np.ndarray) -> list[float]:
    with torch.no_grad():
        return learner.policy.value(learner.policy.upload([observations]))[:, 0].tolist()
