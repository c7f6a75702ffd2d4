"""From a training file to players: settings arrive, and training runs from the command line."""

import os
import subprocess
import sys
from pathlib import Path

import gymnasium
import pytest
import torch
from ledger import Bookkeeper, read_side_channel
from processes import PLAYER, ROOT, free_port, running, write_player

from bridge.channels import EngineConfig, EnvironmentParametersChannel
from bridge.environment_parameters import sampler_seed
from bridge.make import player_options
from bridge.process import find_player, is_env_id, looks_like_player
from bridge.unity_env import UnityEnv
from bridge.workers import Workers
from gym_adapters import UserError
from gym_adapters.limits import WINDOW_PIXELS
from trainers.config import RunSettings, load_settings
from trainers.records.checkpoint import load_state
from trainers.training.api import train
from trainers.training.curriculum import Curriculum
from trainers.training.default_files import tuned_file
from trainers.training.environments import make_environment

PARAMETERS = """
environment_parameters:
  mass: 2.5
  wall:
    sampler_type: uniform
    sampler_parameters: {min_value: 1, max_value: 4}
  gravity:
    sampler_type: gaussian
    sampler_parameters: {mean: 9, st_dev: 0.5, seed: 77}
  slope:
    sampler_type: multirangeuniform
    sampler_parameters: {intervals: [[0, 1], [3, 4]]}
"""


def settings(text: str = "", **env: object) -> RunSettings:
    loaded = load_settings(text or None)
    changes = {"seed": 4, **env}
    checkpoints = loaded.checkpoint_settings.model_copy(update={"run_id": "run", "results_dir": "results"})
    return loaded.model_copy(
        update={
            "env_settings": loaded.env_settings.model_copy(update=changes),
            "checkpoint_settings": checkpoints,
        }
    )


def test_settings_reach_the_player() -> None:
    chosen = settings(
        "engine_settings: {width: 100, height: 90, quality_level: 1, time_scale: 3, no_graphics_monitor: true}",
        env_path="Build/Walker",
        base_port=6000,
        timeout_wait=9,
        num_areas=3,
        env_args=("--level", "2"),
    )
    options = player_options(chosen, worker=1)
    assert (options.port, options.worker_id, options.timeout, options.seed) == (6000, 1, 9, 4 + 2**16)
    assert (options.num_areas, options.arguments, options.no_graphics) == (3, ("--level", "2"), True)
    assert options.engine == EngineConfig(100, 90, 1, 3.0, -1, 60)
    assert options.log_folder == Path("results/run/run_logs")
    assert player_options(RunSettings(), 0).log_folder is None
    assert not player_options(chosen, worker=0).no_graphics


def test_raw_images_are_put_in_order_unless_told_otherwise() -> None:
    assert player_options(settings(), 0).reorder_images
    assert not player_options(settings("env_settings: {reorder_raw_images: false}"), 0).reorder_images


def test_editor_is_waited_for_without_end_unless_told_otherwise() -> None:
    assert (player_options(settings(), 0).port, player_options(settings(), 0).timeout) == (5004, None)
    assert player_options(settings(timeout_wait=7, base_port=6001), 0).timeout == 7
    assert player_options(settings(timeout_wait=7, base_port=6001), 0).port == 6001


@pytest.mark.parametrize(
    "path",
    ["Build/Walker", "./Walker", "/opt/Walker", "~/W", "W.x86_64", "W.exe", "W.app", "a\\b", "a/b/c-v1"],
)
def test_path_that_does_not_exist(path: str) -> None:
    assert looks_like_player(path)
    assert not is_env_id(path)
    with pytest.raises(UserError, match="no such player"):
        make_environment(settings(env_path=path))


def test_the_folder_of_a_build_is_refused_with_the_player_in_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "Walker_Data").mkdir()
    (tmp_path / "Build").mkdir()
    assert not looks_like_player("Build")
    for name in ("UnityCrashHandler64.exe", "Walker.exe"):
        (tmp_path / "Build" / name).touch()
    for path in ("Build", "./Build", str(tmp_path / "Build")):
        assert looks_like_player(path)
        with pytest.raises(
            UserError, match=r"no such player; give the player in this folder: .*Build.Walker\.exe"
        ):
            make_environment(settings(env_path=path))


@pytest.mark.parametrize(
    "env_id", ["Walker2d-v5", "ALE/Assault-v5", "module:Env-v0", "Nothing-v0", "pkg.mod:a/Chess"]
)
def test_gymnasium_ids_are_no_paths(env_id: str) -> None:
    assert is_env_id(env_id)
    assert not looks_like_player(env_id)


def test_the_editor_has_neither_a_path_nor_an_id() -> None:
    assert not looks_like_player(None)
    assert not is_env_id(None)


def test_a_registered_id_needs_no_version(monkeypatch: pytest.MonkeyPatch) -> None:
    assert looks_like_player("games/Chess")
    monkeypatch.setitem(gymnasium.registry, "games/Chess", gymnasium.spec("CartPole-v1"))
    assert not looks_like_player("games/Chess")


def test_ports_that_do_not_exist(tmp_path: Path) -> None:
    path = write_player(tmp_path, "-m", "bridge.player", "--env", "CartPole-v1")
    with pytest.raises(UserError, match="base_port is 65530 and num_envs 7: the last player's port, 65536,"):
        make_environment(settings(env_path=str(path), num_envs=7, base_port=65530))


def test_the_largest_numbers_reach_the_player() -> None:
    port = free_port()
    most = {"num_areas": 1, "seed": 2**31 - 1, "base_port": port, "timeout_wait": 30}
    engine = dict.fromkeys(("quality_level", "target_frame_rate", "capture_frame_rate"), 2**31 - 1)
    engine |= {"width": WINDOW_PIXELS, "height": WINDOW_PIXELS}
    with running("-m", "bridge.player", "--env", "CartPole-v1", "--mlagents-port", port):
        env = make_environment(
            load_settings(
                {
                    "env_settings": most,
                    "engine_settings": {**engine, "time_scale": 3.4e38},
                    "checkpoint_settings": {"run_id": "run"},
                }
            )
        )
        env.reset()
        assert len(env.get_steps("CartPole-v1?team=0")[0]) == 1
        env.close()


def test_find_player(tmp_path: Path) -> None:
    program = tmp_path / "Mac.app" / "Contents" / "MacOS" / "Game"
    program.parent.mkdir(parents=True)
    for path in (program, tmp_path / "Linux.x86_64", tmp_path / "plain"):
        path.write_text("")
    assert find_player(tmp_path / "Mac") == find_player(tmp_path / "Mac.app") == program
    assert find_player(tmp_path / "Linux") == tmp_path / "Linux.x86_64"
    assert find_player(tmp_path / "plain") == tmp_path / "plain"
    assert find_player(tmp_path) is None
    assert tuned_file(str(tmp_path / "plain"), "ppo") is None


def test_environment_parameters_reach_the_player(tmp_path: Path) -> None:
    port, ledger = free_port(), tmp_path / "ledger"
    with running(PLAYER, "ledger", "--mlagents-port", port, "--ledger", ledger):
        loaded = settings(PARAMETERS, base_port=port, timeout_wait=30)
        env = make_environment(loaded)
        assert isinstance(env, UnityEnv)
        values = Curriculum(loaded.environment_parameters or {}).values
        env.set_parameters(values)
        env.reset()
        Bookkeeper(env).run(3)
        env.close()
    seeds = {name: sampler_seed(4, name, sampler) for name, sampler in values.items()}
    channel = EnvironmentParametersChannel()
    channel.set_float_parameter("mass", 2.5)
    channel.set_uniform_sampler_parameters("wall", 1, 4, seeds["wall"])
    channel.set_gaussian_sampler_parameters("gravity", 9, 0.5, 77)
    channel.set_multirangeuniform_sampler_parameters("slope", [(0, 1), (3, 4)], seeds["slope"])
    assert read_side_channel(ledger, channel) == channel.message_queue


def test_what_players_do_not_take() -> None:
    with pytest.raises(UserError, match="env_options are for Gymnasium"):
        make_environment(settings(env_options={"a": 1}))


CONFIG = """
default_settings:
  trainer_type: ppo
  hyperparameters: {batch_size: 64, buffer_size: 128}
  network_settings: {hidden_units: 16, num_layers: 1}
  max_steps: 400
"""


def test_training_executables_from_the_command_line(tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text(CONFIG)
    write_player(tmp_path, "-m", "bridge.player", "--env", "CartPole-v1", "--agents", 4)
    options = ("--env", tmp_path / "Player", "--num-envs", 2, "--base-port", free_port(), "--run-id", "built")
    done = subprocess.run(
        [sys.executable, "-m", "trainers.ppo", *map(str, (config, "--results-dir", tmp_path, *options))],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "built" / "CartPole-v1" / "checkpoint.pt").is_file()
    assert (tmp_path / "built" / "run_logs" / "Player-1.log").is_file()


def test_training_through_the_editor_is_training_on_gymnasium(tmp_path: Path) -> None:
    port, agents = free_port(), 3
    common = [f"checkpoint_settings.results_dir={tmp_path}", "env_settings.seed=3"]
    gymnasium = ["env_settings.env_path=CartPole-v1", f"env_settings.num_envs={agents}"]
    train(make_environment, CONFIG, overrides=[*common, *gymnasium, "checkpoint_settings.run_id=gymnasium"])
    editor = [f"env_settings.base_port={port}", "checkpoint_settings.run_id=editor"]
    with running("-m", "bridge.player", "--env", "CartPole-v1", "--agents", agents, "--mlagents-port", port):
        train(make_environment, CONFIG, overrides=[*common, *editor])
    runs = [load_state(tmp_path / run / "CartPole-v1" / "checkpoint.pt") for run in ("gymnasium", "editor")]
    assert runs[0]["global_step"] == runs[1]["global_step"] >= 400
    for name, weights in runs[0]["Policy"].items():
        assert torch.equal(weights, runs[1]["Policy"][name]), name


@pytest.mark.parametrize("count", [1, 2])
def test_players_are_workers_and_each_agent_has_its_own_seed(
    count: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    agents = 3
    path = write_player(tmp_path, "-m", "bridge.player", "--env", "CartPole-v1", "--agents", agents)
    env = make_environment(settings(env_path=str(path), num_envs=count, base_port=free_port()))
    assert isinstance(env, Workers)
    env.reset()
    decisions, _ = env.get_steps("CartPole-v1?team=0")
    env.close()
    rows = [tuple(row) for row in decisions.obs[0].tolist()]
    assert len(set(rows)) == len(rows) == count * agents
    single = gymnasium.make("CartPole-v1")
    assert rows[:agents] == [tuple(single.reset(seed=4 + agent)[0].tolist()) for agent in range(agents)]


@pytest.mark.parametrize("seed", [0, 4, 2**31 - 1])
def test_seeds_of_players_do_not_overlap(seed: int) -> None:
    workers, agents = 40, 250
    chosen = settings(env_path="Build/Walker", num_envs=workers, seed=seed)
    first = [player_options(chosen, worker).seed for worker in range(workers)]
    assert first[0] == seed
    assert all(0 <= one < 2**31 for one in first)
    assert len({one + agent for one in first for agent in range(agents)}) == workers * agents
