"""`UnityEnv` with players in processes of their own."""

import subprocess
from pathlib import Path

import bridge_envs
import gymnasium
import numpy as np
import pytest
from editors import editor
from ledger import Bookkeeper, assert_same, read_ledger
from mlagents_envs.base_env import ActionTuple, DimensionProperty
from processes import PLAYER, free_port, write_player
from scripted_player import CONTINUOUS, HYBRID

from bridge.channels import EngineConfig
from bridge.unity_env import PlayerOptions, UnityEnv
from gym_adapters import check_env


def test_editor_mode_gives_what_the_environment_gives(capsys: pytest.CaptureFixture[str]) -> None:
    reference = gymnasium.make("Walker2d-v5")
    with editor("-m", "bridge.player", "--env", "Walker2d-v5", seed=11) as env:
        env.reset()
        expected, reward, ended, rng = reference.reset(seed=11)[0], 0.0, False, np.random.default_rng(0)
        for _ in range(60):
            decisions, terminals = env.get_steps("Walker2d-v5?team=0")
            if ended:
                assert not terminals.interrupted[0]
                np.testing.assert_allclose(terminals.obs[0][0], expected, rtol=1e-5, atol=1e-5)
                np.testing.assert_allclose(terminals.reward, [reward], rtol=1e-5)
                expected, reward = reference.reset()[0], 0.0
            np.testing.assert_allclose(decisions.obs[0][0], expected, rtol=1e-5, atol=1e-5)
            np.testing.assert_allclose(decisions.reward, [reward], rtol=1e-5)
            action = rng.uniform(-1, 1, (1, 6)).astype(np.float32)
            env.set_actions("Walker2d-v5?team=0", ActionTuple(action))
            env.step()
            expected, reward, ended, _, _ = reference.step(action[0])
    assert capsys.readouterr().out == (
        f"Listening on port {env.session.communicator.port}. Press Play in the Unity Editor to start training.\n"
    )


def test_every_reward_and_every_action_arrives_once_where_it_belongs(tmp_path: Path) -> None:
    ledger = tmp_path / "ledger"
    with editor(PLAYER, "ledger", "--ledger", ledger, "--agents", 7) as env:
        env.reset()
        bookkeeper = Bookkeeper(env)
        bookkeeper.run(120)
        stats = env.stats.get_and_reset_stats()
        specs = env.behavior_specs
    assert list(specs) == [HYBRID, CONTINUOUS]
    assert specs[HYBRID].action_spec.discrete_branches == (3, 2)
    assert specs[HYBRID].observation_specs[1].dimension_property[0] == DimensionProperty.VARIABLE_SIZE
    assert stats["Mismatches"][-1][0] == 0
    assert len(stats["Mismatches"]) == 120
    assert_same(bookkeeper.events, read_ledger(ledger))


@pytest.mark.parametrize("arguments", [("--env", "CartPole-v1"), ("--env", "bridge_envs:Pixels-v0")])
def test_contract(arguments: tuple[str, ...]) -> None:
    options = ("--agents", 3, "--time-limit", 9, "--decision-period", 2, "--stagger")
    with editor("-m", "bridge.player", *arguments, *options) as env:
        check_env(env, steps=60)


@pytest.mark.parametrize("layout", [[], ["--channels-last"]])
@pytest.mark.parametrize("form", [[], ["--raw-images"]])
def test_images_are_channel_first(layout: list[str], form: list[str]) -> None:
    arguments = ("--env", "bridge_envs:Pixels-v0", "--agents", 2, *layout, *form)
    with editor("-m", "bridge.player", *arguments) as env:
        env.reset()
        spec = env.behavior_specs["Pixels-v0?team=0"].observation_specs[0]
        decisions, terminals = env.get_steps("Pixels-v0?team=0")
    assert spec.shape == (3, 8, 10)
    assert spec.dimension_property[0] == DimensionProperty.NONE
    image, expected = decisions.obs[0], bridge_envs.pixels().transpose(2, 0, 1)
    assert image.dtype == (np.float32 if form else np.uint8)
    assert terminals.obs[0].dtype == image.dtype
    np.testing.assert_allclose(image, np.stack([expected] * 2) / (255 if form else 1), atol=1e-6)


def test_executable_on_a_port_of_its_own(tmp_path: Path) -> None:
    port = free_port()
    write_player(tmp_path, "-m", "bridge.player", "--env", "CartPole-v1")
    engine = EngineConfig(84, 84, 5, 20.0, -1, 60)
    options = PlayerOptions(tmp_path / "Player", port, 0, 30, 5, 2, ("--agents", "2"), True, tmp_path, engine)
    first = UnityEnv(options)
    second = UnityEnv(options)
    assert first.session.communicator.port == port != second.session.communicator.port
    listening = subprocess.run(["ss", "-ltnH"], capture_output=True, text=True, check=True).stdout
    own = [line.split()[3] for line in listening.splitlines() if line.split()[3].endswith(f":{port}")]
    assert own
    assert all(address.rpartition(":")[0] in ("[::ffff:127.0.0.1]", "127.0.0.1", "[::1]") for address in own)
    for env in (first, second):
        env.step()
        decisions, _ = env.get_steps("CartPole-v1?team=0")
        assert len(decisions) == 4
        env.step()
        assert env.get_steps("CartPole-v1?team=0")[0].reward.tolist() == [1.0] * 4
        env.close()
    assert (tmp_path / "Player-0.log").is_file()


def test_messages_beyond_grpc_limits() -> None:
    with editor(PLAYER, "big") as env:
        env.reset()
        for _ in range(3):
            env.step()
            decisions, _ = env.get_steps("Simple")
            assert decisions.obs[0].shape == (10_000, 243)
            assert (decisions.obs[0][:, 5] == np.arange(10_000)).all()
