"""Whose turn it is in self-play: teams learn one at a time, may come late, and a resumed run goes on within a turn."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from duels import COPIES, Duel, Shootout, arena, options
from mlagents_envs.base_env import DecisionSteps, TerminalSteps

from gym_adapters.parallel_env import ParallelEnvAdapter
from trainers import Callback, Moment, train
from trainers.algorithms.actor import Actor
from trainers.algorithms.opponent import Opponent
from trainers.records.checkpoint import read_tensors
from trainers.training.self_play import SelfPlay


class Watched(SelfPlay):
    """Records which team learns and which minds act, at every step."""

    turns: list[tuple[int | None, int]]
    everyone: list[Actor]

    def advance(self) -> bool:
        changed = super().advance()
        for seat in self._seats:
            assert isinstance(seat.actor.mind, Opponent) == (seat.team != self.learning)
        steps = sum({seat.learner.name: seat.learner.step for seat in self._seats}.values())
        if not self.turns or self.turns[-1][0] != self.learning:
            self.turns.append((self.learning, steps))
        return changed


@pytest.fixture
def turns(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int | None, int]]:
    Watched.turns = []
    monkeypatch.setattr("trainers.training.session.SelfPlay", Watched)
    return Watched.turns


def test_teams_take_turns(tmp_path: Path, turns: list[tuple[int | None, int]]) -> None:
    train(arena(), options(tmp_path, 3000))
    assert [team for team, _ in turns] == [0, 1, 0, 1, 0]
    lengths = np.diff([step for _, step in turns])
    assert ((lengths >= 700) & (lengths < 700 + COPIES)).all()


def test_a_run_goes_on_in_the_middle_of_a_turn(tmp_path: Path, turns: list[tuple[int | None, int]]) -> None:
    train(arena(), options(tmp_path, 1000))
    assert turns == [(0, turns[0][1]), (1, turns[1][1])]
    opponents = read_tensors(tmp_path / "duel" / "duel_v0" / "opponents.pt")
    assert len(opponents["ratings"]) == 2, "at the start and at 504 steps"
    began = turns[1][1]
    turns.clear()
    train(arena(), options(tmp_path, 2000, resume=True))
    assert [team for team, _ in turns] == [1, 0]
    assert began + 700 <= turns[1][1] < began + 700 + COPIES
    again = read_tensors(tmp_path / "duel" / "duel_v0" / "opponents.pt")
    assert len(again["ratings"]) == 4, "the window"
    assert again["decisions"] > opponents["decisions"]


def test_two_roles_learn_in_turns_and_one_may_finish_first(
    tmp_path: Path, turns: list[tuple[int | None, int]]
) -> None:
    content = options(tmp_path, 2500)
    content["behaviors"] = {
        "goalie": {**content["default_settings"], "max_steps": 1000},
        "striker": content.pop("default_settings"),
    }
    outcomes = train(arena(Shootout), content)
    assert {name: outcome.finished for name, outcome in outcomes.items()} == {"goalie": True, "striker": True}
    assert 1000 <= outcomes["goalie"].steps < 1000 + COPIES
    assert 2500 <= outcomes["striker"].steps < 2500 + COPIES
    assert [team for team, _ in turns] == [0, 1, 0, 1], "the goalie's second turn ends with its training"


class OneByOne(ParallelEnvAdapter):
    """Tells of team 1 only after `late` steps, as a player does whose first message has one team."""

    late, steps = 3, 0

    @property
    def behavior_specs(self) -> Any:
        known = super().behavior_specs
        return {name: spec for name, spec in known.items() if "team=0" in name or self.steps >= self.late}

    def step(self) -> None:
        self.steps += 1
        super().step()


def test_after_a_resume_the_team_whose_turn_it_is_may_come_later(
    tmp_path: Path, turns: list[tuple[int | None, int]], capsys: pytest.CaptureFixture[str]
) -> None:
    train(arena(), options(tmp_path, 1000))
    began = turns[1][1]
    turns.clear()
    capsys.readouterr()
    train(OneByOne(Duel, COPIES, "duel_v0", 3, teams=True), options(tmp_path, 2000, resume=True))
    assert [team for team, _ in turns] == [1, 0]
    assert began + 700 <= turns[1][1] < began + 700 + COPIES
    assert f"; {COPIES} agents; ppo" in capsys.readouterr().out


def test_a_team_that_never_comes_loses_its_turn(
    tmp_path: Path, turns: list[tuple[int | None, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    train(arena(), options(tmp_path, 1000))
    turns.clear()
    monkeypatch.setattr(OneByOne, "late", 10**6)
    outcome = train(OneByOne(Duel, COPIES, "duel_v0", 3, teams=True), options(tmp_path, 2000, resume=True))
    assert outcome["duel_v0"].finished
    assert [team for team, _ in turns] == [1, 0]


class Away(ParallelEnvAdapter):
    """The goalies are away from a step on."""

    steps = 0

    def step(self) -> None:
        self.steps += 1
        super().step()

    def get_steps(self, behavior_name: str) -> Any:
        decisions, terminals = super().get_steps(behavior_name)
        if behavior_name.startswith("goalie") and self.steps > 50:
            spec = self.behavior_specs[behavior_name]
            return DecisionSteps.empty(spec), TerminalSteps.empty(spec)
        return decisions, terminals


class Enough(Callback):
    """Ends the run when the strikers have had three turns."""

    def summary(self, moment: Moment) -> None:
        if moment.behavior == "striker" and moment.step > 2100:
            moment.stop()


def test_a_role_without_agents_loses_its_turn(tmp_path: Path, turns: list[tuple[int | None, int]]) -> None:
    content = options(tmp_path, 3000)
    content["behaviors"] = dict.fromkeys(("goalie", "striker"), content.pop("default_settings"))
    outcomes = train(Away(Shootout, COPIES, "duel_v0", 3, teams=True), content, callbacks=[Enough()])
    assert [team for team, _ in turns[:4]] == [0, 1, 0, 1]
    assert outcomes["striker"].steps > 2100
    assert outcomes["goalie"].steps < 700
