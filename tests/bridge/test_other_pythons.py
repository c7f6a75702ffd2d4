"""Unity's messages under the other Pythons that this machine has, each in an environment of its own.

The environments are made once, with the pinned packages, and kept in pytest's cache.
"""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CONSTRAINTS = ROOT / "constraints.txt"
PACKAGES = ("mlagents-envs", "grpcio", "protobuf", "numpy", "gymnasium", "onnx", "tensorboard", "pytest")
INSTALL_SECONDS, TEST_SECONDS = 150, 120
THIS = f"{sys.version_info.major}.{sys.version_info.minor}"  # runs all other tests


def find_python(version: str) -> str | None:
    """An interpreter of this version that runs: on the PATH, or among pyenv's or uv's."""
    home = Path.home()
    folders = [
        *sorted(
            Path(os.environ.get("PYENV_ROOT", home / ".pyenv"), "versions").glob(f"{version}.*"), reverse=True
        ),
        *sorted((home / ".local/share/uv/python").glob(f"cpython-{version}.*"), reverse=True),
    ]
    candidates = [shutil.which(f"python{version}"), *(str(folder / "bin" / "python") for folder in folders)]
    ask = "import sys, ensurepip; print('%d.%d' % sys.version_info[:2])"
    for candidate in filter(None, candidates):
        try:
            done = subprocess.run(
                [candidate, "-c", ask], capture_output=True, text=True, timeout=20, check=False
            )
        except (OSError, subprocess.TimeoutExpired):
            continue
        if done.stdout.strip() == version:
            return candidate
    return None


def environment(python: str, home: Path) -> Path:
    """The interpreter of an environment with the packages, made now or earlier; skips the test if it cannot be."""
    inside, ready = home / "bin" / "python", home / f"ready-{wanted()}"
    if not ready.exists():
        shutil.rmtree(home, ignore_errors=True)
        install = [
            str(inside),
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
            "--retries",
            "1",
        ]
        pinned = ["--only-binary", ":all:", "--constraint", str(CONSTRAINTS), *PACKAGES]
        for command in ([python, "-m", "venv", str(home)], [*install, *pinned]):
            try:
                subprocess.run(command, capture_output=True, text=True, timeout=INSTALL_SECONDS, check=True)
            except subprocess.TimeoutExpired:
                pytest.skip(
                    f"needs its packages within {INSTALL_SECONDS} s, which a slow package index does not give"
                )
            except subprocess.CalledProcessError as error:
                reason = (error.stderr.strip() or "no reason given").splitlines()[-1]
                pytest.skip(f"needs packages that cannot be installed: {reason}")
        ready.touch()
    return inside


def wanted() -> str:
    """Changes with the packages and their pins."""
    return hashlib.sha256(CONSTRAINTS.read_bytes() + " ".join(PACKAGES).encode()).hexdigest()[:12]


@pytest.mark.parametrize("version", [one for one in ("3.11", "3.12", "3.13") if one != THIS])
def test_messages_load(version: str, pytestconfig: pytest.Config) -> None:
    python = find_python(version)
    if python is None:
        pytest.skip(f"needs Python {version}")
    inside = environment(python, pytestconfig.cache.mkdir(f"python{version}"))
    done = subprocess.run(
        [inside, "-m", "pytest", "-p", "no:cacheprovider", "-rs", "tests/bridge/test_protobuf_compat.py"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=TEST_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "skipped" not in done.stdout
