"""Self-play in whole runs: a game is learned against past policies, which are rated, remembered and resumed."""

import csv
import shutil
from pathlib import Path

import numpy as np
import pytest
from duels import COPIES, Duel, arena, options

from gym_adapters.parallel_env import ParallelEnvAdapter
from trainers import UserError, load_policy, train
from trainers.config import load_settings
from trainers.experience.rollout import Rollout
from trainers.playback.match import PolicySide, RandomSide, play_games, report, text
from trainers.records.checkpoint import read_tensors
from trainers.records.run_status import read_status


@pytest.mark.parametrize("trainer_type", ["ppo", "poca"])
def test_a_game_is_learned_by_self_play(tmp_path: Path, trainer_type: str) -> None:
    outcomes = train(arena(), options(tmp_path, 4000, trainer_type=trainer_type))
    assert set(outcomes) == {"duel_v0"}
    assert outcomes["duel_v0"].steps >= 4000
    side = PolicySide([load_policy(tmp_path / "duel")])
    env = arena(copies=100)
    env.reset()
    specs = {"duel_v0": next(iter(env.behavior_specs.values()))}
    scores = [play_games(arena(copies=100), 100, side, RandomSide(specs, 0), team) for team in (0, 1)]
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
    side = PolicySide([load_policy(tmp_path / "duel")])
    scores = []
    for _ in range(2):
        side.forget()
        scores.append(play_games(arena(copies=20), 20, side, side, 0))
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


def test_a_run_without_past_policies_says_so_and_keeps_its_rating(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train(arena(), options(tmp_path, 600))
    path = tmp_path / "duel" / "run_logs" / "training_status.json"
    rating = read_status(path)["duel_v0"]["elo"]
    assert rating != 1200.0
    (tmp_path / "duel" / "duel_v0" / "opponents.pt").unlink()
    train(arena(), options(tmp_path, 600, resume=True))
    assert "no past policies were saved" in capsys.readouterr().out
    assert read_status(path)["duel_v0"]["elo"] == rating, "nothing was trained"


def test_damaged_past_policies_are_named_and_may_be_deleted(tmp_path: Path) -> None:
    train(arena(), options(tmp_path, 100))
    (tmp_path / "duel" / "duel_v0" / "opponents.pt").write_bytes(b"")
    with pytest.raises(UserError, match=r"opponents\.pt: .* delete it to go on without past policies"):
        train(arena(), options(tmp_path, 200, resume=True))


def test_an_older_checkpoint_of_the_run_takes_turns_and_saves_policies_as_before(tmp_path: Path) -> None:
    """Whoever puts `duel_v0-504.pt` in the place of `checkpoint.pt` goes on from there, not from later counts."""
    train(arena(), options(tmp_path, 1500))
    folder = tmp_path / "duel" / "duel_v0"
    shutil.copy(folder / "duel_v0-504.pt", folder / "checkpoint.pt")
    assert read_tensors(folder / "opponents.pt")["saved_at"] > 504
    train(arena(), options(tmp_path, 510, resume=True))
    status = read_status(tmp_path / "duel" / "run_logs" / "training_status.json")
    assert status["self_play"]["turn_began"]["duel_v0"] <= 504
    assert read_tensors(folder / "opponents.pt")["saved_at"] <= 504


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


@pytest.mark.parametrize("teams", [True, False])
def test_a_game_in_which_all_agents_are_one_team_is_told_of_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, teams: bool
) -> None:
    train(ParallelEnvAdapter(Duel, COPIES, "duel_v0", 3, teams=teams), options(tmp_path, 1500))
    told = [message for message in caplog.messages if "no opponent so far" in message]
    assert len(told) == (0 if teams else 1)
    assert teams or "duel_v0 has had no opponent so far, since all its agents are in team 0" in told[0]
