"""What some tests need beyond Python and the packages of `make train`: marks that skip them and say what is missing."""

import ctypes.util
import importlib.util
import os
import shutil
import sys

import pytest


def _lacking(*modules: str) -> bool:
    return any(importlib.util.find_spec(module) is None for module in modules)


WANDB = pytest.mark.skipif(_lacking("wandb"), reason="needs the extra wandb")
VIDEO = pytest.mark.skipif(_lacking("imageio_ffmpeg", "pygame"), reason="needs the extra video")
PYGAME = pytest.mark.skipif(_lacking("pygame"), reason="needs pygame: the extra box2d or video")
PETTINGZOO = pytest.mark.skipif(_lacking("pettingzoo"), reason="needs the extra pettingzoo")
MINIGRID = pytest.mark.skipif(_lacking("minigrid"), reason="needs the extra minigrid")
STABLE_BASELINES3 = pytest.mark.skipif(_lacking("stable_baselines3"), reason="needs stable-baselines3")
NOTEBOOK = pytest.mark.skipif(_lacking("nbclient", "ipykernel"), reason="needs nbclient and ipykernel")
PLOTLY = pytest.mark.skipif(_lacking("plotly"), reason="needs the extra compare")
MKDOCS = pytest.mark.skipif(_lacking("mkdocs", "material", "mkdocstrings"), reason="needs the extra docs")
OPTUNA = pytest.mark.skipif(_lacking("optuna"), reason="needs the extra search")
POSTGRESQL = pytest.mark.skipif(
    _lacking("optuna", "psycopg") or None in (shutil.which("initdb"), shutil.which("pg_ctl")),
    reason="needs the extra search, and initdb and pg_ctl of PostgreSQL: apt-get install postgresql",
)
EGL = pytest.mark.skipif(
    sys.platform == "linux" and not os.environ.get("DISPLAY") and ctypes.util.find_library("EGL") is None,
    reason="needs a display, or EGL: apt-get install libegl1 libgl1",
)
LINUX = pytest.mark.skipif(sys.platform != "linux", reason="needs Linux")
SHELL = pytest.mark.skipif(sys.platform == "win32", reason="needs a shell: the player is a shell script")
TMUX = pytest.mark.skipif(shutil.which("tmux") is None, reason="needs tmux: apt-get install tmux")
