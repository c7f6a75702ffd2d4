"""POCA and MAPPO learn games of groups whose best play is known."""

import os
from typing import Any

import numpy as np
import pytest
from learner_tools import behavior_settings, drive, make_learner
from mlagents_envs.base_env import ActionTuple, DecisionSteps, TerminalSteps
from run_tools import learn
from scripted_env import make_spec
from task_envs import TaskEnv, one_hot

SEEDS = range(int(os.environ.get("GAME_SEEDS", "1")))
"""Seeds of the games that are learned; GAME_SEEDS=5 in the environment plays five of each."""


class Groups(TaskEnv):
    """Pairs of agents that are paid together: rows 2k and 2k + 1 are a group. All begin at the same time."""

    def _decision(self, rows: np.ndarray, reward: np.ndarray) -> DecisionSteps:
        return self._for_groups(super()._decision(rows, reward))

    def _terminal(self, rows: np.ndarray, reward: np.ndarray) -> TerminalSteps:
        return self._for_groups(super()._terminal(rows, reward))

    @staticmethod
    def _for_groups(steps: Any) -> Any:
        steps.group_id = (steps.agent_id // 2 + 1).astype(np.int32)
        steps.group_reward, steps.reward = steps.reward, np.zeros_like(steps.reward)
        return steps


def one_that_counts() -> Groups:
    """Each sees a number and who it is. Both are paid if the first one names its number; the second is noise."""

    def look(rng, age):
        seen = one_hot(rng.integers(3, size=len(age)), 3)
        return [np.concatenate([seen, one_hot(np.arange(len(age)) % 2, 2)], axis=1)], None

    def pay(observations, action: ActionTuple) -> np.ndarray:
        right = observations[0][:, :3].argmax(1) == action.discrete[:, 0]
        return np.repeat(right[::2], 2).astype(np.float32)

    return Groups(make_spec((5,), branches=(3,)), look, pay, 32, length=1, together=True)


@pytest.mark.parametrize("seed", SEEDS)
def test_an_agent_whose_actions_change_nothing_gets_no_credit(seed: int) -> None:
    env = one_that_counts()
    hyper = {"batch_size": 128, "buffer_size": 512, "num_epoch": 8, "learning_rate": 0.005}
    learner = make_learner(
        env.spec, behavior_settings("poca", hyper, {"hidden_units": 32}, gamma=0.0, max_steps=100_000), seed
    )
    advantages: list[np.ndarray] = []
    prepare = learner.prepare

    def watched(columns, inputs):
        batch = prepare(columns, inputs)
        credit = (batch.returns - batch.baseline)[:, 0].abs().numpy()
        second = columns.observations[0][batch.rows, 4] == 1.0
        advantages.append(np.array([credit[~second].mean(), credit[second].mean()]))
        return batch

    learner.prepare = watched  # type: ignore[method-assign]
    learner.hyper = learner.hyper.model_copy(update={"learning_rate_schedule": "constant"})
    drive(env, learner, 90, name="Task")
    first, second = np.mean(
        advantages[2:5], axis=0
    )  # the first agent is still learning, the baseline has learned
    assert second < 0.08
    assert second < 0.2 * first


class TwoSteps(Groups):
    """The first agent's choice leads to a state that always pays 7, or to one that pays 8 if both then choose 1."""

    def __init__(self, seed: int) -> None:
        self.state = np.zeros(32, np.int64)

        def look(rng, age):
            del rng
            state = np.where(age % 2 == 0, 0, self.state)
            return [np.concatenate([one_hot(state, 3), one_hot(np.arange(len(age)) % 2, 2)], axis=1)], None

        def pay(observations, action: ActionTuple) -> np.ndarray:
            choice, state = action.discrete[:, 0], observations[0][:, :3].argmax(1)
            first, second = choice[::2], choice[1::2]
            matrix = np.array([[0.0, 1.0], [1.0, 8.0]])[first, second]
            paid = np.select([state[::2] == 0, state[::2] == 1], [0.0, 7.0], matrix)
            self.state = np.repeat(np.where(state[::2] == 0, 1 + first, 0), 2)
            return np.repeat(paid, 2).astype(np.float32)

        super().__init__(make_spec((5,), branches=(2,)), look, pay, 32, length=2, seed=seed, together=True)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("trainer_type", ["poca", "mappo"])
def test_the_best_of_a_two_step_game_is_found(trainer_type: str, seed: int) -> None:
    hyper = {"batch_size": 256, "buffer_size": 1024, "learning_rate": 0.005, "num_epoch": 4, "beta": 0.3}
    algorithm = {"trainer_type": trainer_type, "hyperparameters": hyper}
    policy = learn(TwoSteps(seed), algorithm, 40_000, gamma=1.0, seed=seed)
    choices = [
        policy.act([np.concatenate([one_hot(np.full(2, state), 3), np.eye(2, dtype=np.float32)], axis=1)])
        for state in (0, 2)
    ]
    assert choices[0].discrete[0, 0] == 1
    assert choices[1].discrete[:, 0].tolist() == [1, 1]
