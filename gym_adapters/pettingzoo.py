"""Makes a `BaseEnv` from a PettingZoo environment, such as `mpe2/simple_spread_v3` or `pettingzoo.sisl/pursuit_v5`."""

import importlib
import re
import sys
import warnings
from collections.abc import Callable, Mapping
from typing import Any

from gym_adapters.commands import install_command
from gym_adapters.cycles import direct
from gym_adapters.errors import UserError, not_imported, not_made
from gym_adapters.parallel_env import ParallelEnvAdapter
from gym_adapters.roles import BEHAVIORS, TEAMS
from gym_adapters.teams import TEAM
from gym_adapters.text import joined_lines

ENVIRONMENT = re.compile(r"(?P<package>[A-Za-z_][\w.]*)/(?P<name>[A-Za-z_]\w*_v\d+)")
"""A package, a slash, and a module of it whose name ends with a version, as PettingZoo's do."""
PACKAGES = ("pettingzoo", "mpe2")
"""The packages of the extra pettingzoo. Their environments count as registered ones."""
GROUPED = "grouped"
"""The option that makes groups of the agents of a role. It is the adapter's own; the environment does not get it."""
MOST_TEAMS = 1000
OWN = (GROUPED, TEAMS, BEHAVIORS)
"""All options that are the adapter's own."""


def is_pettingzoo(env_id: str) -> bool:
    """Whether an environment id has the form of a PettingZoo environment."""
    return ENVIRONMENT.fullmatch(env_id) is not None


def make_pettingzoo(env_id: str, num_envs: int, seed: int, options: Mapping[str, Any]) -> ParallelEnvAdapter:
    """Makes copies of a PettingZoo environment as one `BaseEnv`.

    A parallel environment is taken as it is. One whose agents move in cycles is stepped by `Cycles`, as PettingZoo's
    `aec_to_parallel` would. One that says that it is not parallelizable is converted by `turn_based_aec_to_parallel`,
    and `OneByOne` asks only the agent that is on turn.

    Args:
        env_id: `package/module_vN`.
        num_envs: Number of copies.
        seed: Copy i is seeded with `seed + i`.
        options: Keyword arguments of the environment, and `grouped`, `teams` and `behaviors` (see
            `ParallelEnvAdapter`).

    Raises:
        UserError: The package or module is missing, an option is of a wrong kind, or the environment refuses its
            options or cannot be made.
    """
    return ParallelEnvAdapter(*adapter_arguments(env_id, num_envs, seed, options))


def adapter_arguments(
    env_id: str, num_envs: int, seed: int, options: Mapping[str, Any]
) -> tuple[Callable[[], Any], int, str, int, bool, bool | Mapping[str, int], Mapping[str, str] | None]:
    """Returns the arguments of `ParallelEnvAdapter`; see `make_pettingzoo`."""
    module = _module(env_id)
    keywords = {name: value for name, value in options.items() if name not in OWN}
    grouped, teams, behaviors = options.get(GROUPED, False), options.get(TEAMS, False), options.get(BEHAVIORS)
    if not isinstance(grouped, bool):
        raise UserError(f"env_options.{GROUPED}: expected true or false, got {grouped!r:.100}")
    if not (isinstance(teams, bool) or _is_map(teams, _is_team)):
        raise UserError(
            f"env_options.{TEAMS}: expected true, false, or the number of each agent's team, such as "
            f"{{red: 0, blue: 1}}, got {teams!r:.100}"
        )
    if not (behaviors is None or _is_map(behaviors, _is_behavior)):
        raise UserError(
            f"env_options.{BEHAVIORS}: expected behaviors of agents, such as {{red: soldier, blue: soldier}}, got "
            f"{behaviors!r:.100}"
        )

    def make() -> Any:
        try:
            return _parallel(module, keywords)
        except (Exception, SystemExit) as error:
            raise not_made(env_id, keywords, error) from error

    return make, num_envs, env_id.rpartition("/")[2], seed, grouped, teams, behaviors


def _is_map(value: Any, fits: Callable[[Any], bool]) -> bool:
    return (
        isinstance(value, Mapping)
        and bool(value)
        and all(map(_is_name, value))
        and all(map(fits, value.values()))
    )


def _is_name(value: Any) -> bool:
    return isinstance(value, str) and bool(value)


def _is_behavior(value: Any) -> bool:
    return _is_name(value) and TEAM not in value


def _is_team(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < MOST_TEAMS


def _module(env_id: str) -> Any:
    match = ENVIRONMENT.fullmatch(env_id)
    assert match is not None
    package, name = match["package"], match["name"]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # PettingZoo prefers its newer registry
            module = importlib.import_module(f"{package}.{name}")
    except ImportError as error:
        if package.partition(".")[0] in PACKAGES and error.name in PACKAGES:
            advice = f"install the extra pettingzoo, or run: {install_command(*PACKAGES)}"
        else:
            advice = f"check the name, or install what {package} needs"
        raise UserError(f"environment {env_id!r}: {joined_lines(error)}; {advice}") from error
    except (Exception, SystemExit) as error:
        raise not_imported(env_id, f"{package}.{name}", error) from error
    if not (hasattr(module, "parallel_env") or hasattr(module, "env")):
        raise UserError(f"environment {env_id!r}: {package}.{name} has neither parallel_env nor env")
    return module


def _parallel(module: Any, options: Mapping[str, Any]) -> Any:
    if hasattr(module, "parallel_env"):
        env = module.parallel_env(**options)
        return direct(env) if "pettingzoo" in sys.modules else env
    conversions = importlib.import_module("pettingzoo.utils.conversions")
    env = module.env(**options)
    if env.metadata.get("is_parallelizable", False):
        return direct(conversions.aec_to_parallel(env))
    return direct(conversions.turn_based_aec_to_parallel(env))
