"""Where demonstrations come from: .demo files, or a data set of Minari (ML-Agents key `demo_path`)."""

from pathlib import Path
from typing import TYPE_CHECKING

from mlagents_envs.base_env import BehaviorSpec

if TYPE_CHECKING:
    from bridge.demonstrations import Demonstrations

MINARI = "minari:"
"""Begins a `demo_path` that names a data set of Minari instead of a file."""


def load_shown(demo_path: str) -> "Demonstrations":
    """Read demonstrations.

    Args:
        demo_path: a .demo file, a folder of them, or `minari:DATASET-ID`.

    Raises:
        UserError: there are none, or they cannot be read.
    """
    # Protobuf and Minari are imported only for runs that imitate.
    if demo_path.startswith(MINARI):
        from trainers.imitation.minari_data import load_minari

        return load_minari(demo_path.removeprefix(MINARI))
    from bridge.demonstrations import load_demonstrations

    return load_demonstrations(Path(demo_path))


def load_fitting(demo_path: str, behavior: str, spec: BehaviorSpec) -> "Demonstrations":
    """Read demonstrations of a behavior.

    Args:
        demo_path: see `load_shown`.
        behavior: the behavior's name.
        spec: its observations and actions.

    Raises:
        UserError: there are none, they cannot be read, or they are of a behavior with other observations or actions.
    """
    found = load_shown(demo_path)
    found.require_fit(behavior, spec)
    return found


def require_source(demo_path: str) -> None:
    """Require that there is something to read, before an environment is started.

    Raises:
        UserError: there is no such file or folder, or Minari is not installed.
    """
    if demo_path.startswith(MINARI):
        from trainers.imitation.minari_data import import_minari

        import_minari()
    else:
        from bridge.demonstration_file import files_of

        files_of(Path(demo_path))
