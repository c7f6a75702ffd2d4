"""`step.py KIND TASK ENVS STEPS`: prints environment steps per second with random actions.

KIND: adapter (this project's), sync (Gymnasium's), physics (`mujoco.batch` alone), envpool.
"""

import os
import sys
import time

import numpy as np


def adapter(task, count):
    from mlagents_envs.base_env import ActionTuple

    from gym_adapters import make_env

    env = make_env(task, count)
    env.reset()
    name = next(iter(env.behavior_specs))
    size = env.behavior_specs[name].action_spec.continuous_size
    rng = np.random.default_rng(0)
    actions = rng.uniform(-1, 1, (64, count, size)).astype(np.float32)

    def step(i):
        env.set_actions(name, ActionTuple(continuous=actions[i % 64]))
        env.step()
        env.get_steps(name)

    return step


def sync(task, count):
    import gymnasium

    env = gymnasium.make_vec(task, count, vectorization_mode="sync")
    env.reset(seed=0)
    space = env.single_action_space
    actions = (
        np.random.default_rng(0).uniform(space.low, space.high, (64, count, *space.shape)).astype(np.float32)
    )
    return lambda i: env.step(actions[i % 64])


def physics(task, count):
    import gymnasium
    from mujoco.batch import Batch

    env = gymnasium.make(task).unwrapped
    env.reset(seed=0)
    space = env.action_space
    actions = np.random.default_rng(0).uniform(space.low, space.high, (64, count, *space.shape))
    batch = Batch(env.model, nsim=count, nthread=min(count, os.cpu_count() or 1), persistent=True)
    control, position, velocity = (batch.bind(name) for name in ("ctrl", "qpos", "qvel"))
    position[:], velocity[:] = env.data.qpos, env.data.qvel

    def step(i):
        control[:] = actions[i % 64]
        batch.step(nstep=env.frame_skip)
        if i % 50 == 49:  # about the length of a random episode, so that bodies do not stay on the ground
            position[:], velocity[:] = env.data.qpos, env.data.qvel

    return step


def envpool(task, count):
    import envpool as pool

    env = pool.make(task.replace("-v5", "-v4"), env_type="gymnasium", num_envs=count, num_threads=2)
    env.reset()
    space = env.action_space
    actions = np.random.default_rng(0).uniform(space.low, space.high, (64, count, *space.shape))
    return lambda i: env.step(actions[i % 64])


def main(kind, task, count, steps):
    step = {"adapter": adapter, "sync": sync, "physics": physics, "envpool": envpool}[kind](task, int(count))
    for i in range(20):
        step(i)
    start = time.perf_counter()
    for i in range(int(steps)):
        step(i)
    print(int(count) * int(steps) / (time.perf_counter() - start))


if __name__ == "__main__":
    main(*sys.argv[1:])
