"""A reset of the environment ends the episodes of all behaviors, whichever of them it is for."""

from pathlib import Path

from duels import arena, options
from scripted_env import make_spec
from task_envs import TaskEnv, noise, pay_one

from tests.joined_env import JoinedEnv
from trainers import Callback, Moment, train

LENGTH = 5


class Stand(JoinedEnv):
    """A game of two teams, and spectators beside it, who keep their ids after a reset, as agents of Unity do."""

    def __init__(self) -> None:
        stand = TaskEnv(
            make_spec((3,), branches=(2,)), noise((3,)), pay_one, 4, LENGTH, name="Spectator", together=True
        )
        parts = arena(), stand
        super().__init__({name: (part, name) for part in parts for name in part.behavior_specs})
        self.resets = 0

    def reset(self) -> None:
        self.resets += 1
        super().reset()


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
