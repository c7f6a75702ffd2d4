"""The batched MuJoCo tasks are Gymnasium's, bit for bit."""

import gymnasium
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode, SyncVectorEnv

from gym_adapters import make_env, mujoco
from gym_adapters.mujoco import BatchedMujoco, supports

pytestmark = pytest.mark.skipif(mujoco.Batch is None, reason="needs MuJoCo 4.0: mujoco.batch")

STEPS = {  # of 4 environments: 20,000 environment steps of Walker2d-v5; the others share its code
    "Ant-v5": 1020,
    "HalfCheetah-v5": 1020,
    "Hopper-v5": 1020,
    "Humanoid-v5": 1020,
    "HumanoidStandup-v5": 300,
    "Swimmer-v5": 1020,
    "Walker2d-v5": 5000,
}
OPTIONS = [
    ("Walker2d-v5", {"healthy_z_range": (0.5, 3.0), "exclude_current_positions_from_observation": False}),
    ("Hopper-v5", {"terminate_when_unhealthy": False, "ctrl_cost_weight": 0.1, "frame_skip": 2}),
    ("Ant-v5", {"include_cfrc_ext_in_observation": False, "main_body": "torso", "healthy_reward": 0.5}),
    ("Humanoid-v5", {"include_cinert_in_observation": False, "contact_cost_weight": 0.1}),
]


def gymnasiums(env_id, num_envs, options):
    return gymnasium.make_vec(
        env_id, num_envs, "sync", vector_kwargs={"autoreset_mode": AutoresetMode.SAME_STEP}, **options
    )


def assert_same_bits(env_id, options, steps, num_envs=4) -> int:
    """Steps both with the same actions, some of them small; gives the number of endings."""
    batched = BatchedMujoco(gymnasium.spec(env_id), num_envs, options)
    reference = gymnasiums(env_id, num_envs, options)
    np.testing.assert_array_equal(batched.reset(seed=7)[0], reference.reset(seed=7)[0])
    rng = np.random.default_rng(1)
    space = batched.single_action_space
    endings = 0
    for step in range(steps):
        actions = rng.uniform(space.low, space.high, (num_envs, *space.shape)).astype(np.float32)
        actions *= 0.2 if step % 3 == 0 else 1.0
        *ours, our_infos = batched.step(actions)
        *theirs, their_infos = reference.step(actions)
        for our, their in zip(ours, theirs, strict=True):
            assert our.dtype == their.dtype
            np.testing.assert_array_equal(our, their)
        ended = np.flatnonzero(ours[2] | ours[3])
        endings += len(ended)
        for i in ended:
            np.testing.assert_array_equal(our_infos["final_obs"][i], their_infos["final_obs"][i])
        if step == steps // 2:
            np.testing.assert_array_equal(batched.reset()[0], reference.reset()[0])
    batched.close()
    reference.close()
    return endings


@pytest.mark.parametrize("env_id", STEPS)
def test_observations_rewards_endings_and_resets_are_gymnasiums(env_id):
    endings = assert_same_bits(env_id, {}, STEPS[env_id])
    assert endings > 0 or env_id in ("HalfCheetah-v5", "HumanoidStandup-v5", "Swimmer-v5")


@pytest.mark.parametrize(("env_id", "options"), OPTIONS)
def test_so_they_are_with_options(env_id, options):
    assert_same_bits(env_id, options, 120)


def test_time_limits_truncate_with_the_last_observation():
    batched = BatchedMujoco(gymnasium.spec("HalfCheetah-v5"), 2, {})
    reference = gymnasiums("HalfCheetah-v5", 2, {})
    batched.reset(seed=0)
    reference.reset(seed=0)
    actions = np.zeros((2, 6), dtype=np.float32)
    for _ in range(1000):
        ours, theirs = batched.step(actions), reference.step(actions)
    assert ours[3].all()
    assert theirs[3].all()
    np.testing.assert_array_equal(ours[0], theirs[0])
    np.testing.assert_array_equal(np.stack(ours[4]["final_obs"]), np.stack(theirs[4]["final_obs"]))


def test_each_environment_takes_its_own_seed():
    batched = BatchedMujoco(gymnasium.spec("Hopper-v5"), 3, {})
    reference = gymnasiums("Hopper-v5", 3, {})
    seeds = [5, None, 9]
    ours, theirs = batched.reset(seed=seeds)[0], reference.reset(seed=list(seeds))[0]
    np.testing.assert_array_equal(ours[[0, 2]], theirs[[0, 2]])


def test_what_was_handed_out_is_not_overwritten():
    batched = BatchedMujoco(gymnasium.spec("Humanoid-v5"), 2, {})
    first = batched.reset(seed=0)[0]
    copy = first.copy()
    second = batched.step(np.full((2, 17), 0.1, np.float32))[0]
    np.testing.assert_array_equal(first, copy)
    assert not np.array_equal(first, second)


def test_make_env_takes_the_batch_where_it_is_exact(monkeypatch):
    assert isinstance(make_env("Hopper-v5", 2).vector_env, BatchedMujoco)
    assert isinstance(make_env("Hopper-v5", 2, options={"frame_skip": 2}).vector_env, BatchedMujoco)
    assert isinstance(make_env("Reacher-v5", 2).vector_env, SyncVectorEnv)
    rendered = make_env("Hopper-v5", 2, options={"render_mode": "rgb_array"})
    assert isinstance(rendered.vector_env, SyncVectorEnv)
    monkeypatch.setattr(mujoco, "Batch", None)
    assert isinstance(make_env("Hopper-v5", 2).vector_env, SyncVectorEnv)


def test_only_version_five_is_supported():
    assert supports(gymnasium.spec("Hopper-v5"), {"ctrl_cost_weight": 1})
    assert not supports(gymnasium.spec("CartPole-v1"), {})
    assert not supports(gymnasium.spec("Hopper-v5"), {"width": 100})
