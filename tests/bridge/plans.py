"""Short plans of one behavior, for `tests.trainers.scripted_env`."""

from typing import Any

from tests.trainers.scripted_env import Behavior, Life, ScriptedEnv, Visit, make_spec

HYBRID = make_spec((3,), continuous=2, branches=(3, 2))


def scripted(lives: list[Life], spec: Any = HYBRID, masked: bool = False) -> tuple[ScriptedEnv, Behavior]:
    behavior = Behavior(spec, lives, masked)
    return ScriptedEnv({"Crowd?team=0": behavior}), behavior


def life(agent: int, begin: int, end: int, every: int = 1, **ending: Any) -> Life:
    """Asks from `begin` on, and ends at `end`; each visit pays its own step."""
    visits = tuple(Visit(step, float(step)) for step in range(begin, end, every))
    return Life(agent, visits, Visit(end, float(end)), **ending)


def whole(agent: int, steps: int, every: int = 1) -> Life:
    """Asks every few steps for ever."""
    return Life(agent, tuple(Visit(step, float(step)) for step in range(0, steps, every)))
