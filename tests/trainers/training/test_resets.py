"""A reset of the environment ends the episodes of all behaviors, whichever of them it is for."""

from pathlib import Path
from typing import Any

import numpy as np
from duels import arena, options
from mlagents_envs.base_env import ActionTuple, BaseEnv, BehaviorMapping
from scripted_env import make_spec
from task_envs import TaskEnv

from trainers import Callback, Moment, train

LENGTH = 5


class Stand(BaseEnv):
    """A game of two teams, and spectators beside it, who keep their ids after a reset, as agents of Unity do."""

    def __init__(self) -> None:
        def look(rng: np.random.Generator, age: np.ndarray) -> tuple[list[np.ndarray], None]:
            return [rng.normal(size=(len(age), 3)).astype(np.float32)], None

        def pay(obs: list[np.ndarray], action: ActionTuple) -> np.ndarray:
            return np.ones(len(obs[0]))

        spec = make_spec((3,), branches=(2,))
        self.game, self.stand = arena(), TaskEnv(spec, look, pay, 4, LENGTH, name="Spectator", together=True)
        self.resets = 0

    def part(self, name: str) -> BaseEnv:
        return self.stand if name == "Spectator" else self.game

    @property
    def behavior_specs(self) -> BehaviorMapping:
        return BehaviorMapping({**self.game.behavior_specs, **self.stand.behavior_specs})

    def reset(self) -> None:
        self.resets += 1
        self.game.reset()
        self.stand.reset()

    def step(self) -> None:
        self.game.step()
        self.stand.step()

    def get_steps(self, behavior_name: str) -> Any:
        return self.part(behavior_name).get_steps(behavior_name)

    def set_actions(self, behavior_name: str, action: ActionTuple) -> None:
        self.part(behavior_name).set_actions(behavior_name, action)

    def set_action_for_agent(self, behavior_name: str, agent_id: int, action: ActionTuple) -> None:
        raise AssertionError("actions come for all agents at once")

    def close(self) -> None:
        self.game.close()


class Returns(Callback):
    """Keeps the mean return and length at each summary of a behavior without self-play."""

    def __init__(self) -> None:
        self.found: list[tuple[float, float]] = []

    def summary(self, moment: Moment) -> None:
        if moment.behavior == "Spectator" and "Environment/Episode Length" in moment.figures:
            figures = moment.figures
            self.found.append(
                (figures["Environment/Cumulative Reward"], figures["Environment/Episode Length"])
            )


def test_a_new_turn_of_self_play_ends_the_episodes_of_others_too(tmp_path: Path) -> None:
    settings = options(tmp_path, 1500, team_change=180)
    game = settings["default_settings"]
    others = {key: value for key, value in game.items() if key != "self_play"}
    settings = {
        **settings,
        "behaviors": {"duel_v0": game, "Spectator": {**others, "summary_freq": 40, "max_steps": 800}},
    }
    del settings["default_settings"]
    env, seen = Stand(), Returns()
    train(env, settings, callbacks=[seen])
    assert env.resets > 3
    assert seen.found
    assert set(seen.found) == {(float(LENGTH), float(LENGTH))}
