"""Gymnasium environments that do one thing wrong, and what training on them must come to."""

import contextlib
import copy
import io
import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces

from trainers import load_policy
from trainers.training.cli import main

NUMBERS = itertools.count()
LATE = 150
"""Steps of an environment after which trouble begins: something has been learned by then."""


class Small(gymnasium.Env):
    """Two numbers, three actions, episodes of five steps; `wrong` replaces parts of what `step` returns."""

    observation_space: spaces.Space = spaces.Box(-1.0, 1.0, (2,), np.float32)
    action_space: spaces.Space = spaces.Discrete(3)
    wrong: Callable[[list[Any]], Any] = staticmethod(lambda result: result)
    late = LATE

    def __init__(self) -> None:
        self.count = self.age = 0

    def look(self) -> Any:
        return np.zeros(2, np.float32)

    def info(self) -> Any:
        return {}

    def reset(self, *, seed: int | None = None, options: dict | None = None) -> Any:
        super().reset(seed=seed)
        self.age = 0
        return self.look(), self.info()

    def step(self, action: Any) -> Any:
        self.count, self.age = self.count + 1, self.age + 1
        result = [self.look(), 1.0, self.age % 5 == 0, False, self.info()]
        return tuple(result) if self.count < self.late else type(self).wrong(result)


@contextlib.contextmanager
def registered(**parts: Any) -> Iterator[str]:
    """The id of a `Small` with other methods and spaces."""
    name = f"Fault{next(NUMBERS)}-v0"
    gymnasium.register(name, type("Faulty", (Small,), parts), max_episode_steps=50)
    try:
        yield name
    finally:
        del gymnasium.registry[name]


def trained(env_id: str, folder: Path, *more: str, steps: int = 1500) -> tuple[int, str]:
    """Train, and return the exit status and what was written to standard error."""
    heard = io.StringIO()
    words = ["--env", env_id, "--num-envs", "2", "--run-id", "r", "--results-dir", str(folder), "--seed", "1"]
    words += ["--max-steps", str(steps), "--set", "behaviors.*.hyperparameters.buffer_size=64"]
    words += ["--set", "behaviors.*.hyperparameters.batch_size=32", "--set", "behaviors.*.summary_freq=1000"]
    words += ["--set", "behaviors.*.network_settings.hidden_units=8", *more]
    with contextlib.redirect_stderr(heard), contextlib.redirect_stdout(io.StringIO()):
        status = main(words, "ppo")
    return status, heard.getvalue()


def refused(folder: Path, parts: dict[str, Any], *told: str, saved: bool = True) -> None:
    """The run ends with one line that has all of `told`, and what was learned before is saved."""
    with registered(**parts) as env_id:
        status, heard = trained(env_id, folder)
    lines = [line for line in heard.splitlines() if line.startswith("error: ")]
    assert status == 2, (status, heard)
    assert len(lines) == 1, heard
    assert "Traceback" not in heard, heard
    for word in told:
        assert word in lines[0], (word, lines[0])
    if saved:
        assert "what was learned until then is saved" in lines[0], lines[0]
        assert load_policy(folder / "r").step > 0
    else:
        assert not (folder / "r").exists()


def trains(folder: Path, parts: dict[str, Any], *more: str) -> None:
    """The run goes on to its end."""
    with registered(**parts) as env_id:
        status, heard = trained(env_id, folder, *more, steps=300)
    assert status == 0, heard
    assert load_policy(folder / "r").step >= 300


def replaced(place: int, value: Any) -> dict[str, Any]:
    """Trouble that begins late: one of the five values of `step` is another."""

    def wrong(result: list[Any]) -> Any:
        result[place] = copy.deepcopy(value)
        return tuple(result)

    return {"wrong": staticmethod(wrong)}


def raising(error: BaseException) -> dict[str, Any]:
    def wrong(result: list[Any]) -> Any:
        raise error

    return {"wrong": staticmethod(wrong)}


def raises_at(method: str, error: BaseException) -> dict[str, Any]:
    def fail(self: Any, *arguments: Any, **named: Any) -> Any:
        raise error

    return {method: fail}


class Panic(BaseException):
    """What libraries in other languages raise."""


ZEROS = np.zeros(2, np.float32)
TREE = spaces.Dict({"a": spaces.Box(-1, 1, (2,), np.float32), "b": spaces.Discrete(3)})


def tree(**parts: Any) -> dict[str, Any]:
    return {"a": ZEROS, "b": 1, **parts}


def looks(space: spaces.Space, value: Any) -> dict[str, Any]:
    """Another observation space, of which `value` is always seen."""
    return {"observation_space": space, "look": lambda self: copy.deepcopy(value)}


def masked(mask: Any, space: spaces.Space | None = None) -> dict[str, Any]:
    """An environment that masks its actions, and asserts that action 1 (of the first branch) is never taken."""

    def step(self: Any, action: Any) -> Any:
        assert np.ravel(action)[0] != 1, "a forbidden action was taken"
        return Small.step(self, action)

    parts = {"info": lambda self: {"action_mask": copy.deepcopy(mask)}, "step": step}
    return parts if space is None else {**parts, "action_space": space}
