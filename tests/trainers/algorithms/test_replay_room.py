"""A replay buffer must have room for what its agents are waiting for; otherwise nothing would ever be learned."""

import itertools

import numpy as np
import pytest
from learner_tools import SMALL_NETWORK, behavior_settings, drive, make_learner
from scripted_env import make_spec
from task_envs import TaskEnv, one_hot

from trainers import UserError, train
from trainers.optim.collective import Alone

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


class Two(Alone):
    """Rank 0 of two."""

    size = 2


@pytest.mark.parametrize("trainer_type", ["dqn", "sac"])
def test_a_saved_buffer_fills_that_of_one_rank_and_all_ranks_wait_for_the_others(trainer_type, tmp_path):
    """What rank 0 has read, no other rank knows of. They agree where they meet, or wait for each other for ever."""
    hyper = {"buffer_size": 400, "batch_size": 4, "buffer_init_steps": 40, "save_replay_buffer": True}
    settings = behavior_settings(trainer_type, hyper)
    saved = make_learner(SPEC, settings)
    drive(crowded_env(4, 5), saved, 50)
    saved.save_store(tmp_path)
    alone = make_learner(SPEC, settings)
    assert alone.load_store(tmp_path) == []
    assert alone.filled, "one process goes on at once"
    first = make_learner(SPEC, settings, collective=Two())
    (told,) = first.load_store(tmp_path)
    assert told.startswith("only the replay buffer of rank 0 was saved")
    held = first.replay.settled_rows
    assert held >= 40
    assert not first.filled
    for others, filled in ((1, False), (9, False), (10, True)):
        first.meet(np.array([held, others]), 0, 0, [])
        assert first.filled is filled, "half of the 20 rows that are its part"
        first.part()


@pytest.mark.parametrize("trainer_type", ["dqn", "sac"])
def test_a_run_that_goes_on_without_its_buffer_says_so(trainer_type, tmp_path):
    hyper = {"batch_size": 4, "buffer_init_steps": 1000}
    learner = make_learner(SPEC, behavior_settings(trainer_type, hyper, max_steps=5000))
    (told,) = learner.load_store(tmp_path)
    assert told == (
        "the replay buffer was not saved, so learning goes on once 1,000 decisions are collected; "
        "save_replay_buffer: true saves it"
    )
    keeps = make_learner(
        SPEC, behavior_settings(trainer_type, {**hyper, "save_replay_buffer": True}, max_steps=5000)
    )
    (told,) = keeps.load_store(tmp_path)
    assert told.startswith("there is no last_replay_buffer.npz, so learning goes on once 1,000")
    for each in (learner, keeps):
        each.step = 5000
        assert each.load_store(tmp_path) == [], "the run has ended"
