"""A replay buffer must have room for what its agents are waiting for; otherwise nothing would ever be learned."""

import itertools

import numpy as np
import pytest
from learner_tools import SMALL_NETWORK, behavior_settings, drive, make_learner
from scripted_env import make_spec
from task_envs import TaskEnv, one_hot

from trainers import UserError, train

SPEC = make_spec((3,), branches=(2,))


class Together(TaskEnv):
    """All episodes begin, and so end, in the same steps."""

    def reset(self) -> None:
        super().reset()
        self.age[:] = 0


def crowded_env(agents: int, length: int, kind: type[TaskEnv] = TaskEnv) -> TaskEnv:
    def look(rng: np.random.Generator, age: np.ndarray):
        return [one_hot(age % 3, 3)], None

    return kind(SPEC, look, lambda obs, action: np.ones(agents), agents, length, name="Test")


each_task = pytest.mark.parametrize(
    ("agents", "length", "kind"), list(itertools.product([1, 4, 9], [1, 2, 5], [TaskEnv, Together]))
)


def updates(size: int, agents: int, length: int, kind: type[TaskEnv]) -> list[int]:
    hyper = {"buffer_size": size, "batch_size": 1, "buffer_init_steps": 1}
    return drive(crowded_env(agents, length, kind), make_learner(SPEC, behavior_settings("dqn", hyper)), 12)


@each_task
def test_less_than_three_rows_for_each_agent_are_refused(agents, length, kind):
    for size in range(2, 3 * agents):
        told = (
            rf"^behavior \w+: hyperparameters.buffer_size \({size}\) is too small for {agents} agents"
            rf".*at least {3 * agents}"
        )
        with pytest.raises(UserError, match=told) as caught:
            updates(size, agents, length, kind)
        assert "\n" not in str(caught.value)


@each_task
def test_three_rows_for_each_agent_are_learned_from(agents, length, kind):
    for size in (3 * agents, 3 * agents + 1, 4 * agents):
        assert len(updates(size, agents, length, kind)) >= 8


def test_a_run_with_more_agents_than_there_is_room_for_is_one_line_that_says_what_to_set(tmp_path):
    options = {
        "behaviors": {
            "Test": {
                "trainer_type": "dqn",
                "hyperparameters": {"buffer_size": 17, "batch_size": 8},
                "network_settings": SMALL_NETWORK,
                "max_steps": 200,
            }
        },
        "checkpoint_settings": {"run_id": "run", "results_dir": str(tmp_path)},
    }
    told = r"^behavior Test: hyperparameters.buffer_size \(17\) is too small for 9 agents.*at least 27"
    with pytest.raises(UserError, match=told):
        train(crowded_env(9, 4), options)
