"""`agents.py SIDE ID COPIES STEPS`: agent steps a second of copies of a PettingZoo environment, with random actions.

SIDE is `adapter`, or `supersuit` for SuperSuit's conversion to one vector environment in one process.
"""

import importlib
import sys
import time

import numpy as np


def adapter(env_id, copies, steps):
    """This project's `BaseEnv`."""
    from mlagents_envs.base_env import ActionTuple

    from gym_adapters import make_env

    env = make_env(env_id, num_envs=copies, seed=0)
    (behavior,) = env.behavior_specs
    branch = env.behavior_specs[behavior].action_spec.discrete_branches[0]
    random = np.random.default_rng(0)
    env.reset()
    agents, began = 0, time.perf_counter()
    for _ in range(steps):
        decision = env.get_steps(behavior)[0]
        agents += len(decision)
        chosen = random.integers(branch, size=(len(decision), 1)).astype(np.int32)
        env.set_actions(behavior, ActionTuple(discrete=chosen))
        env.step()
    return agents / (time.perf_counter() - began)


def supersuit(env_id, copies, steps):
    """SuperSuit's vector environment of all agents of all copies."""
    import supersuit as suit

    package, _, name = env_id.partition("/")
    made = importlib.import_module(f"{package}.{name}").parallel_env()
    env = suit.concat_vec_envs_v1(
        suit.pettingzoo_env_to_vec_env_v1(made), copies, num_cpus=0, base_class="gymnasium"
    )
    random = np.random.default_rng(0)
    env.reset(seed=0)
    agents, began = 0, time.perf_counter()
    for _ in range(steps):
        env.step(random.integers(env.action_space.n, size=env.num_envs))
        agents += env.num_envs
    return agents / (time.perf_counter() - began)


if __name__ == "__main__":
    kind, env_id, copies, steps = sys.argv[1:]
    print({"adapter": adapter, "supersuit": supersuit}[kind](env_id, int(copies), int(steps)))
