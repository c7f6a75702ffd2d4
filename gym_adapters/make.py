"""Makes a `BaseEnv` from an environment id."""

import logging
import warnings
from collections.abc import Mapping
from functools import cache, partial
from numbers import Integral
from typing import Any, Literal

import gymnasium
from gymnasium.envs.registration import EnvSpec
from gymnasium.vector import AutoresetMode, VectorEnv
from mlagents_envs.base_env import BaseEnv, BehaviorSpec

from gym_adapters.checked import CheckedResults, checked_spec
from gym_adapters.errors import UserError, close_all, close_reported, not_made
from gym_adapters.limits import ENVIRONMENTS
from gym_adapters.parallel_env import ParallelEnvAdapter
from gym_adapters.pettingzoo import is_pettingzoo, make_pettingzoo
from gym_adapters.registered import find_spec, install_hint, missing_package
from gym_adapters.text import joined_lines
from gym_adapters.vector_env import VectorEnvAdapter

logger = logging.getLogger(__name__)

DEFAULT_NUM_ENVS = 8
SEED_LIMIT = 2**31
"""ALE and players read their seeds as signed 32-bit numbers."""
LIFE_OPTIONS = ("life_loss_info", "episodic_life")

Kind = Literal["continuous", "discrete", "image"]


def make_env(
    env_id: str, num_envs: int | None = None, seed: int = 0, options: Mapping[str, Any] | None = None
) -> VectorEnvAdapter | ParallelEnvAdapter:
    """Makes a batch of Gymnasium or PettingZoo environments as one `BaseEnv`.

    Args:
        env_id: A registered id such as "Walker2d-v5" or "ALE/Assault-v5"; "package:Env-v0" imports `package`
            first. Or a PettingZoo environment such as "mpe2/simple_spread_v3".
        num_envs: The number of environments; None means 8.
        seed: Environment i is seeded with `seed + i`.
        options: Keyword arguments of the environment itself.

    Raises:
        UserError: The id is unknown, a package is missing, the environment refuses the options or cannot be made, its
            spaces are not supported, or a number is out of range.
    """
    if not isinstance(env_id, str):
        raise UserError(f"env_id: expected an id such as Walker2d-v5, got {type(env_id).__name__}")
    count = DEFAULT_NUM_ENVS if num_envs is None else num_envs
    if not isinstance(count, Integral) or not isinstance(seed, Integral):
        raise UserError(
            f"num_envs and seed: expected whole numbers, got {type(count).__name__} and {type(seed).__name__}"
        )
    count, seed = int(count), int(seed)  # vector environments know no integers of numpy
    if not 1 <= count <= ENVIRONMENTS:
        raise UserError(f"num_envs is {num_envs}; expected 1 to {ENVIRONMENTS:,} environments")
    if not 0 <= seed <= SEED_LIMIT - count:
        raise UserError(
            f"seed is {seed}; expected 0 to {SEED_LIMIT - count}, since environment i of {count} gets seed + i"
        )
    if not isinstance(options, Mapping | None):
        raise UserError(f"options: expected a dictionary, got {type(options).__name__}")
    if is_pettingzoo(env_id):
        return make_pettingzoo(env_id, count, seed, options or {})
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        warnings.simplefilter(
            "ignore", DeprecationWarning
        )  # of no use to somebody who only runs environments
        vector_env = _make_vector_env(find_spec(env_id), count, dict(options or {}))
    for message in dict.fromkeys(str(warning.message) for warning in caught):
        logger.warning("%s: %s", env_id, message)
    one = next(iter(getattr(vector_env, "envs", ())), None)
    if isinstance(one, gymnasium.Env) and one.has_wrapper_attr("action_masks"):
        _say_masks_are_not_called(env_id)
    try:
        return VectorEnvAdapter(vector_env, behavior_name(env_id), seed)
    except BaseException:
        close_reported(vector_env.close)
        raise


@cache
def _say_masks_are_not_called(env_id: str) -> None:
    """Says once where masks come from, for those who have the method from which Stable-Baselines3 takes them."""
    logger.warning(
        "%s: its method action_masks() is not called; masks are read from info['action_mask'], in which 1 allows an "
        "action",
        env_id,
    )


def with_whole_episodes(options: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the options without those of ale_py that end an episode with each life: scores are then comparable."""
    return {name: value for name, value in options.items() if name not in LIFE_OPTIONS}


def behavior_name(env_id: str) -> str:
    """Returns the id without module and namespace: "ALE/Assault-v5" gives "Assault-v5"."""
    return env_id.rsplit(":", 1)[-1].rsplit("/", 1)[-1]


def env_kind(source: BehaviorSpec | BaseEnv) -> Kind:
    """Returns "image" if any observation of the behavior is an image, else the type of its actions."""
    spec = source if isinstance(source, BehaviorSpec) else next(iter(source.behavior_specs.values()))
    if any(len(observation.shape) == 3 for observation in spec.observation_specs):
        return "image"
    return "continuous" if spec.action_spec.continuous_size else "discrete"


def _make_vector_env(spec: EnvSpec, num_envs: int, options: dict[str, Any]) -> VectorEnv:
    try:
        return _fastest_vector_env(spec, num_envs, options)
    except ImportError as error:
        module = str(spec.entry_point).partition(":")[0]
        raise UserError(
            f"environment {spec.id!r}: {joined_lines(error)}; {missing_package(error, module)}"
        ) from error
    except gymnasium.error.DependencyNotInstalled as error:
        raise UserError(
            f"environment {spec.id!r} needs a package that is missing; {install_hint(error)}"
        ) from error
    except UserError:
        raise
    except (Exception, SystemExit) as error:
        raise not_made(spec.id, options, error) from error


def _fastest_vector_env(spec: EnvSpec, num_envs: int, options: dict[str, Any]) -> VectorEnv:
    """Makes the environments, batched where they have a batched form, which behaves the same."""
    if spec.namespace == "ALE":
        from gym_adapters.atari import make_atari

        return make_atari(spec, num_envs, options)
    if str(spec.entry_point).startswith("gymnasium.envs.mujoco."):
        from gym_adapters import mujoco

        if mujoco.supports(spec, options):
            return mujoco.BatchedMujoco(spec, num_envs, options)
    return make_checked(spec, num_envs, AutoresetMode.SAME_STEP, options)


def make_checked(spec: EnvSpec, num_envs: int, mode: AutoresetMode, options: Mapping[str, Any]) -> VectorEnv:
    """Makes environments that step one after the other, and whose results are checked."""
    made: list[gymnasium.Env] = []

    def checked(env: gymnasium.Env) -> CheckedResults:
        made.append(env)
        return CheckedResults(env)

    try:
        return gymnasium.make_vec(
            checked_spec(spec),
            num_envs=num_envs,
            vectorization_mode="sync",
            wrappers=[checked],
            vector_kwargs={"autoreset_mode": mode},
            **options,
        )
    except BaseException:
        close_reported(partial(close_all, made))
        raise
