"""The runs in old_runs/, and the tasks they were trained on.

They were written by the code of commit acaa80c, in a tree of that commit with this file and `task_envs.py` beside it:
`python old_tasks.py FOLDER`. What no test reads was left out afterwards. `actions.json` holds the likeliest actions of
their policies for every observation of a decision, by the same code.
"""

import sys
from pathlib import Path
from typing import Any

import numpy as np
from mlagents_envs.base_env import ActionTuple, TerminalSteps
from scripted_env import make_spec
from task_envs import TaskEnv, one_hot

LENGTH = 4


class TwoKinds(TaskEnv):
    """Agents with an even id end truly and those with an odd one at a time limit, which they see beside their age.

    A decision is paid 1, and 1 more for the second action, which is forbidden at the age of 2.
    """

    def __init__(self, continuous: int = 0) -> None:
        spec = make_spec((LENGTH + 2,), continuous=continuous, branches=(2,))
        super().__init__(spec, self._see, self._earn, agents=6, length=LENGTH, seed=1)

    def _see(self, rng: np.random.Generator, age: np.ndarray) -> tuple[list[np.ndarray], list[np.ndarray]]:
        odd = np.arange(len(age), dtype=np.float32)[:, None] % 2
        mask = np.zeros((len(age), 2), bool)
        mask[age == 2, 1] = True
        return [np.concatenate([one_hot(age, LENGTH + 1), odd], axis=1)], [mask]

    def _earn(self, observations: list[np.ndarray], action: ActionTuple) -> np.ndarray:
        return 1.0 + action.discrete[:, 0]

    def get_steps(self, behavior_name: str):
        decision, end = super().get_steps(behavior_name)
        by_time = end.agent_id % 2 == 1
        return decision, TerminalSteps(
            end.obs, end.reward, by_time, end.agent_id, end.group_id, end.group_reward
        )


ON_POLICY = {"batch_size": 32, "buffer_size": 64}
HYPERPARAMETERS: dict[str, dict[str, Any]] = {
    "ppo": ON_POLICY,
    "a2c": {**ON_POLICY, "natural_gradient_kl": 0.01},
    "dqn": {"batch_size": 16, "buffer_size": 200, "buffer_init_steps": 50, "save_replay_buffer": True},
}


def environment(trainer_type: str) -> TwoKinds:
    return TwoKinds(continuous=0 if trainer_type == "dqn" else 1)


def settings(trainer_type: str, results: Path, max_steps: int = 500, **checkpoint: Any) -> dict[str, Any]:
    """The training file of an old run."""
    behavior = {
        "trainer_type": trainer_type,
        "hyperparameters": HYPERPARAMETERS[trainer_type],
        "network_settings": {"hidden_units": 4, "num_layers": 1, "normalize": True},
        "reward_signals": {"extrinsic": {"gamma": 0.9}},
        "normalize_reward": True,
        "max_steps": max_steps,
        "summary_freq": 250,
        "keep_checkpoints": 1,
    }
    return {
        "behaviors": {"Task": behavior},
        "env_settings": {"seed": 3},
        "checkpoint_settings": {"run_id": trainer_type, "results_dir": str(results), **checkpoint},
    }


if __name__ == "__main__":
    from trainers import train

    for name in HYPERPARAMETERS:
        train(environment(name), settings(name, Path(sys.argv[1])))
