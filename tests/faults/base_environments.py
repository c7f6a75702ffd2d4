"""`BaseEnv`s that send the wrong thing, raise, or keep arrays in other forms."""

import itertools
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from mlagents_envs.base_env import (
    ActionSpec,
    BehaviorSpec,
    DecisionSteps,
    TerminalSteps,
)

from gym_adapters.errors import UserError, from_environment
from tests.faults.fault import Fault
from tests.faults.tools.base_envs import (
    AGENTS,
    DECISION,
    TERMINAL,
    BadSpec,
    BadSpecs,
    ChangingSpec,
    Comes,
    Small,
    as_lists,
    empty_lists,
    failing,
    no_groups,
    other_types,
    put,
    strangers_end,
)
from trainers import load_policy, train
from trainers.training.chronicle import SAVED
from trainers.training.followers import Silence

from scripted_env import make_spec  # isort: skip  # found by `tests.faults.fault`


def options(folder: Path, steps: int) -> dict[str, Any]:
    behavior = {
        "trainer_type": "ppo", "max_steps": steps, "summary_freq": 1000, "network_settings": {"hidden_units": 8},
        "hyperparameters": {"batch_size": 32, "buffer_size": 64},
    }  # fmt: skip
    checkpoints = {"results_dir": str(folder), "run_id": "r"}
    return {"default_settings": behavior, "env_settings": {"seed": 1}, "checkpoint_settings": checkpoints}


def refused(env: Small, *arguments: Any, saved: bool = True) -> None:
    """The run ends with one line that has all of the words, and what was learned before is saved."""
    *told, folder = arguments
    try:
        train(env, options(folder, 4000), display=Silence())
    except UserError as error:
        text, notes = str(error), getattr(error, "__notes__", [])
    else:
        raise AssertionError("nothing was refused")
    assert "\n" not in text, text
    for word in told:
        assert word in text, (word, text)
    left(env, folder, notes, saved)


def raised(env: Small, kind: type[BaseException], folder: Path, saved: bool = True) -> None:
    """The environment's exception comes through and is named as its own, and what was learned is saved."""
    try:
        train(env, options(folder, 4000), display=Silence())
    except kind as error:
        caught = error
    else:
        raise AssertionError("nothing was raised")
    assert from_environment(caught)
    left(env, folder, caught.__notes__, saved)


def left(env: Small, folder: Path, notes: list[str], saved: bool) -> None:
    """What a run that failed has left."""
    assert env.closed
    if saved:
        assert SAVED in notes
        assert load_policy(folder / "r").step > 0
    else:
        assert not (folder / "r").exists()


def trains(env: Small, folder: Path, episodes: bool = True) -> None:
    """The run goes on to its end, with the right returns."""
    outcomes = train(env, options(folder, 600), display=Silence())
    assert env.closed
    for outcome in outcomes.values():
        assert outcome.steps >= 600
        assert not episodes or (outcome.episodes > 0 and abs(outcome.mean_return - 5.0) < 0.5), outcome


OBSERVATIONS: Mapping[str, Any] = {
    "longer": [np.zeros((AGENTS, 3), np.float32)],
    "fewer-rows": [np.zeros((AGENTS - 1, 2), np.float32)],
    "flat": [np.zeros(AGENTS * 2, np.float32)],
    "one-more": [np.zeros((AGENTS, 2), np.float32)] * 2,
    "none-at-all": [],
    "none": None,
    "none-inside": [None],
    "bare-array": np.zeros((AGENTS, 2), np.float32),
    "text": ["abc"],
    "texts": [[["0", "1"]] * AGENTS],
    "complex": [np.zeros((AGENTS, 2), complex)],
    "ragged": [[[0.0, 1.0]] * (AGENTS - 1) + [[0.0]]],
    "objects": [np.array([[object()] * 2] * AGENTS)],
    "nan": [np.full((AGENTS, 2), np.nan)],
    "beyond-float32": [np.full((AGENTS, 2), 1e300)],
}
COLUMNS: Mapping[str, Any] = {
    "short": np.zeros(AGENTS - 1, np.float32),
    "table": np.zeros((AGENTS, 1), np.float32),
    "text": ["1"] * AGENTS,
    "complex": np.zeros(AGENTS, complex),
    "nan": np.full(AGENTS, np.nan, np.float32),
    "nones": [None] * AGENTS,
}
PAIRS: Mapping[str, Any] = {
    "none": lambda parts: [],
    "one": lambda parts: (DecisionSteps(**parts[0]),),
    "swapped": lambda parts: (TerminalSteps(**parts[1]), DecisionSteps(**parts[0])),
    "dictionaries": lambda parts: (parts[0], parts[1]),
    "number": lambda parts: 7,
}


def few() -> Iterator[Fault]:
    yield Fault(
        "observation-longer",
        partial(refused, Small(put(DECISION, "obs", OBSERVATIONS["longer"])), "observation 0", "(4, 3)"),
    )
    yield Fault("step-raises", partial(raised, failing("step", ValueError("no fuel")), ValueError))
    yield Fault("lists", partial(trains, Small(as_lists, late=0)))


def faults(whole: bool) -> Iterable[Fault]:
    """See `tests.faults.fault`."""
    if not whole:
        yield from few()
        return
    for which, steps in ((DECISION, "decision"), (TERMINAL, "terminal")):
        for name, value in OBSERVATIONS.items():
            yield Fault(
                f"{steps}-observations-{name}",
                partial(refused, Small(put(which, "obs", value)), "Small", "ob"),
            )
        for key in ("reward", "group_reward"):
            for name, value in COLUMNS.items():
                env = Small(put(which, key, value))
                yield Fault(f"{steps}-{key}-{name}", partial(refused, env, "Small", key[-6:]))
        yield Fault(
            f"{steps}-reward-none", partial(refused, Small(put(which, "reward", None)), "reward", "None")
        )
        for name, value in {
            "none": None,
            "twice": np.zeros(AGENTS, np.int32),
            "fractions": np.arange(AGENTS) / 2,
        }.items():
            yield Fault(
                f"{steps}-ids-{name}",
                partial(refused, Small(put(which, "agent_id", value)), "Small", "agent_id"),
            )
        yield Fault(f"{steps}-groups-short", partial(refused, Small(put(which, "group_id", [1])), "group_id"))
    for name, value in {"none": None, "text": "no", "short": [True], "texts": ["no"] * AGENTS}.items():
        env = Small(put(TERMINAL, "interrupted", value))
        yield Fault(f"interrupted-{name}", partial(refused, env, "interrupted"))
    for name, pair in PAIRS.items():
        yield Fault(f"steps-{name}", partial(refused, Small(pair), "get_steps() returned", "DecisionSteps"))
    yield from masks()
    yield from specs()
    yield from exceptions()
    yield from harmless()


def masks() -> Iterator[Fault]:
    for name, value in {
        "short": [np.zeros((AGENTS, 2), bool)],
        "two": [np.zeros((AGENTS, 3), bool)] * 2,
        "text": ["no"],
        "none": [None],
    }.items():
        yield Fault(f"mask-{name}", partial(refused, Small(put(DECISION, "action_mask", value)), "mask"))
    everything = [np.ones((AGENTS, 3), bool)]
    yield Fault(
        "mask-all", partial(refused, Small(put(DECISION, "action_mask", everything)), "forbids every action")
    )
    for name, value in {
        "list": [[[False, True, False]] * AGENTS], "integers": [np.tile([0, 1, 0], (AGENTS, 1))],
    }.items():  # fmt: skip
        env = Small(put(DECISION, "action_mask", value), late=0)
        yield Fault(f"mask-{name}", partial(obeys, env))


def obeys(env: Small, folder: Path) -> None:
    """Action 1 is never taken."""
    taken: list[np.ndarray] = []
    env.set_actions = lambda name, action: taken.append(action.discrete)  # type: ignore[method-assign]
    trains(env, folder)
    assert 1 not in np.concatenate(taken)


def specs() -> Iterator[Fault]:
    for name, spec in {
        "no-observation": BehaviorSpec([], ActionSpec(1, ())),
        "no-action": make_spec((2,)),
        "empty-branch": make_spec((2,), branches=(0,)),
        "size-zero": make_spec((0,), continuous=1),
        "scalar": make_spec((), continuous=1),
        "negative": make_spec((-1,), continuous=1),
    }.items():
        yield Fault(
            f"spec-{name}", partial(refused, BadSpec(spec), "behavior Small", "expected", saved=False)
        )
    for name, mapping in {
        "none": None,
        "list": ["Small"],
        "no-spec": {"Small": None},
        "number": {3: make_spec((2,), continuous=1)},
    }.items():
        yield Fault(f"specs-{name}", partial(refused, BadSpecs(mapping), "behavior_specs", saved=False))
    yield Fault("spec-changes", partial(refused, ChangingSpec(), "behavior Small", "changed"))
    yield Fault(
        "behavior-vanishes-for-a-while", partial(trains, Comes(lambda now: now % 7 != 6), episodes=False)
    )
    yield Fault("behavior-is-late", partial(trains, Comes(lambda now: now > 20)))


def exceptions() -> Iterator[Fault]:
    for method in ("step", "get_steps", "set_actions", "behavior_specs"):
        for error in (ValueError("no fuel"), MemoryError(), SystemExit(0)):
            kind = RuntimeError if isinstance(error, SystemExit) else type(error)
            yield Fault(
                f"{method}-raises-{type(error).__name__}", partial(raised, failing(method, error), kind)
            )
    yield Fault(
        "reset-raises", partial(raised, failing("reset", KeyError("map"), when=0), KeyError, saved=False)
    )
    for error in (OSError("busy"), SystemExit(0)):
        env = failing("close", error, when=0)
        env.closed = True
        yield Fault(f"close-raises-{type(error).__name__}", partial(trains, env))


def harmless() -> Iterator[Fault]:
    for change in (as_lists, other_types, no_groups, empty_lists, strangers_end):
        yield Fault(f"harmless-{change.__name__}", partial(trains, Small(change, late=0)))
    images = make_spec((1, 20, 20), branches=(3,))
    integers = put(DECISION, "obs", lambda obs: [obs[0].astype(np.int64)])
    yield Fault("image-of-integers", partial(refused, Small(integers, spec=images), "image", "int64"))
    turned = put(DECISION, "obs", lambda obs: [obs[0].astype(np.uint8)])
    yield Fault("image-changes-its-type", partial(refused, Small(turned, spec=images), "uint8", "float32"))
    sizes = itertools.cycle([4, 9, 5, 13, 4])
    crowd = Small(lambda parts: parts[DECISION].update(Small().parts(np.arange(next(sizes)))), late=0)
    yield Fault("agents-come-and-go", partial(trains, crowd, episodes=False))
