"""Many games of Slime Volleyball at once, stepped by the physics of the package `slimevb`; trains by self-play.

python -m tests.games.slime --seed 0 --run-id slime-0
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from mlagents_envs.base_env import (
    ActionSpec,
    ActionTuple,
    BaseEnv,
    BehaviorMapping,
    BehaviorSpec,
    DecisionSteps,
    DimensionProperty,
    ObservationSpec,
    ObservationType,
    TerminalSteps,
)
from slime_volleyball.core import constants, physics
from slime_volleyball.slimevolley_env import SlimeVolleyEnv

from trainers import train

FILE = Path(__file__).with_name("slime.yaml")
NAMES = ("slime_v0?team=0", "slime_v0?team=1")
LIVES = 5
"""Points until a game is lost, as in the game of David Ha, whose published scores are for five."""
MAX_STEPS = 3000
SIDES = (np.float32(-1.0), np.float32(1.0))
BUTTONS = np.array(SlimeVolleyEnv.action_table, np.float32)
SPEC = BehaviorSpec(
    [ObservationSpec((12,), (DimensionProperty.NONE,), ObservationType.DEFAULT, "state")],
    ActionSpec.create_discrete((len(BUTTONS),)),
)


class SlimeGames(BaseEnv):
    """`copies` games. Positions and velocities are (2, copies): x and y of every copy.

    A reward is 1 for a point won and -1 for a point lost. The agents of a copy have ids whose remainder by `copies` is
    its number.
    """

    def __init__(self, copies: int, seed: int, lives: int = LIVES, max_steps: int = MAX_STEPS) -> None:
        self.copies, self.lives, self.max_steps = copies, lives, max_steps
        self.random = np.random.default_rng(seed)
        self.episode = np.zeros(copies, np.int64)
        self.actions = np.zeros((2, copies), np.int64)
        self.ball, self.ball_speed = (np.zeros((2, copies), np.float32) for _ in range(2))
        self.agent = [np.zeros((2, copies), np.float32) for _ in SIDES]
        self.agent_speed = [np.zeros((2, copies), np.float32) for _ in SIDES]
        self.left = np.zeros((2, copies), np.int64)
        self.delay, self.time = np.zeros(copies, np.int64), np.zeros(copies, np.int64)
        self.steps: dict[str, tuple[DecisionSteps, TerminalSteps]] = {}

    @property
    def behavior_specs(self) -> BehaviorMapping:
        return BehaviorMapping(dict.fromkeys(NAMES, SPEC))

    def reset(self) -> None:
        self._begin(np.arange(self.copies))
        self._publish(np.zeros((2, self.copies), np.float32), np.zeros(self.copies, bool), None)

    def step(self) -> None:
        points = self._move()
        lost = np.stack([points > 0, points < 0])  # positive points are those of the right side
        self.left -= lost
        over = (self.left <= 0).any(0) | (self.time >= self.max_steps)
        seen = [self._seen(side) for side in (0, 1)]
        self._serve(np.flatnonzero((points != 0) & ~over))
        ids = [self._ids(side) for side in (0, 1)]
        cut = ~(self.left <= 0).any(0)
        self._begin(np.flatnonzero(over))
        self._publish(np.stack([-points, points]), over, (seen, ids, cut))

    def get_steps(self, behavior_name: str) -> tuple[DecisionSteps, TerminalSteps]:
        return self.steps[behavior_name]

    def set_actions(self, behavior_name: str, action: ActionTuple) -> None:
        self.actions[NAMES.index(behavior_name)] = action.discrete[:, 0]

    def set_action_for_agent(self, behavior_name: str, agent_id: int, action: ActionTuple) -> None:
        self.actions[NAMES.index(behavior_name), agent_id % self.copies] = action.discrete[0, 0]

    def close(self) -> None:
        pass

    def _move(self) -> np.ndarray:
        """One step of the physics; the points of the right side, (copies,)."""
        frozen = self.delay > 0
        self.delay = np.maximum(self.delay - 1, 0)
        self.time += 1
        idle = np.zeros(self.copies, np.int64)
        for side, direction in enumerate(SIDES):
            wish = physics.actions_to_desired_vel(BUTTONS[self.actions[side]]).T
            self.agent[side], self.agent_speed[side], _ = physics.update_agent(
                self.agent[side], self.agent_speed[side], wish, idle, direction
            )
        before = self.ball
        ball, speed = physics.ball_apply_acceleration_and_move(self.ball, self.ball_speed, frozen)
        still, one = np.zeros((2, 1), np.float32), np.float32(1.0)
        for place, radius in ((place, physics.AGENT_RADIUS) for place in self.agent):
            ball, speed, _ = physics.ball_check_collision(ball, speed, place, radius, still, one)
        fence = np.array([[physics.FENCE_STUB_X], [physics.FENCE_STUB_Y]], np.float32)
        ball, speed, _ = physics.ball_check_collision(ball, speed, fence, physics.FENCE_STUB_R, still, one)
        self.ball, self.ball_speed, points = physics.ball_check_edges(ball, speed, before)
        return np.asarray(points, np.float32)

    def _serve(self, copies: np.ndarray) -> None:
        """Put the ball in the middle, with a random speed."""
        self.ball[:, copies] = np.array([[0.0], [physics.BALL_INIT_Y]])
        self.ball_speed[0, copies] = self.random.uniform(-20.0, 20.0, len(copies))
        self.ball_speed[1, copies] = self.random.uniform(10.0, 25.0, len(copies))
        self.delay[copies] = constants.INIT_DELAY_FRAMES

    def _begin(self, copies: np.ndarray) -> None:
        for side, x in enumerate((physics.AGENT_LEFT_INIT_X, physics.AGENT_RIGHT_INIT_X)):
            self.agent[side][:, copies] = np.array([[x], [physics.AGENT_INIT_Y]])
            self.agent_speed[side][:, copies] = 0.0
        self.left[:, copies], self.time[copies] = self.lives, 0
        self.episode[copies] += 1
        self._serve(copies)

    def _ids(self, side: int) -> np.ndarray:
        return (2 * self.episode + side) * self.copies + np.arange(self.copies)

    def _seen(self, side: int) -> np.ndarray:
        """What a side sees, (copies, 12): x is positive on its own half."""
        mirror = np.array([[SIDES[side]], [1.0]], np.float32)
        parts: Sequence[Any] = [
            self.agent[side] * mirror,
            self.agent_speed[side] * mirror,
            self.ball * mirror,
            self.ball_speed * mirror,
            self.agent[1 - side] * -mirror * np.array([[1.0], [-1.0]], np.float32),
            self.agent_speed[1 - side] * -mirror * np.array([[1.0], [-1.0]], np.float32),
        ]
        return np.concatenate(parts).T / np.float32(10.0)

    def _publish(self, rewards: np.ndarray, over: np.ndarray, ended: Any) -> None:
        for side, name in enumerate(NAMES):
            zero = np.zeros(self.copies, np.int64)
            reward = np.where(over, 0.0, rewards[side]).astype(np.float32)
            calm = np.zeros(self.copies, np.float32)
            decision = DecisionSteps([self._seen(side)], reward, self._ids(side), None, zero, calm)
            terminal = TerminalSteps.empty(SPEC)
            if over.any():
                seen, ids, cut = ended
                terminal = TerminalSteps(
                    [seen[side][over]],
                    rewards[side][over].astype(np.float32),
                    cut[over],
                    ids[side][over],
                    zero[over],
                    calm[over],
                )
            self.steps[name] = decision, terminal


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--run-id", default="slime")
    parser.add_argument("--results-dir", default="runs")
    parser.add_argument("--set", action="append", default=[])
    wanted = parser.parse_args()
    overrides = [
        f"env_settings.seed={wanted.seed}",
        f"checkpoint_settings.run_id={wanted.run_id}",
        f"checkpoint_settings.results_dir={wanted.results_dir}",
        *wanted.set,
    ]
    train(
        lambda settings: SlimeGames(settings.env_settings.num_envs, settings.env_settings.seed),
        FILE,
        overrides=overrides,
    )


if __name__ == "__main__":
    main()
