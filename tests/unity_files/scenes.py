"""Unity's example scenes as a table, and a stand-in that shows a trainer the agents of a scene.

Sizes of observations and actions, numbers of agents, teams and groups are those of the scenes. What the agents see is
random, and what they are paid depends on what they do, but there is nothing to be learned about a scene itself.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from mlagents_envs.base_env import (
    ActionTuple,
    BaseEnv,
    BehaviorMapping,
    BehaviorSpec,
    DecisionSteps,
    TerminalSteps,
)

from gym_adapters.actions import checked_actions
from tests.trainers.scripted_env import make_spec

LENGTH = 12
"""Decisions in an episode; the areas of a scene begin at different points of their first one."""


@dataclass(frozen=True)
class Cast:
    """The agents of one behavior in one area.

    Attributes:
        spec: their observations and actions.
        agents: how many.
        group: the number of their group; 0 for agents on their own.
        masked: whether one choice of the first branch is forbidden, another one at each decision.
    """

    spec: BehaviorSpec
    agents: int = 1
    group: int = 0
    masked: bool = False


@dataclass(frozen=True)
class Scene:
    """What a scene has.

    Attributes:
        casts: the agents of each behavior, by full name, such as `Goalie?team=0`.
        areas: copies of them.
    """

    casts: Mapping[str, Cast]
    areas: int = 1


def _alone(name: str, spec: BehaviorSpec, areas: int = 4, masked: bool = False) -> Scene:
    """A scene with one agent in each area. Scenes with one agent are trained in several areas in Unity too."""
    return Scene({name: Cast(spec, masked=masked)}, areas)


BALL = make_spec((8,), continuous=2)
CAMERA = (3, 84, 84)
WALL = make_spec((74,), branches=(3, 3, 3, 2))
SOCCER = (3, 3, 3)
BOARD = {"VectorObs": ((432,), (144,)), "VisualObs": ((6, 9, 8), (2, 9, 8))}

SCENES: dict[str, Scene] = {
    "3DBall": _alone("3DBall", BALL, 12),
    "3DBallHard": _alone("3DBallHard", make_spec((45,), continuous=2), 12),
    "Visual3DBall": _alone("Visual3DBall", make_spec(CAMERA, continuous=2), 12),
    "Basic": _alone("Basic", make_spec((20,), branches=(3,))),
    "GridWorld": _alone("GridWorld", make_spec((3, 64, 84), (2,), branches=(5,), goals=(1,)), 9, masked=True),
    "PushBlock": _alone("PushBlock", make_spec((70,), branches=(7,))),
    "WallJump": Scene({"BigWallJump": Cast(WALL), "SmallWallJump": Cast(WALL)}, areas=4),
    "Crawler": _alone("Crawler", make_spec((172,), continuous=20), 10),
    "Worm": _alone("Worm", make_spec((64,), continuous=9), 10),
    "Walker": _alone("Walker", make_spec((243,), continuous=39), 10),
    "FoodCollector": _alone(
        "GridFoodCollector", make_spec((53,), (6, 40, 40), continuous=3, branches=(2,)), 5
    ),
    "VisualFoodCollector": _alone("VisualFoodCollector", make_spec(CAMERA, continuous=3, branches=(2,)), 5),
    "Hallway": _alone("Hallway", make_spec((30,), branches=(5,))),
    "Pyramids": _alone("Pyramids", make_spec((148,), branches=(5,))),
    "Sorter": _alone("Sorter", make_spec((4,), (20, 22), branches=(3, 3, 3))),
    "Match3": Scene(
        {
            f"Match3{name}": Cast(make_spec(*shapes, branches=(127,)), masked=True)
            for name, shapes in {
                "SimpleHeuristic": BOARD["VectorObs"],
                "SmartHeuristic": BOARD["VisualObs"],
                **BOARD,
            }.items()
        },
        areas=4,
    ),
    "PushBlockCollab": Scene(
        {"PushBlockCollab": Cast(make_spec((6, 20, 20), branches=(7,)), 3, group=1)}, areas=2
    ),
    "DungeonEscape": Scene(
        {"DungeonEscape": Cast(make_spec((360,), (1,), branches=(7,)), 3, group=1)}, areas=2
    ),
    "SoccerTwos": Scene(
        {
            f"SoccerTwos?team={team}": Cast(make_spec((264,), (72,), branches=SOCCER), 2, group=1 + team)
            for team in (0, 1)
        },
        areas=4,
    ),
    "StrikersVsGoalie": Scene(
        {
            "Goalie?team=0": Cast(make_spec((738,), branches=SOCCER), 1, group=1),
            "Striker?team=1": Cast(make_spec((231,), (63,), branches=SOCCER), 2, group=2),
        },
        areas=4,
    ),
    "Walker2d-v5-player": _alone("Walker2d-v5", make_spec((17,), continuous=6), 10),
    "Walker2d-v5-sac-player": _alone("Walker2d-v5", make_spec((17,), continuous=6), 10),
    "CartPole-memory-player": _alone("Partial-v0", make_spec((2,), branches=(2,)), 10),
    "simple_spread-player": Scene(
        {"simple_spread_v3": Cast(make_spec((18,), branches=(5,)), 3, group=1)}, areas=4
    ),
}


def scene_of(path: Path) -> str:
    """The scene of a training file: what its name begins with, such as `WallJump` for `WallJump_curriculum`."""
    return max((name for name in SCENES if path.stem.startswith(name)), key=len)


@dataclass
class _Agent:
    """One agent of a cast in an area. It gets another id with each episode."""

    area: int
    id: int
    alive: bool = True
    choices: tuple[int, ...] = ()
    reward: float = 0.0


@dataclass
class _Stage:
    """All agents of a behavior, and their steps."""

    cast: Cast
    agents: list[_Agent]
    forbidden: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    ended: list[_Agent] = field(default_factory=list)
    steps: tuple[DecisionSteps, TerminalSteps] | None = None


class SceneEnv(BaseEnv):
    """Shows the agents of a scene.

    The agents of an area begin and end together, some of them by a time limit. The first member of a group of three
    dies in the middle of an episode. A group wins or loses by chance. Parameters are taken and have no effect.

    Args:
        scene: the scene.
        seed: of what is seen.
    """

    def __init__(self, scene: Scene, seed: int = 0) -> None:
        self.scene, self.rng = scene, np.random.default_rng(seed)
        self.parameters: dict[str, Any] = {}
        self.next_id = 0

    @property
    def behavior_specs(self) -> BehaviorMapping:
        return BehaviorMapping({name: cast.spec for name, cast in self.scene.casts.items()})

    def set_parameters(self, values: Mapping[str, Any]) -> None:
        self.parameters.update(values)

    def reset(self) -> None:
        areas = range(self.scene.areas)
        self.clock = np.arange(self.scene.areas) * LENGTH // self.scene.areas
        self.stages = {
            name: _Stage(cast, [self._born(area) for area in areas for _ in range(cast.agents)])
            for name, cast in self.scene.casts.items()
        }
        self._show(np.zeros(self.scene.areas))

    def step(self) -> None:
        self.clock += 1
        over = self.clock == LENGTH
        for stage in self.stages.values():
            stage.ended = [agent for agent in stage.agents if agent.alive and over[agent.area]]
            if stage.cast.agents == 3:
                for first in stage.agents[:: stage.cast.agents]:
                    if first.alive and self.clock[first.area] == LENGTH // 2:
                        stage.ended.append(first)
                        first.alive = False
            stage.agents = [self._born(agent.area) if over[agent.area] else agent for agent in stage.agents]
        self._show(np.where(over, self.rng.choice([-1.0, 1.0], len(over)), 0.0))
        self.clock[over] = 0

    def get_steps(self, behavior_name: str) -> tuple[DecisionSteps, TerminalSteps]:
        steps = self.stages[behavior_name].steps
        assert steps is not None
        return steps

    def set_actions(self, behavior_name: str, action: ActionTuple) -> None:
        stage = self.stages[behavior_name]
        asking = [agent for agent in stage.agents if agent.alive]
        checked_actions(stage.cast.spec.action_spec, action, len(asking), behavior_name)
        if stage.cast.masked:
            assert (action.discrete[:, 0] != stage.forbidden).all(), "forbidden"
        paid = np.zeros(len(asking))
        if action.continuous.size:
            paid -= np.square(action.continuous).mean(1)
        if action.discrete.size:
            paid += (action.discrete == 1).mean(1)
        for agent, reward in zip(asking, paid, strict=True):
            agent.reward = float(reward)

    def set_action_for_agent(self, behavior_name: str, agent_id: int, action: ActionTuple) -> None:
        raise AssertionError("actions come for all agents at once")

    def close(self) -> None:
        pass

    def _born(self, area: int) -> _Agent:
        self.next_id += 1
        return _Agent(area, self.next_id)

    def _show(self, won: np.ndarray) -> None:
        """Make the steps of all behaviors; `won` is 1 for each area whose team 0 has won, and -1 if it has lost."""
        for name, stage in self.stages.items():
            side = -1.0 if name.endswith("?team=1") else 1.0
            asking = [agent for agent in stage.agents if agent.alive]
            masks = None
            if stage.cast.masked:
                size = stage.cast.spec.action_spec.discrete_branches[0]
                stage.forbidden = self.rng.integers(size, size=len(asking))
                masks = [np.arange(size) == stage.forbidden[:, None]]
            decision = DecisionSteps(
                *self._columns(stage, asking), masks, *_groups(stage, asking, side * won * 0)
            )
            obs, reward, ids = self._columns(stage, stage.ended)
            interrupted = np.array([agent.alive and agent.id % 2 == 0 for agent in stage.ended], bool)
            closing = _groups(stage, stage.ended, side * won)
            stage.steps = decision, TerminalSteps(obs, reward, interrupted, ids, *closing)

    def _columns(
        self, stage: _Stage, agents: list[_Agent]
    ) -> tuple[list[np.ndarray], np.ndarray, np.ndarray]:
        """Observations, rewards and ids of agents."""
        count = len(agents)
        observations = []
        for observed in stage.cast.spec.observation_specs:
            shape = (count, *observed.shape)
            if len(observed.shape) == 3:
                observations.append(self.rng.integers(0, 256, shape, np.uint8))
            else:
                observations.append(self.rng.random(shape, np.float32))
        return (
            observations,
            np.array([agent.reward for agent in agents], np.float32),
            np.array([agent.id for agent in agents], np.int32),
        )


def _groups(stage: _Stage, agents: list[_Agent], reward: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Group ids, another one for each area, and group rewards."""
    group = stage.cast.group
    ids = [1 + 2 * agent.area + group - 1 if group else 0 for agent in agents]
    rewards = [reward[agent.area] if group else 0.0 for agent in agents]
    return np.array(ids, np.int32), np.array(rewards, np.float32)
