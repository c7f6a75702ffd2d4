"""Finds a registered environment of Gymnasium, and says what to do about an id that is none, or a missing package."""

import difflib
import importlib
import importlib.util
import re

import gymnasium
from gymnasium.envs.registration import EnvSpec

from gym_adapters.commands import install_command
from gym_adapters.errors import UserError, not_imported
from gym_adapters.text import joined_lines

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
            f"environment {env_id!r}: {joined_lines(error)}; {missing_package(error, module)}"
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


def install_hint(error: Exception) -> str:
    """Returns what to install: the packages of this project's extra if there is one, else what Gymnasium advises."""
    if "box2d" in str(error).lower():
        return f"run: {install_command(PACKAGES['Box2D'], PACKAGES['pygame'])}"
    if "pygame" in str(error).lower():
        return f"run: {install_command(PACKAGES['pygame'])}"
    return joined_lines(error)


def missing_package(error: ImportError, module: str) -> str:
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
