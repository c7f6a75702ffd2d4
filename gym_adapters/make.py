"""Makes a `BaseEnv` from an environment id."""

import difflib
import importlib
import importlib.util
import logging
import re
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
from gym_adapters.commands import install_command
from gym_adapters.errors import UserError, close_all, close_reported, not_imported, not_made
from gym_adapters.limits import ENVIRONMENTS
from gym_adapters.parallel_env import ParallelEnvAdapter
from gym_adapters.pettingzoo import is_pettingzoo, make_pettingzoo
from gym_adapters.text import joined_lines
from gym_adapters.vector_env import VectorEnvAdapter

logger = logging.getLogger(__name__)

DEFAULT_NUM_ENVS = 8
SEED_LIMIT = 2**31
"""ALE and players read their seeds as signed 32-bit numbers."""
LIFE_OPTIONS = ("life_loss_info", "episodic_life")

PACKAGES = {
    "ale_py": "ale-py",
    "mujoco": "mujoco",
    "cv2": "opencv-python",
    "pygame": "pygame-ce",
    "jax": "jax",
    "Box2D": "box2d",
    "minigrid": "minigrid",
}
"""Packages by the module that they bring, for environments of Gymnasium."""

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


_OLD_MESSAGES = "Descriptors cannot be created directly"
"""What protobuf says to modules that were generated for protobuf 3, such as those of `mlagents_envs`."""


def find_spec(env_id: str) -> EnvSpec:
    """Returns the registered environment of an id.

    Raises:
        UserError: The id is unknown, or its package is missing.
    """
    try:
        module, _, name = env_id.rpartition(":")
        if module:
            importlib.import_module(module)
        if env_id.startswith("ALE/"):
            importlib.import_module("gym_adapters.atari")
        return gymnasium.spec(name)
    except ImportError as error:
        raise UserError(
            f"environment {env_id!r}: {joined_lines(error)}; {_missing(error, module)}"
        ) from error
    except gymnasium.error.Error as error:
        raise UserError(
            f"environment {env_id!r} is not a registered Gymnasium id; {_nearest(env_id, module, name)}"
        ) from error
    except (Exception, SystemExit) as error:
        if _OLD_MESSAGES in str(error):
            raise UserError(
                f"environment {env_id!r}: {module} imports mlagents_envs, whose messages load only after those of this "
                f"project; put `import bridge` before it in {module}"
            ) from error
        raise not_imported(env_id, module, error) from error


def _nearest(env_id: str, module: str, name: str) -> str:
    """Return what an id that is not registered may mean.

    Args:
        env_id: the id.
        module: the module before its colon, which was imported; empty without one.
        name: what follows the colon.
    """
    pettingzoo = _as_pettingzoo(env_id)
    if pettingzoo:
        return pettingzoo
    if module:
        package = module.partition(".")[0]
        known = [key for key, spec in gymnasium.registry.items() if _home(spec).partition(".")[0] == package]
        near = difflib.get_close_matches(name, known, n=1)
        meant = f"; did you mean {module}:{near[0]}?" if near else ""
        return (
            f"{module} was imported and registers no {name}"
            f"{meant or f'; call gymnasium.register({name!r}, ...) in it'}"
        )
    if _is_importable(name):
        return (
            f"an environment of the module {name} is named by the module and its id, such as {name}:Maze-v0"
        )
    near = difflib.get_close_matches(env_id, list(gymnasium.registry), n=3, cutoff=0.4)
    hint = f"did you mean {' or '.join(near)}?" if near else "see gymnasium.pprint_registry()"
    if re.search(r"-v\d+$", name):
        return hint
    return f"{hint}{' A' if near else '; a'} Unity player is named by its path, such as ./{name}"


def _home(spec: EnvSpec) -> str:
    """Return the module that an environment comes from."""
    entry = spec.entry_point
    return entry.partition(":")[0] if isinstance(entry, str) else str(getattr(entry, "__module__", ""))


def _is_importable(module: str) -> bool:
    """Whether a text without a dot names a module that is there; a folder of another kind is none."""
    try:
        spec = importlib.util.find_spec(module) if module.isidentifier() else None
    except ValueError:  # __main__
        return False
    return spec is not None and spec.origin is not None


def _as_pettingzoo(env_id: str) -> str:
    """Return how a PettingZoo environment is named, if an id is made of the name of one; else nothing."""
    match = re.fullmatch(r"(?:([\w.]+)[.:])?([A-Za-z]\w*_v\d+)(?::\w+)?", env_id)
    if match is None:
        return ""
    package, name = match.groups()
    return f"a PettingZoo environment is named by its package or folder and its module: {package or 'FOLDER'}/{name}"


def _make_vector_env(spec: EnvSpec, num_envs: int, options: dict[str, Any]) -> VectorEnv:
    try:
        return _fastest_vector_env(spec, num_envs, options)
    except ImportError as error:
        module = str(spec.entry_point).partition(":")[0]
        raise UserError(
            f"environment {spec.id!r}: {joined_lines(error)}; {_missing(error, module)}"
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


def install_hint(error: Exception) -> str:
    """Returns what to install: the packages of this project's extra if there is one, else what Gymnasium advises."""
    if "box2d" in str(error).lower():
        return f"run: {install_command(PACKAGES['Box2D'], PACKAGES['pygame'])}"
    if "pygame" in str(error).lower():
        return f"run: {install_command(PACKAGES['pygame'])}"
    return joined_lines(error)


def _missing(error: ImportError, module: str) -> str:
    """Return what to do about an import that failed.

    A package is named only if it is known, because a package of that name may be a stranger's.

    Args:
        error: the failure.
        module: the module that holds the environment.
    """
    missing = (error.name or "").partition(".")[0]
    if missing in PACKAGES:
        return f"run: {install_command(PACKAGES[missing])}"
    if module.endswith(".py") and _is_importable(module.removesuffix(".py")):
        return f"name the module without .py: {module.removesuffix('.py')}:ID"
    if missing and missing == module.partition(".")[0]:
        return f"start the command in the folder that holds {missing}, or install the package that brings it"
    return f"install the package that {module or 'the environment'} needs"
