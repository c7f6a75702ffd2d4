"""Packages of PyPI as texts. They are unpacked in memory: nothing of them is installed or run."""

import re
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path

VERSIONS = {
    "mlagents": "1.1.0",
    "mlagents-envs": "1.1.0",
    "stable-baselines3": "2.9.2",
    "sb3-contrib": "2.9.2",
    "rl_zoo3": "2.9.2",
    "imitation": "1.0.1",
    "cleanrl": "1.2.0",
    "godot-rl": "0.8.2",
}
"""By the package's name, the version that docs/alternatives.md speaks of."""


def downloaded(cache: Path, versions: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """The texts of packages, whose wheels pip fetches into the cache if they are not there.

    Raises:
        subprocess.CalledProcessError: pip could not fetch one. It has said why.
    """
    return {package: texts(_wheel(package, version, cache)) for package, version in versions.items()}


def texts(wheel: Path) -> dict[str, str]:
    """The files of a wheel as texts, by path, without its list of files."""
    with zipfile.ZipFile(wheel) as archive:
        return {
            name: archive.read(name).decode("utf-8", errors="replace")
            for name in archive.namelist()
            if not name.endswith((".dist-info/RECORD", "/"))
        }


def _wheel(package: str, version: str, cache: Path) -> Path:
    pattern = f"{re.sub(r'[-_.]+', '_', package)}-{version}-*.whl"
    if not any(cache.glob(pattern)):
        subprocess.run(
            [
                *(
                    sys.executable,
                    "-m",
                    "pip",
                    "download",
                    "--quiet",
                    "--disable-pip-version-check",
                    "--no-deps",
                ),
                # Some want an older Python; a source archive would run its setup.py.
                *("--ignore-requires-python", "--only-binary", ":all:"),
                *("--dest", cache, f"{package}=={version}"),
            ],
            check=True,
        )
    return next(cache.glob(pattern))
