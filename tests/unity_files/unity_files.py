"""The training files of Unity's example scenes."""

from importlib import resources
from pathlib import Path

FOLDER = Path(str(resources.files("unity_configs"))) / "unity"
FILES = sorted(FOLDER.rglob("*.yaml"))


def name_of(path: Path) -> str:
    """The name of a file in test ids: its path below the folder."""
    return path.relative_to(FOLDER).as_posix()
