"""Self-play in whole runs: one team learns at a time, the others play past policies, and everything is resumed."""

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gymnasium import spaces

from gym_adapters.parallel_env import ParallelEnvAdapter
from trainers import load_policy, train
from trainers.algorithms.actor import Actor
from trainers.algorithms.opponent import Opponent
from trainers.config import load_settings
from trainers.experience.rollout import Rollout
from trainers.playback.match import RandomSide, RunSide, play, report, text
from trainers.records.checkpoint import read_tensors
from trainers.records.run_status import read_status
from trainers.training.self_play import SelfPlay

COPIES = 8


class Duel:
    """Both agents see which of three numbers to name, three times. Who names more of them right wins."""

    possible_agents: tuple[str, ...] = ("player_0", "player_1")
    asymmetric = False

    def observation_space(self, agent: str) -> spaces.Space:
        return spaces.Box(0.0, 1.0, (3 + (self.asymmetric and agent == "goalie"),), np.float32)

    def action_space(self, agent: str) -> spaces.Space:
        return spaces.Discrete(3)

    def _seen(self) -> dict[str, np.ndarray]:
        self.asked = {agent: int(self.random.integers(3)) for agent in self.possible_agents}
        return {
            agent: np.eye(*self.observation_space(agent).shape * 2, dtype=np.float32)[number]
            for agent, number in self.asked.items()
        }

    def reset(self, seed: int | None = None, options: Any = None) -> Any:
        if seed is not None:
            self.random = np.random.default_rng(seed)
        self.agents, self.time = list(self.possible_agents), 0
        self.points = dict.fromkeys(self.agents, 0)
        return self._seen(), {agent: {} for agent in self.agents}

    def step(self, actions: dict[str, Any]) -> Any:
        for agent in self.possible_agents:
            self.points[agent] += int(actions[agent]) == self.asked[agent]
        self.time += 1
        over = self.time == 3
        first, second = self.possible_agents
        lead = float(np.sign(self.points[first] - self.points[second])) if over else 0.0
        self.agents = [] if over else self.agents
        everyone = self.possible_agents
        return (
            self._seen(),
            {first: lead, second: -lead},
            dict.fromkeys(everyone, over),
            dict.fromkeys(everyone, False),
            {agent: {} for agent in everyone},
        )

    def close(self) -> None:
        pass


class Shootout(Duel):
    """The same with two roles, whose observations differ in size."""

    possible_agents = ("goalie", "striker")
    asymmetric = True


def arena(kind: type[Duel] = Duel, copies: int = COPIES, seed: int = 3) -> ParallelEnvAdapter:
    return ParallelEnvAdapter(kind, copies, "duel_v0", seed, teams=True)


def options(results: Path, steps: int, resume: bool = False, trainer_type: str = "ppo", **play: Any) -> dict:
    hyper = {"ppo": {"buffer_size": 256}, "poca": {"buffer_size": 256}, "sac": {"buffer_init_steps": 64}}[
        trainer_type
    ]
    return {
        "default_settings": {
            "trainer_type": trainer_type,
            "hyperparameters": {"batch_size": 64, "learning_rate": 1e-2, **hyper},
            "network_settings": {"hidden_units": 16, "num_layers": 1},
            "reward_signals": {"extrinsic": {"gamma": 0.9}},
            "max_steps": steps,
            "summary_freq": 500,
            "checkpoint_interval": 500,
            "self_play": {"save_steps": 500, "team_change": 700, "swap_steps": 200, "window": 4, **play},
        },
        "env_settings": {"seed": 5},
        "checkpoint_settings": {"run_id": "duel", "results_dir": str(results), "resume": resume},
    }


@pytest.mark.parametrize("trainer_type", ["ppo", "poca"])
def test_a_game_is_learned_by_self_play(tmp_path: Path, trainer_type: str) -> None:
    outcomes = train(arena(), options(tmp_path, 4000, trainer_type=trainer_type))
    assert set(outcomes) == {"duel_v0"}
    assert outcomes["duel_v0"].steps >= 4000
    side = RunSide([load_policy(tmp_path / "duel")])
    env = arena(copies=100)
    env.reset()
    specs = {"duel_v0": next(iter(env.behavior_specs.values()))}
    scores = [play(arena(copies=100), 100, side, RandomSide(specs, 0), team) for team in (0, 1)]
    assert np.mean(scores) > 0.9
    found = report(np.concatenate(scores), "duel", "random")
    assert found["won"] + found["drawn"] + found["lost"] == found["games"] == 200
    assert "duel against random: 200 games" in text(found)
    with (tmp_path / "duel" / "duel_v0" / "progress.csv").open(encoding="utf-8") as stream:
        ratings = [float(row["Self-play/ELO"]) for row in csv.DictReader(stream) if row["Self-play/ELO"]]
    assert ratings[-1] > 1250.0 > ratings[0]
    status = read_status(tmp_path / "duel" / "run_logs" / "training_status.json")
    assert status["duel_v0"]["elo"] > 1250.0
    assert status["duel_v0"]["best_elo"] > 1250.0, "the best policy is the one of the best rating"


def test_a_rating_is_not_compared_with_a_return(tmp_path: Path) -> None:
    """A run that goes on without self-play has a best policy by its returns, which are -1 to 1 here, and patience."""
    given = options(tmp_path, 1500)
    given["default_settings"]["patience"] = 3
    train(arena(), given)
    given = options(tmp_path, 4000, resume=True)
    given["default_settings"]["patience"] = 3
    del given["default_settings"]["self_play"]
    outcome = train(arena(), given)["duel_v0"]
    assert -1.0 <= outcome.best_return <= 1.0
    status = read_status(tmp_path / "duel" / "run_logs" / "training_status.json")
    assert -1.0 <= status["duel_v0"]["early_stop"]["best"] <= 1.0


def test_teams_and_opponents_remember(tmp_path: Path) -> None:
    """Each agent by the policy that it plays, through turns, swaps, a resume and a match."""
    given = options(tmp_path, 1500)
    given["default_settings"]["network_settings"]["memory"] = {"memory_size": 8, "sequence_length": 4}
    train(arena(), given)
    given["default_settings"]["max_steps"] = 2500
    given["checkpoint_settings"]["resume"] = True
    assert train(arena(), given)["duel_v0"].steps >= 2500
    side = RunSide([load_policy(tmp_path / "duel")])
    scores = []
    for _ in range(2):
        side.forget()
        scores.append(play(arena(copies=20), 20, side, side, 0))
    np.testing.assert_array_equal(*scores)


def test_sac_plays_against_itself(tmp_path: Path) -> None:
    outcomes = train(arena(), options(tmp_path, 600, trainer_type="sac"))
    assert outcomes["duel_v0"].steps >= 600
    assert (tmp_path / "duel" / "duel_v0" / "opponents.pt").is_file()


def test_only_the_learning_team_s_open_decisions_are_carried_into_the_next_rollout(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a signal whose rewards are summed from rows: those of each game that this team ended."""
    carried: list[np.ndarray] = []
    restart = Rollout.restart

    def watch(rollout: Rollout, kept: np.ndarray) -> np.ndarray:
        carried.append(np.sort(kept))
        assert not rollout.columns().settled[kept].any()
        return restart(rollout, kept)

    monkeypatch.setattr(Rollout, "restart", watch)
    settings = options(tmp_path, 1000)
    settings["default_settings"]["reward_signals"]["rnd"] = {"network_settings": {"hidden_units": 8}}
    train(arena(), settings)
    assert len(carried) >= 3
    for rows in carried:
        assert len(rows) == len(np.unique(rows)) == COPIES
    with (tmp_path / "duel" / "duel_v0" / "progress.csv").open(encoding="utf-8") as stream:
        assert all(float(row["Policy/Rnd Reward"]) > 0 for row in csv.DictReader(stream))


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


def test_a_run_without_past_policies_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    train(arena(), options(tmp_path, 600))
    (tmp_path / "duel" / "duel_v0" / "opponents.pt").unlink()
    train(arena(), options(tmp_path, 700, resume=True))
    assert "no past policies were saved" in capsys.readouterr().out


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


def test_a_curriculum_may_wait_for_a_rating() -> None:
    from trainers.training.curriculum import Performance, judge

    content = {
        "behaviors": {"duel_v0": options(Path("runs"), 1000)["default_settings"]},
        "environment_parameters": {
            "height": {
                "curriculum": [
                    {
                        "name": "low",
                        "value": 1.0,
                        "completion_criteria": {
                            "behavior": "duel_v0",
                            "measure": "Elo",
                            "threshold": 1300.0,
                            "signal_smoothing": False,
                            "min_lesson_length": 2,
                        },
                    },
                    {"name": "high", "value": 2.0},
                ]
            }
        },
    }
    parameters = load_settings(content).environment_parameters
    assert parameters is not None
    criteria = parameters["height"].curriculum[0].completion_criteria
    assert criteria is not None
    returns = [0.0, 0.0]
    assert not judge(criteria, Performance(0.5, 1299.0, returns), 0.0)[0]
    assert judge(criteria, Performance(0.5, 1301.0, returns), 0.0)[0]
    assert not judge(criteria, Performance(0.5, 1301.0, returns[:1]), 0.0)[0], "too few games"
    assert not judge(criteria, Performance(0.5, returns=returns), 0.0)[0], "no rating without self-play"


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


@pytest.mark.parametrize("teams", [True, False])
def test_a_game_in_which_all_agents_are_one_team_is_told_of_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, teams: bool
) -> None:
    train(ParallelEnvAdapter(Duel, COPIES, "duel_v0", 3, teams=teams), options(tmp_path, 1500))
    told = [message for message in caplog.messages if "no opponent so far" in message]
    assert len(told) == (0 if teams else 1)
    assert teams or "duel_v0 has had no opponent so far, since all its agents are in team 0" in told[0]
