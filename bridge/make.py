"""Starts the Unity players that a training file describes, or waits for the Editor."""

import ipaddress

from bridge.channels import EngineConfig
from bridge.environment_parameters import check_names
from bridge.player_session import PlayerOptions
from bridge.ports import BASE_PORT, EDITOR_PORT, HIGHEST_PORT
from bridge.unity_env import UnityEnv
from bridge.worker import RestartLimits
from bridge.workers import Workers
from gym_adapters.errors import UserError
from gym_adapters.make import SEED_LIMIT
from trainers.config import EnvSettings, RunSettings

SEEDS_PER_PLAYER = 2**16
"""Agent i of player k is seeded with seed + k * SEEDS_PER_PLAYER + i, so that no two agents share a seed."""

DEFAULT_TIMEOUT = EnvSettings.model_fields["timeout_wait"].default


def make_unity(settings: RunSettings) -> UnityEnv | Workers:
    """Start the players that `env_settings` describes, or wait for the Editor, and wait until all have connected.

    The wait for the Editor lasts until Ctrl-C, unless `timeout_wait` differs from its default, which is meant for
    players. The `environment_parameters` are not sent here; the run sends them with `set_parameters`.

    Raises:
        UserError: A player does not start, or the settings ask for what players cannot do.
    """
    env = settings.env_settings
    if env.env_options:
        raise UserError("env_settings.env_options are for Gymnasium environments; use env_args for a player")
    check_names(settings.environment_parameters or ())
    if env.env_path is None:
        return _start(settings, 0, wait=True)
    last_port = env.base_port + env.first_env + env.num_envs - 1
    if last_port > HIGHEST_PORT:
        raise UserError(
            f"env_settings.base_port is {env.base_port} and num_envs {env.num_envs}: the last player's port, "
            f"{last_port}, is above {HIGHEST_PORT}; lower base_port"
        )
    limits = RestartLimits(
        env.max_lifetime_restarts, env.restarts_rate_limit_n, env.restarts_rate_limit_period_s
    )
    first = env.first_env
    return Workers(lambda worker: _start(settings, first + worker, wait=False), env.num_envs, limits)


def player_options(settings: RunSettings, worker: int) -> PlayerOptions:
    """Return the options of player number `worker`, counted from 0. Without a `run_id` it has no log."""
    env, engine, run = settings.env_settings, settings.engine_settings, settings.checkpoint_settings
    is_editor = env.env_path is None
    return PlayerOptions(
        file_name=env.env_path,
        port=EDITOR_PORT if is_editor and env.base_port == BASE_PORT else env.base_port,
        worker_id=worker,
        listen=_address(env.listen),
        reorder_images=env.reorder_raw_images,
        timeout=None if is_editor and env.timeout_wait == DEFAULT_TIMEOUT else env.timeout_wait,
        seed=(env.seed + worker * SEEDS_PER_PLAYER) % SEED_LIMIT,
        num_areas=env.num_areas,
        arguments=env.env_args or (),
        no_graphics=engine.no_graphics or (engine.no_graphics_monitor and worker > 0),
        log_folder=None if run.run_id is None else run.folder / "run_logs",
        engine=EngineConfig(
            engine.width,
            engine.height,
            engine.quality_level,
            engine.time_scale,
            engine.target_frame_rate,
            engine.capture_frame_rate,
        ),
    )


def _address(text: str) -> str:
    try:
        return str(ipaddress.ip_address(text))
    except ValueError as error:
        raise UserError(f"--listen {text}: expected an IP address, such as 127.0.0.1 or 0.0.0.0") from error


def _start(settings: RunSettings, worker: int, wait: bool) -> UnityEnv:
    return UnityEnv(player_options(settings, worker), wait=wait)
