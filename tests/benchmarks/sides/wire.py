"""`wire.py KIND AGENTS STEPS [ENV]`: prints agent steps per second over Unity's protocol.

KIND: unity_env (this project's) and mlagents_envs (Unity's, on the same protobuf), both with random actions; workers-N
(AGENTS over N players, with a learner of the Walker file that observes and acts, and never updates). vector_env is
unity_env seen as a Gymnasium vector environment. The player has zero cost; with ENV, it is `bridge.player --env ENV`.
"""

import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits

from bridge import protobuf_compat
from tests.benchmarks.players import WALKER, free_ports, write_player

protobuf_compat.install()


def unity_env(folder, agents, env_id=None):
    from bridge.player_session import PlayerOptions
    from bridge.unity_env import UnityEnv

    player = write_player(folder, "--agents", agents, env_id=env_id)
    env = UnityEnv(PlayerOptions(player, port=free_ports(1), timeout=120))
    env.reset()
    (spec,) = env.behavior_specs.values()
    return env, random_actions(agents, spec.action_spec.continuous_size)


def mlagents_envs(folder, agents):
    from mlagents_envs.environment import UnityEnvironment

    player = write_player(folder, "--agents", agents)
    env = UnityEnvironment(str(player), base_port=free_ports(1), timeout_wait=120, no_graphics=True)
    return env, random_actions(agents)


def workers(folder, agents, count):
    import trainers  # before torch: it lets torch's idle threads sleep

    # isort: split
    import torch

    from bridge.player_session import PlayerOptions
    from bridge.unity_env import UnityEnv
    from bridge.workers import Workers
    from trainers.algorithms.ppo import PPO
    from trainers.config import load_settings
    from trainers.experience.task import Task

    threadpool_limits(1, user_api="blas")  # as in a run
    port = free_ports(count)
    shares = [len(part) for part in np.array_split(np.arange(agents), count)]
    players = {share: write_player(folder / str(share), "--agents", share) for share in set(shares)}

    def start(worker):
        options = PlayerOptions(players[shares[worker]], port=port, worker_id=worker, timeout=120)
        return UnityEnv(options, wait=False)

    learner = None

    def act(name, env, decisions, terminals):
        nonlocal learner
        if learner is None:
            settings = load_settings(WALKER).behaviors["Walker"]
            learner = PPO(Task(name, env.behavior_specs[name], settings, 0, torch.device("cpu")))
        actor = learner.actor(name)
        asking = actor.observe(decisions, terminals)
        if learner.rollout.rows > max(20480, 2 * agents):  # as after an update
            living = actor.agents.slots
            actor.agents.open_row[living] = learner.rollout.restart(actor.agents.open_row[living])
        return actor.act(asking) if len(asking) else None

    assert trainers
    return Workers(start, count), act


def random_actions(agents, size=39):
    from mlagents_envs.base_env import ActionTuple

    actions = np.random.default_rng(0).uniform(-1, 1, (agents, size)).astype(np.float32)
    return lambda name, env, decisions, terminals: ActionTuple(continuous=actions[: len(decisions)])


def vector_env(folder, agents, env_id=None):
    """Return a vector environment, and what steps it and counts its agents. A place without an agent does not count."""
    from bridge import UnityVectorEnv

    env, _ = unity_env(folder, agents, env_id)
    vector = UnityVectorEnv(env)
    actions = vector.action_space.sample()
    return vector, lambda: int(vector.step(actions)[4]["active"].sum())


def stepped(env, act):
    """Return what steps a `BaseEnv` and counts the decisions."""
    (behavior,) = env.behavior_specs

    def step():
        decisions, terminals = env.get_steps(behavior)
        action = act(behavior, env, decisions, terminals)
        if action is not None:
            env.set_actions(behavior, action)
        env.step()
        return len(decisions)

    return step


def main(kind, agents, steps, env_id=None):
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        kind, _, count = kind.partition("-")
        makers = (unity_env, mlagents_envs, workers, vector_env)
        make = {make.__name__: make for make in makers}[kind]
        env, step = make(folder, int(agents), *([int(count)] if count else [env_id] if env_id else []))
        env.reset()
        if kind != "vector_env":
            step = stepped(env, step)

        def play(goal):
            served = 0
            while served < goal:
                served += step()
            return served

        play(max(int(steps) // 10, 3 * int(agents)))
        start = time.perf_counter()
        served = play(int(steps))
        print(served / (time.perf_counter() - start))
        env.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
