"""A trained policy answers one observation or a batch with what the environment takes."""

import copy
import multiprocessing
import pickle
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces
from gymnasium.vector.utils import iterate
from run_tools import OPTIONS, train_small

from gym_adapters import make_env
from gym_adapters.masks import masks_by_branch, without_mask
from trainers import UserError, load_policy, train

BEHAVIOR = {
    "trainer_type": "ppo",
    "hyperparameters": {"batch_size": 32, "buffer_size": 64},
    "network_settings": {"hidden_units": 8, "num_layers": 1},
    "max_steps": 100,
}


class Odd(gymnasium.Env):
    """Nested observations and actions that do not count from 0."""

    observation_space = spaces.Dict({"place": spaces.Discrete(3, start=2), "speed": spaces.Box(-1, 1, (2,))})
    action_space = spaces.MultiDiscrete([3, 2], start=[5, -1])

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return self._look(), {}

    def step(self, action):
        assert self.action_space.contains(np.asarray(action))
        return self._look(), 1.0, bool(self.np_random.random() < 0.1), False, {}

    def _look(self) -> dict[str, Any]:
        return {
            "place": np.int64(self.np_random.integers(2, 5)),
            "speed": self.np_random.uniform(-1, 1, 2).astype(np.float32),
        }


class Hybrid(Odd):
    """Choices, which a mask limits, and numbers beside them."""

    action_space = spaces.Tuple((spaces.Discrete(3, start=1), spaces.Dict(push=spaces.Box(0, 5, (2,)))))

    def reset(self, *, seed=None, options=None):
        observation, _ = super().reset(seed=seed)
        return observation, {"action_mask": np.array([1, 1, 0], np.int8)}

    def step(self, action):
        assert self.action_space.contains(action)
        assert action[0] < 3, "the mask forbids it"
        return self._look(), 1.0, bool(self.np_random.random() < 0.1), False, {"action_mask": [1, 1, 0]}


gymnasium.register("Odd-v0", Odd, max_episode_steps=20)
gymnasium.register("Hybrid-v0", Hybrid, max_episode_steps=20)


@pytest.mark.parametrize("env_id", ["Pendulum-v1", "CartPole-v1", "Odd-v0", "Hybrid-v0"])
def test_answers_go_straight_into_the_environment(env_id, tmp_path):
    run = {
        "behaviors": {env_id: BEHAVIOR},
        "checkpoint_settings": {"results_dir": str(tmp_path), "run_id": "one"},
    }
    train(make_env(env_id, num_envs=4, seed=0), run)
    policy = load_policy(tmp_path / "one")

    env = gymnasium.make(env_id)
    observation, info = env.reset(seed=0)
    for _ in range(5):
        action = policy.predict(observation, action_mask=info.get("action_mask"))
        assert env.action_space.contains(action), action
        observation, _, _, _, _ = env.step(action)
    env.close()

    several = gymnasium.make_vec(env_id, num_envs=3, vectorization_mode="sync")
    batch, _ = several.reset(seed=0)
    actions = policy.predict(batch)
    assert several.action_space.contains(actions)
    singles = zip(
        iterate(several.observation_space, batch), iterate(several.action_space, actions), strict=True
    )
    for one, action in singles:
        found = spaces.flatten(env.action_space, policy.predict(one))
        np.testing.assert_allclose(found, spaces.flatten(env.action_space, action), rtol=1e-5)
    several.close()


def test_a_pendulum_is_turned_with_its_own_torque(tmp_path):
    """The task takes -2 to 2, a policy gives -1 to 1."""
    run = {"behaviors": {"Pendulum-v1": BEHAVIOR}}
    run["checkpoint_settings"] = {"results_dir": str(tmp_path), "run_id": "one"}
    train(make_env("Pendulum-v1", num_envs=4, seed=0), run)
    policy = load_policy(Path(tmp_path, "one"))
    observations = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 8.0]], np.float32)
    np.testing.assert_allclose(
        policy.predict(observations), 2.0 * policy.act(observations).continuous, rtol=1e-6
    )
    with pytest.raises(UserError, match="expected no action mask, since it has no discrete actions"):
        policy.predict(observations, action_mask=[True])


def test_a_mask_of_the_environment_allows_what_it_allows_there(tmp_path):
    """Where an environment's mask leaves one action, that one is taken, whatever form the mask has."""
    run = {"behaviors": {"Odd-v0": BEHAVIOR}}
    run["checkpoint_settings"] = {"results_dir": str(tmp_path), "run_id": "one"}
    train(make_env("Odd-v0", num_envs=2, seed=0), run)
    policy = load_policy(tmp_path / "one")
    one, _ = gymnasium.make("Odd-v0").reset(seed=0)
    batch = {key: np.stack([value] * 3) for key, value in one.items()}
    for first in range(3):
        for second in range(2):
            flat = np.zeros(5, np.int8)
            flat[[first, 3 + second]] = 1
            parts = np.split(flat, [3])
            for mask in (flat, flat.astype(bool), flat.tolist(), parts, tuple(parts)):
                np.testing.assert_array_equal(
                    policy.predict(one, action_mask=mask), [first + 5, second - 1], str(mask)
                )
            rows = np.empty(3, object)
            rows[:] = [tuple(parts)] * 3
            by_branch = [np.stack([part == 0] * 3) for part in parts]  # that of `act`
            for masks in (np.stack([flat] * 3), [flat] * 3, rows, by_branch):
                taken = policy.predict(batch, action_mask=masks)
                np.testing.assert_array_equal(taken, [[first + 5, second - 1]] * 3, str(masks))
    for wrong in (np.ones(4), np.full(5, 2)):
        with pytest.raises(UserError, match=r"policy Odd-v0: info\['action_mask'\] is .*expected 5 numbers"):
            policy.predict(one, action_mask=wrong)
    with pytest.raises(UserError, match="the action mask forbids every action of branch 1"):
        policy.predict(one, action_mask=[1, 1, 1, 0, 0])
    with pytest.raises(UserError, match="expected action masks of shape"):
        policy.predict(batch, action_mask=np.ones((2, 5)))


@pytest.mark.parametrize("keys", [("observation",), ("board", "left")])
def test_a_mask_may_come_in_the_observation(keys):
    """PettingZoo's games give it there."""
    box = spaces.Box(-1, 1, (2,))
    space = box if keys == ("observation",) else spaces.Dict(dict.fromkeys(keys, box))
    seen = {key: np.zeros(2, np.float32) for key in keys}
    for allowed in range(3):
        mask = np.eye(3, dtype=np.int8)[allowed]
        rest, found = without_mask({**seen, "action_mask": mask}, space, (3,))
        assert found is mask
        assert space.contains(rest)
        (table,) = masks_by_branch(found, True, (3,), "here")
        np.testing.assert_array_equal(table, [mask == 0])
    assert without_mask(seen, space, (3,)) == (seen, None)
    other = spaces.Dict({"action_mask": box})
    assert without_mask({"action_mask": 1}, other, (3,)) == (
        {"action_mask": 1},
        None,
    )  # an observation of that name
    own = spaces.Dict({"action_mask": spaces.MultiBinary(3)})
    assert without_mask({"action_mask": 1}, own, (3,)) == ({"action_mask": 1}, 1)  # the policy sees it too
    (table,) = masks_by_branch([], False, (3,), "here")
    assert table.shape == (0, 3)


@pytest.mark.parametrize("bad", [np.nan, np.inf, 1e39])
def test_an_observation_that_is_not_finite_is_refused(bad, finished_run):
    policy = load_policy(finished_run[0])
    observations = np.eye(4)
    observations[2, 1] = bad
    with pytest.raises(UserError, match=r"agent 2, counted from 0, is (nan|inf) at \[1\]; expected a finite"):
        policy.predict(observations)
    with pytest.raises(UserError, match=r"agent 0, counted from 0"):
        policy.predict(observations[2])


@pytest.mark.parametrize("seed", [10**30, -(10**30), 1.5, "3", None])
def test_a_seed_that_is_none_is_refused(seed, finished_run):
    policy = load_policy(finished_run[0])
    with pytest.raises(UserError, match=r"seed: expected a whole number from 0 to 2\*\*64 - 1"):
        policy.seed(seed)
    policy.seed(np.int64(3))


def test_a_policy_goes_to_another_process_with_what_it_remembers(tmp_path):
    network = {**OPTIONS["behaviors"]["Task"]["network_settings"], "memory": {"memory_size": 8}}
    train_small(tmp_path, behavior={"max_steps": 300, "network_settings": network})
    policy, observations = load_policy(tmp_path / "first"), np.eye(4, dtype=np.float32)
    policy.seed(7)
    policy.predict(observations, deterministic=False)
    for other in (pickle.loads(pickle.dumps(policy)), copy.deepcopy(policy)):
        mine = copy.deepcopy(policy)
        assert (other.name, other.step) == (policy.name, policy.step)
        for _ in range(3):
            for part, same in zip(
                mine.predict(observations, deterministic=False),
                other.predict(observations, deterministic=False),
                strict=True,
            ):
                np.testing.assert_array_equal(part, same)
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        found = pool.submit(policy.predict, observations, deterministic=True).result()
    for part, same in zip(found, policy.predict(observations), strict=True):
        np.testing.assert_array_equal(part, same)


def test_without_gymnasium_the_arrays_are_those_of_act(tmp_path):
    train_small(tmp_path, behavior={"max_steps": 300})
    policy = load_policy(tmp_path / "first")
    observations = np.eye(4, dtype=np.float32)
    expected = policy.act(observations)
    continuous, discrete = policy.predict(observations)
    np.testing.assert_array_equal(continuous, expected.continuous)
    np.testing.assert_array_equal(discrete, expected.discrete)
    continuous, discrete = policy.predict(observations[1])
    np.testing.assert_allclose(continuous, expected.continuous[1], rtol=1e-6)
    assert discrete.shape == (1,)
