"""What a DQN with several reward signals learns from: the sum of them all, with one discount."""

import numpy as np
import pytest
from learner_tools import SMALL_NETWORK, drive, make_learner
from scripted_env import Behavior, ScriptedEnv, crowd, make_spec

from trainers.algorithms.dqn import DQN
from trainers.config import load_settings
from trainers.maths.returns import Ending

SPEC = make_spec((4,), branches=(3,))


@pytest.mark.parametrize("n_step", [1, 3])
def test_all_signals_are_discounted_by_the_first_one_s_gamma(n_step: int) -> None:
    content = {
        "trainer_type": "dqn",
        "hyperparameters": {"batch_size": 64, "buffer_size": 400, "n_step": n_step, "buffer_init_steps": 400},
        "network_settings": SMALL_NETWORK,
        "reward_signals": {
            "extrinsic": {"gamma": 0.9},
            "rnd": {"gamma": 0.5, "network_settings": SMALL_NETWORK},
        },
    }
    learner = make_learner(SPEC, load_settings({"behaviors": {"Test": content}}).behavior("Test"))
    assert isinstance(learner, DQN)
    drive(ScriptedEnv({"Test": Behavior(SPEC, crowd(4, 60, 7))}), learner, 50)
    replay, state = learner.replay, learner.generator.get_state()
    found = learner.draw()
    learner.generator.set_state(state)
    drawn = replay.draw(64, learner.row_generator)
    expected = []
    for row in drawn:
        total, discount, here = 0.0, 1.0, int(row)
        for _ in range(n_step):
            if not replay.column("settled", np.array([here]))[0]:
                break
            total += discount * float(learner.rewards(replay.rows(np.array([here]))).sum())
            discount *= 0.9
            if replay.column("ending", np.array([here]))[0] == Ending.TERMINATED:
                discount = 0.0
                break
            here = int(replay.column("next_row", np.array([here]))[0])
        expected.append((total, discount))
    assert found.reward.sum(1) == pytest.approx([total for total, _ in expected], rel=1e-4)
    assert found.discount[:, 0] == pytest.approx([discount for _, discount in expected], rel=1e-4)
