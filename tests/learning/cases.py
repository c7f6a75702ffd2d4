"""What is learned, by which algorithm, with which settings and up to which reward.

Settings, numbers of steps and thresholds are those by which ML-Agents tests its trainers, with one agent that learns.
"""

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from worlds import Line

from trainers.config.run import deep_merge

_ON_POLICY = {
    "hyperparameters": {
        "batch_size": 16,
        "buffer_size": 64,
        "learning_rate": 5e-3,
        "learning_rate_schedule": "constant",
    },
    "network_settings": {"num_layers": 1, "hidden_units": 32},
    "max_steps": 3000,
    "summary_freq": 500,
}
BASES: dict[str, dict[str, Any]] = {
    "ppo": {"trainer_type": "ppo", **_ON_POLICY},
    "poca": {"trainer_type": "poca", **_ON_POLICY},
    "sac": {
        "trainer_type": "sac",
        "hyperparameters": {
            "batch_size": 8,
            "buffer_size": 5000,
            "buffer_init_steps": 100,
            "learning_rate": 5e-3,
            "tau": 0.01,
            "init_entcoef": 0.01,
        },
        "network_settings": {"num_layers": 1, "hidden_units": 16},
        "max_steps": 1000,
        "summary_freq": 100,
    },
}
KINDS = {"discrete": (0, 1), "continuous": (1, 0)}
DEMO = "expert.demo"
"""Where a run finds the demonstration of an expert, from the folder in which it is started."""


@dataclass(frozen=True)
class Case:
    """Something to be learned.

    Attributes:
        name: the case.
        line: the world.
        settings: of every behavior.
        threshold: what the last episodes must earn on average, for every behavior and team.
        names: the behaviors.
        quick: whether it is among the cases that are tried each time.
    """

    name: str
    line: Line
    settings: dict[str, Any]
    threshold: float = 0.9
    names: tuple[str, ...] = ("Line",)
    quick: bool = False

    @property
    def imitates(self) -> bool:
        """Whether it needs a demonstration."""
        return "behavioral_cloning" in self.settings


def case(
    name: str,
    base: str,
    line: Line,
    changes: Mapping[str, Any] | None = None,
    /,
    *,
    quick: bool = False,
    **keys: Any,
) -> Case:
    """A case; `changes` are those of `hyperparameters`, and `keys` those of the behavior, or fields of `Case`."""
    fields = {key: keys.pop(key) for key in ("threshold", "names") if key in keys}
    keys = {"hyperparameters": dict(changes or {}), **keys}
    return Case(f"{base} {name}", line, deep_merge(copy.deepcopy(BASES[base]), keys), quick=quick, **fields)


def all_cases() -> Iterator[Case]:
    """Every case."""
    yield from _vectors()
    yield from _images()
    yield from _goals_and_entities()
    yield from _memory()
    yield from _games()
    yield from _signals()


def _vectors() -> Iterator[Case]:
    for kind, actions in KINDS.items():
        yield case(kind, "ppo", Line(actions), quick=True)
        yield case(kind, "sac", Line(actions), quick=True)
        yield case(f"group, {kind}", "poca", Line(actions, members=2), quick=True)
        two = Line((2 * actions[0], 2 * actions[1]), stride=0.8)
        large = {"batch_size": 64, "buffer_size": 640}
        yield case(f"two lines, {kind}", "ppo", two, large, max_steps=10_000, quick=True)
        late = {"buffer_init_steps": 2000}
        yield case(f"two lines, {kind}", "sac", two, late, max_steps=3000, threshold=0.8, quick=True)
    for actions in ((1, 1), (2, 2), (1, 2), (2, 1)):
        line, name = Line(actions, stride=0.8), f"hybrid {actions[0]} + {actions[1]}"
        wide = {"batch_size": 64, "buffer_size": 1024, "learning_rate": 1e-3}
        yield case(name, "ppo", line, wide, max_steps=20_000, quick=actions == (1, 1))
        yield case(
            name,
            "sac",
            line,
            {"batch_size": 256, "buffer_size": 50_000, "buffer_init_steps": 0},
            max_steps=8000,
        )


def _images() -> Iterator[Case]:
    slow = {"learning_rate": 3e-4}
    for images in (1, 2):
        for kind, actions in KINDS.items():
            line, name = Line(actions, vectors=0, images=images), f"{images} images, {kind}"
            one = images == 1 and kind == "discrete"
            yield case(name, "ppo", line, slow, quick=one)
            yield case(f"{name}, shared critic", "ppo", line, {**slow, "shared_critic": True})
            yield case(name, "sac", line, {**slow, "batch_size": 16})
        group = Line((0, 1), images=images, members=2)
        yield case(f"group, {images} images", "poca", group, slow)
        for encoder in ("resnet", "nature_cnn", "match3"):
            shape = (5, 5, 5) if encoder == "match3" else (3, 36, 36)
            line = Line((0, 1), vectors=0, images=images, image=shape, stride=0.5)
            keys = {"network_settings": {"vis_encode_type": encoder}, "threshold": 0.5}
            quick = encoder == "match3" and images == 1
            yield case(f"{images} images, {encoder}", "ppo", line, slow, max_steps=900, quick=quick, **keys)
            replay = {**slow, "batch_size": 16, "buffer_init_steps": 0}
            yield case(f"{images} images, {encoder}", "sac", line, replay, max_steps=100, **keys)
        line = Line((1, 1), vectors=0, images=images)
        wide = {"batch_size": 64, "buffer_size": 1024, "learning_rate": 1e-4}
        yield case(f"hybrid, {images} images", "ppo", line, wide, max_steps=8000)
        replay = {"batch_size": 128, "buffer_size": 50_000, "learning_rate": 3e-4}
        yield case(f"hybrid, {images} images", "sac", line, replay, max_steps=3000)


def _goals_and_entities() -> Iterator[Case]:
    slow = {"learning_rate": 3e-4}
    for lists in (1, 2):
        for vectors, images in ((1, 0), (0, 1), (1, 1)):  # the first observation is a goal signal
            seen = f"{vectors} vectors, {images} images, {lists} lists, goal"
            for kind, actions in KINDS.items():
                line = Line(actions, vectors, images, lists, goal_signals=(0,))
                quick = lists == 1 and not images and kind == "discrete"
                yield case(f"{seen}, {kind}", "ppo", line, slow, quick=quick)
            line = Line((0, 1), vectors, images, lists, goal_signals=(0,), members=2)
            yield case(f"group, {seen}", "poca", line, slow, max_steps=25_000)
        for kind, actions in KINDS.items():
            line = Line(actions, vectors=0, entities=lists)
            yield case(f"{lists} lists, {kind}", "ppo", line, slow)
            quick = lists == 1 and kind == "discrete"
            yield case(f"{lists} lists, {kind}", "sac", line, {**slow, "batch_size": 16}, quick=quick)


def _memory() -> Iterator[Case]:
    batch = {"learning_rate": 1e-3, "batch_size": 64, "buffer_size": 128}
    replay = {"learning_rate": 3e-4, "batch_size": 256, "buffer_init_steps": 1000, "steps_per_update": 2}
    memory = {"network_settings": {"memory": {"memory_size": 16}}}
    short = {"network_settings": {"memory": {"memory_size": 16, "sequence_length": 16}}}
    for kind, actions in {**KINDS, "hybrid": (1, 1)}.items():
        hybrid = kind == "hybrid"
        line = Line(actions, shown=3, stride=0.5 if hybrid else 0.2)
        name = f"memory, {kind}"
        steps = 5000 if hybrid else 6000
        rows = {**batch, "buffer_size": 512} if hybrid else batch
        yield case(name, "ppo", line, rows, max_steps=steps, quick=kind == "discrete", **memory)
        if not hybrid:
            yield case(name, "poca", line, batch, max_steps=steps, **memory)
        line = Line(actions, shown=3, stride=0.2 if kind == "discrete" else 0.5)
        yield case(name, "sac", line, replay, max_steps=4000, **short)


def _games() -> Iterator[Case]:
    newest = {"play_against_latest_model_ratio": 1.0}
    for kind, actions in KINDS.items():
        line = Line(actions)
        play = {**newest, "save_steps": 2000, "swap_steps": 2000, "team_change": 10_000}
        teams = ("Line?team=0", "Line?team=1")
        yield case(f"self-play, {kind}", "ppo", line, names=teams, max_steps=2500, self_play=play, quick=True)
        play = {**newest, "save_steps": 10_000, "swap_steps": 10_000, "team_change": 400}
        roles = ("Line?team=0", "Other?team=1")
        yield case(
            f"self-play of two roles, {kind}",
            "ppo",
            line,
            names=roles,
            max_steps=4000,
            self_play=play,
            quick=True,
        )


def _signals() -> Iterator[Case]:
    for kind, actions in KINDS.items():
        line = Line(actions)
        for base in ("ppo", "sac"):
            for signal, keys in (("curiosity", {"strength": 0.02}), ("rnd", {"strength": 0.01})):
                signals = {"extrinsic": {}, signal: {**keys, "network_settings": {"hidden_units": 16}}}
                quick = kind == "discrete"
                yield case(f"{signal}, {kind}", base, line, reward_signals=signals, quick=quick)
            yield case(f"imitation, {kind}", base, line, max_steps=500, quick=True, **_imitation(1000))
        line = Line(actions, vectors=0, images=1, stride=0.3)
        fast = {"learning_rate": 1e-3}
        yield case(
            f"imitation, image, {kind}", "ppo", line, fast, max_steps=1000, **_imitation(1500, gamma=0.8)
        )
        line = Line(actions, vectors=0, images=1)
        replay = {"learning_rate": 3e-4, "batch_size": 16}
        yield case(f"imitation, image, {kind}", "sac", line, replay, max_steps=500, **_imitation(1000))


def _imitation(steps: int, gamma: float = 0.99) -> dict[str, Any]:
    """GAIL without any other reward, and cloning."""
    gail = {"demo_path": DEMO, "gamma": gamma, "network_settings": {"hidden_units": 32}}
    return {
        "reward_signals": {"gail": gail},
        "behavioral_cloning": {"demo_path": DEMO, "steps": steps},
    }
