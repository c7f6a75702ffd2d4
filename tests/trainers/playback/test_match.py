"""Games between two sides, and films of several agents: `trainers.evaluate RUN --against OTHER` and `--video`."""

import json
import re
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
from gymnasium import spaces
from mlagents_envs.base_env import ActionSpec, ActionTuple, BaseEnv, BehaviorSpec, DecisionSteps
from needs import PETTINGZOO, VIDEO
from test_video import decoded

from gym_adapters import UserError
from gym_adapters.make import make_env
from gym_adapters.parallel_env import ParallelEnvAdapter
from gym_adapters.teams import parts_of
from tests.games.tictactoe import best_moves, value
from tests.small_games import SmallGame
from trainers import train
from trainers.playback.evaluation import main as evaluate_main
from trainers.playback.match import OwnSide, RandomSide, play_games, report, teams_in, text
from trainers.playback.video import film_agents


class Race(SmallGame):
    """Three rounds. Who names the larger number gets a point, and who has more points wins; player 0 names first."""

    seen, actions = spaces.Box(0.0, 1.0, (2,), np.float32), spaces.Discrete(4)
    metadata = {"render_fps": 5}  # noqa: RUF012

    def __init__(self, render_mode: str | None = None) -> None:
        self.render_mode = render_mode

    def look(self, agent: str) -> np.ndarray:
        return np.array([self.time / 3, self.start], np.float32)

    def reset(self, seed: int | None = None, options: Any = None) -> Any:
        self.start, self.lead = ((seed or 0) % 2) / 2, 0
        return super().reset(seed, options)

    def pay(self, actions: dict[str, Any]) -> dict[str, float]:
        self.lead += int(np.sign(int(actions["player_0"]) - int(actions["player_1"])))
        won = float(np.sign(self.lead)) * (self.time == 3)
        return {"player_0": won, "player_1": -won}

    def over(self, agent: str) -> bool:
        return self.time == 3

    def render(self) -> np.ndarray:
        return np.full((40, 60, 3), 60 * self.time, np.uint8)


class Names:
    """A side that names the same number always."""

    def __init__(self, number: int) -> None:
        self.number, self.behaviors = number, set[str]()

    def act(self, behavior: str, steps: DecisionSteps) -> ActionTuple:
        self.behaviors.add(behavior)
        return ActionTuple(discrete=np.full((len(steps), 1), self.number, np.int32))


class NamesThree(Names):
    """A side as the command line makes it."""

    def __init__(self, specs: Any, seed: int) -> None:
        super().__init__(3)
        assert set(specs) == {"race_v0"}


def race(copies: int = 4, teams: bool = True) -> ParallelEnvAdapter:
    return ParallelEnvAdapter(Race, copies, "race_v0", 0, teams=teams)


@pytest.mark.parametrize(("mine", "other", "score"), [(2, 1, 1.0), (1, 1, 0.5), (0, 1, 0.0)])
@pytest.mark.parametrize("team", [0, 1])
def test_each_copy_plays_one_game(mine: int, other: int, score: float, team: int) -> None:
    first, second = Names(mine), Names(other)
    assert play_games(race(), 4, first, second, team).tolist() == [score] * 4
    assert first.behaviors == second.behaviors == {"race_v0"}


class Harvest(Race):
    """Nobody loses what another one gains: who names a number gets it, and the last round costs everybody 9."""

    def pay(self, actions: dict[str, Any]) -> dict[str, float]:
        return {agent: float(actions[agent]) - 9.0 * (self.time == 3) for agent in self.agents}


@pytest.mark.parametrize(("mine", "other", "score"), [(2, 1, 1.0), (1, 1, 0.5), (0, 1, 0.0)])
@pytest.mark.parametrize("team", [0, 1])
def test_the_larger_return_wins_also_where_the_sum_is_not_zero(
    mine: int, other: int, score: float, team: int
) -> None:
    env = ParallelEnvAdapter(Harvest, 3, "race_v0", 0, teams=True)
    assert play_games(env, 3, Names(mine), Names(other), team).tolist() == [score] * 3


@PETTINGZOO
def test_sides_of_different_size_win_as_often_as_they_lose_against_themselves() -> None:
    """Three that hunt one. The same random moves on both sides: each game that a team wins, the other one loses."""
    scores = []
    for team in (0, 1):
        env = make_env("mpe2/simple_tag_v3", 8, 5, {"teams": True, "max_cycles": 40})
        specs = {parts_of(name)[0]: spec for name, spec in env.behavior_specs.items()}
        side = RandomSide(specs, 1)
        scores.append(play_games(env, 8, side, side, team))
        env.close()
    assert (scores[0] + scores[1]).tolist() == [1.0] * 8
    assert {0.5, 1.0} >= set(scores[0].tolist()) > {0.5}


def test_one_team_is_no_game() -> None:
    env = race()
    env.reset()
    assert teams_in(env) == [0, 1]
    alone = race(teams=False)
    alone.reset()
    with pytest.raises(UserError, match="has one team"):
        teams_in(alone)


def test_the_report_says_how_sure_it_is() -> None:
    found = report(np.array([1.0, 1.0, 0.5, 0.0]), "a", "b")
    assert (found["won"], found["drawn"], found["lost"]) == (2, 1, 1)
    assert found["score"] == 0.625
    assert found["interval"][0] < 0.625 < found["interval"][1]
    assert found["elo"][1] == pytest.approx(88.74, abs=0.01)  # 400 log10(0.625 / 0.375)
    assert "beyond measure" in text(report(np.ones(3), "a", "b"))


def test_the_perfect_player_knows_the_game() -> None:
    assert value((0,) * 9) == 0, "tic-tac-toe is a draw"
    assert best_moves((1, 1, 0, -1, -1, 0, 0, 0, 0)) == [2]
    assert best_moves((1, 0, 0, -1, -1, 0, 0, 0, 1)) == [5]
    assert len(best_moves((0,) * 9)) == 9, "every opening holds the draw"


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name, members in {
        "races": {},
        "races.race_v0": {"parallel_env": Race},
        "sides": {"Three": NamesThree},
    }.items():
        module = ModuleType(name)
        module.__dict__.update(members)
        monkeypatch.setitem(sys.modules, name, module)
    options = {
        "default_settings": {
            "hyperparameters": {"batch_size": 64, "buffer_size": 256, "learning_rate": 0.01},
            "trainer_type": "ppo",
            "network_settings": {"hidden_units": 16, "num_layers": 1},
            "max_steps": 1500,
            "self_play": {"save_steps": 500, "team_change": 500, "swap_steps": 100},
        },
        "env_settings": {"seed": 1, "env_path": "races/race_v0"},
        "checkpoint_settings": {"run_id": "race", "results_dir": str(tmp_path)},
    }
    train(race(16), options)
    return tmp_path / "race"


def evaluated(capsys: pytest.CaptureFixture[str], *arguments: Any) -> str:
    capsys.readouterr()
    assert evaluate_main([str(argument) for argument in arguments]) == 0
    return capsys.readouterr().out


def test_a_run_plays_others(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ours = evaluated(capsys, run, "--trust", "--against", "random", "--games", 101, "--json")
    found = json.loads(ours)
    assert found["games"] == found["won"] + found["drawn"] + found["lost"] == 101
    assert found["score"] > 0.7
    assert (
        json.loads(evaluated(capsys, run, "--trust", "--against", "random", "--games", 101, "--json"))
        == found
    )
    itself = evaluated(capsys, run, "--trust", "--against", run, "--games", 10, "--deterministic")
    assert "won 0  drawn 10  lost 0" in itself
    assert "won 0" in evaluated(capsys, run, "--trust", "--against", "sides:Three", "--games", 10)


def test_exported_policies_play(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    onnx = next(run.glob("*.onnx"))
    draws = "won 0  drawn 10  lost 0"
    games = ("--games", 10, "--deterministic")
    assert draws in evaluated(capsys, run, "--trust", "--against", onnx, *games)
    assert draws in evaluated(capsys, onnx, "--env", "races/race_v0", "--against", run, *games)
    sampled = evaluated(capsys, onnx, "--env", "races/race_v0", "--against", "random", "--json")
    assert json.loads(sampled)["score"] > 0.7


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "add --env"),
        (["--env", "races/race_v0", "--checkpoint", "best"], "--checkpoint best: "),
    ],
)
def test_an_exported_policy_names_no_environment_and_no_checkpoint(
    run: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], words: str
) -> None:
    onnx = next(run.glob("*.onnx"))
    assert evaluate_main([str(onnx), "--against", "random", *arguments]) == 2
    assert words in capsys.readouterr().err


def test_each_team_of_a_behavior_has_figures_of_its_own(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What one player of a race wins, the other one loses, so that the mean of both says nothing."""
    found = json.loads(evaluated(capsys, run, "--trust", "--episodes", 3, "--stochastic", "--json"))
    first, second = (found["teams"][team]["returns"] for team in ("0", "1"))
    assert [-value for value in first] == second
    assert found["returns"] == first + second
    assert found["mean"] == 0.0
    lines = evaluated(capsys, run, "--trust", "--episodes", 3, "--stochastic").splitlines()
    assert re.fullmatch(r"mean \S+  std \S+  episodes 6", lines[0])
    assert [line[:12] for line in lines[1:3]] == ["team 0: mean", "team 1: mean"]
    assert len(lines) == 3 + 6


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--against", "nowhere"], "nowhere: no such run folder"),
        (["--against", "sides:Nobody"], "--against sides:Nobody: "),
        (["--against", "random", "--games", "1"], "--games 1: expected 2, one for each team"),
        (["--against", "random", "--episodes", "3"], "--episodes do not fit"),
        (["--against", "random", "--env", "CartPole-v1"], "expected an environment of PettingZoo"),
    ],
)
def test_what_cannot_be_played_is_refused(
    run: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], words: str
) -> None:
    capsys.readouterr()
    assert evaluate_main([str(run), "--trust", *arguments]) == 2
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1
    assert re.search(re.escape(words), lines[0])


def test_a_player_of_ones_own_that_fails_is_one_line_that_names_it() -> None:
    spec = BehaviorSpec([], ActionSpec(1, (2,)))
    masked = [np.array([[False, True]] * 2)]
    steps = DecisionSteps([], np.zeros(2), np.arange(2), masked, np.zeros(2), np.zeros(2))

    def taken(continuous: float, discrete: int, rows: int = 2) -> Any:
        pair = np.full((rows, 1), continuous, np.float32), np.full((rows, 1), discrete, np.int32)
        return lambda behavior, steps: ActionTuple(*pair)

    def fails(behavior: str, steps: DecisionSteps) -> Any:
        raise KeyError(behavior)

    for act, words in (
        (fails, "act raised KeyError: 'Task'"),
        (lambda behavior, steps: None, "act gave None; expected a mlagents_envs.base_env.ActionTuple"),
        (taken(0.0, 0, rows=3), "act: The behavior Task needs a continuous input of dimension (2, 1)"),
        (taken(0.0, 2), "act: a discrete action of Task lies outside its branches (2,)"),
        (taken(np.nan, 0), "act gave an action that is not finite"),
        (taken(0.0, 1), "act took an action that steps.action_mask[0] forbids"),
        (7, "has no method act(self, behavior, steps)"),
    ):
        with pytest.raises(UserError, match=f"^mine: {re.escape(words)}"):
            OwnSide("mine", SimpleNamespace(act=act), {"Task": spec}).act("Task", steps)
    good = OwnSide("mine", SimpleNamespace(act=taken(0.5, 0)), {"Task": spec}).act("Task", steps)
    assert good.continuous.tolist() == [[0.5], [0.5]]


@VIDEO
def test_a_film_shows_every_state_before_the_end(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    film = tmp_path / "film.gif"
    evaluated(capsys, run, "--trust", "--video", film, "--episodes", 2)
    pictures, fps = decoded(film)
    assert fps == 5.0
    assert [round(float(picture.mean()) / 60) for picture in pictures] == [0, 1, 2, 0, 1, 2]


@VIDEO
def test_filmed_episodes_have_the_seeds_of_those_that_are_not_filmed(run: Path, tmp_path: Path) -> None:
    """Every second seed of a race shows in its observations."""

    def start(env: BaseEnv) -> float:
        env.reset()
        decisions, _ = env.get_steps("race_v0")
        env.step()
        return float(decisions.obs[0][0, 1])

    assert film_agents(tmp_path / "film.gif", "races/race_v0", {}, (1, 2, 3), start) == [0.5, 0.0, 0.5]
