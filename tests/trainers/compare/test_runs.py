"""Run folders of both trainers: read, grouped, and refused in one line."""

from pathlib import Path

import numpy as np
import pytest
import yaml
from tensorboard.backend.event_processing.event_multiplexer import EventMultiplexer

from gym_adapters import make_env
from gym_adapters.errors import UserError
from tests.trainers.compare.synthetic import rewards, write_events, write_run
from trainers import train
from trainers.compare.groups import differing_keys, group_runs
from trainers.compare.report import make_report, make_section
from trainers.compare.runs import OURS, THEIRS, read_runs
from trainers.records.metrics import GROUP_REWARD, REWARD

MLAGENTS_RUN = Path(__file__).parent / "mlagents_run"
"""A run of the real mlagents-learn 1.1.0: CartPole-v1 behind bridge.player, 4,000 agent steps."""


def read(*folders: Path, names: tuple[str, ...] = ()) -> list:
    return group_runs(read_runs(folders), names)


def test_a_run_of_the_real_mlagents_learn_is_read() -> None:
    (run,) = read_runs([MLAGENTS_RUN])
    assert (run.side, run.behavior, run.seed) == (THEIRS, "CartPole-v1", 0)
    assert run.curves[REWARD].steps.tolist() == list(range(500, 4001, 500))
    assert run.shares is not None
    assert sum(run.shares.values()) == pytest.approx(1.0)
    assert run.shares["env"] > run.shares["policy"] > 0
    assert run.notes == []


def test_every_tag_of_mlagents_learn_is_ours_at_the_same_steps(tmp_path: Path) -> None:
    settings = {
        "behaviors": {
            "CartPole-v1": {
                "trainer_type": "ppo",
                "max_steps": 4000,
                "summary_freq": 500,
                "hyperparameters": {"batch_size": 64, "buffer_size": 512},
                "network_settings": {"hidden_units": 32},
            }
        },
        "checkpoint_settings": {"results_dir": str(tmp_path / "runs"), "run_id": "a"},
    }
    train(make_env("CartPole-v1", 5, 0), settings)
    tensorboard = EventMultiplexer(size_guidance={"scalars": 0})  # what `tensorboard --logdir` reads with
    tensorboard.AddRunsFromDirectory(str(tmp_path / "runs"), "runs")
    tensorboard.AddRunsFromDirectory(str(MLAGENTS_RUN.parent), "results")
    tensorboard.Reload()
    found = tensorboard.Runs()
    assert sorted(found) == ["results/mlagents_run/CartPole-v1", "runs/a/CartPole-v1"]
    theirs, ours = (set(found[name]["scalars"]) for name in sorted(found))
    assert theirs <= ours
    for tag in theirs - {"Losses/Policy Loss", "Losses/Value Loss"}:
        steps = [[event.step for event in tensorboard.Scalars(name, tag)] for name in sorted(found)]
        assert steps[0][-1] == steps[1][-1] == 4000
        assert set(steps[0]) <= set(range(500, 4001, 500))
        assert set(steps[1]) <= set(range(500, 4001, 500))


def test_seeds_are_grouped_and_settings_kept_apart(tmp_path: Path) -> None:
    folders = [write_run(tmp_path / f"a-s{seed}", rewards(1, 2), seed) for seed in range(3)]
    folders += [write_run(tmp_path / "b-s0", rewards(1, 2), 0, hyperparameters={"beta": 0.1})]
    folders += [write_run(tmp_path / f"m-s{seed}", rewards(1, 2), seed, ours=False) for seed in range(2)]
    groups = read(*folders)
    assert [(group.name, len(group.runs)) for group in groups] == [
        (f"{OURS}, a", 3),
        (f"{OURS}, b", 1),
        (THEIRS, 2),
    ]
    assert differing_keys(groups) == {"hyperparameters.beta": ["0.005", "0.1", "0.005"]}


def test_a_run_that_started_from_another_is_no_seed_of_one_that_did_not(tmp_path: Path) -> None:
    """The run that it started from counts without its seed."""
    folders = []
    for name, start in {"a-s0": None, "a-s1": None, "b-s0": "walk-s0", "b-s1": "walk-s1"}.items():
        folders.append(write_run(tmp_path / name, rewards(1, 2), int(name[-1])))
        with (folders[-1] / "configuration.yaml").open("a") as file:
            yaml.safe_dump({"checkpoint_settings": {"initialize_from": start, "run_id": name}}, file)
    groups = read(*folders)
    assert [(group.name, len(group.runs)) for group in groups] == [(f"{OURS}, a", 2), (f"{OURS}, b", 2)]
    assert differing_keys(groups) == {"checkpoint_settings.initialize_from": ["–", "walk"]}


def test_runs_of_one_id_in_two_folders_have_titles_of_their_own(tmp_path: Path) -> None:
    for place in ("old", "new"):
        (tmp_path / place).mkdir()
    folders = [
        write_run(tmp_path / place / "a-s0", rewards(1, 2), hyperparameters={"beta": beta})
        for place, beta in (("old", 0.1), ("new", 0.2))
    ]
    assert [group.name for group in read(*folders)] == [f"{OURS}, {folder}" for folder in folders]


def test_names_decide_what_belongs_together(tmp_path: Path) -> None:
    folders = [write_run(tmp_path / name, rewards(1, 2)) for name in "abc"]
    groups = read(*folders, names=("old", "new", "old"))
    assert [(group.name, len(group.runs)) for group in groups] == [("old", 2), ("new", 1)]
    with pytest.raises(UserError, match=r"--names: 1 names for 3 runs"):
        read(*folders, names=("old",))


def test_keys_that_differ_between_runs_of_one_name_are_told(tmp_path: Path) -> None:
    betas = {"a": 0.1, "b": 0.2, "c": 0.1, "d": 0.3}
    folders = [
        write_run(tmp_path / name, rewards(1, 2), hyperparameters={"beta": b}) for name, b in betas.items()
    ]
    one = read(*folders[:3], names=("x", "x", "x"))
    assert differing_keys(one) == {"hyperparameters.beta": ["0.1 or 0.2"]}
    two = read(*folders, names=("x", "x", "x", "y"))
    assert differing_keys(two) == {"hyperparameters.beta": ["0.1 or 0.2", "0.3"]}


def test_a_run_that_is_given_twice_is_no_second_seed(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "a", rewards(1, 2))
    (tmp_path / "link").symlink_to(folder)
    for again in (folder, tmp_path / "b" / ".." / "a", tmp_path / "link"):
        (tmp_path / "b").mkdir(exist_ok=True)
        with pytest.raises(UserError, match=r"is given twice, as .*a before; give each run once"):
            read_runs([folder, again])


def test_an_extension_key_is_a_difference_only_where_it_is_set(tmp_path: Path) -> None:
    plain = write_run(tmp_path / "m", rewards(1, 2), ours=False)
    ours = write_run(tmp_path / "a", rewards(1, 2), hyperparameters={"clip_value_loss": False})
    assert differing_keys(read(ours, plain)) == {}
    ours = write_run(tmp_path / "b", rewards(1, 2), hyperparameters={"clip_value_loss": True})
    assert differing_keys(read(ours, plain)) == {"hyperparameters.clip_value_loss": ["true", "–"]}


def test_a_resumed_run_is_one_curve_without_the_pause(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "a", rewards(1, 2, 3))
    later = {REWARD: [(30, 5.0, 33.0), (40, 6.0, 44.0)]}
    write_events(folder / "Task" / "events.out.tfevents.1700009999.machine.2.0", later, begin=1_700_009_999.0)
    (run,) = read_runs([folder])
    curve = run.curves[REWARD]
    assert curve.steps.tolist() == [10, 20, 30, 40]
    assert curve.values.tolist() == [1, 2, 33, 44]
    assert curve.seconds.tolist() == [1, 2, 7, 8]
    assert any("2 sessions" in note for note in run.notes)


@pytest.mark.parametrize("lost", [1, 7, 20, 60])
def test_a_truncated_file_is_used_as_far_as_it_goes_and_that_is_said(tmp_path: Path, lost: int) -> None:
    folder = write_run(tmp_path / "a", rewards(1, 2, 3, 4, 5))
    file = next((folder / "Task").glob("events*"))
    file.write_bytes(file.read_bytes()[:-lost])
    (run,) = read_runs([folder])
    assert 3 <= len(run.curves[REWARD].values) <= 4
    assert any("cut off or damaged" in note and str(file) in note for note in run.notes)


def test_a_damaged_file_is_used_to_where_the_damage_is(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "a", rewards(1, 2, 3, 4, 5))
    file = next((folder / "Task").glob("events*"))
    content = bytearray(file.read_bytes())
    content[-100] ^= 0xFF
    file.write_bytes(content)
    (run,) = read_runs([folder])
    assert run.curves[REWARD].values.tolist() == [1, 2, 3]
    assert any("cut off or damaged" in note for note in run.notes)


def test_a_run_that_is_still_going_on_is_compared(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "a", rewards(1, 2))
    (folder / "run_logs" / "timers.json").unlink()
    (run,) = read_runs([folder])
    assert run.shares is None
    assert next(note.split(": ", 1)[1] for note in run.notes) == "ended after 20 of 100 steps"
    rows = {row.key for row in make_report(group_runs([run])).sections[0].rows}
    assert "final" in rows
    assert "share_env" not in rows


def test_what_is_no_run_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="is not a run folder"):
        read_runs([tmp_path / "empty"])
    with pytest.raises(UserError, match="no such folder"):
        read_runs([tmp_path / "absent"])
    folder = write_run(tmp_path / "a", rewards(1))
    next((folder / "Task").glob("events*")).write_bytes(b"")
    with pytest.raises(UserError, match="has no summary"):
        read_runs([folder])


def test_runs_of_different_behaviors_are_refused(tmp_path: Path) -> None:
    one = write_run(tmp_path / "a", rewards(1), behavior="Walker")
    other = write_run(tmp_path / "b", rewards(1), behavior="Crawler")
    with pytest.raises(UserError, match=r"different behaviors.*a has Walker; .*b has Crawler"):
        read_runs([one, other])
    write_run(tmp_path / "a", rewards(1, 2), behavior="Crawler")
    assert {run.behavior for run in read_runs([one, other])} == {"Crawler"}
    write_run(tmp_path / "b", rewards(1, 2), behavior="Walker")
    with pytest.raises(UserError, match=r"choose with --behavior: Crawler, Walker"):
        read_runs([one, other])
    assert {run.behavior for run in read_runs([one, other], "Walker")} == {"Walker"}


def test_the_table_holds_what_the_curves_say(tmp_path: Path) -> None:
    folders = [write_run(tmp_path / "a", rewards(0, 10, 5)), write_run(tmp_path / "b", rewards(2, 4, 20), 1)]
    rows = {row.key: row.cells[0].values for row in make_section("x", read(*folders)).rows}
    assert rows["final"] == (5, 20)
    assert rows["best"] == (10, 20)
    assert rows["fall"] == (5, 0)
    assert rows["steps_50%"] == (np.inf, 30)  # from 1, the median first summary, half way to 20: 10.5
    assert rows["seconds_50%"] == (np.inf, 3)
    assert rows["speed"] == (10, 10)
    assert rows["share_env"] == (0.5, 0.5)
    assert rows["share_other"] == pytest.approx((0.05, 0.05))


def test_the_reward_is_the_agent_s_and_its_group_s(tmp_path: Path) -> None:
    points = {**rewards(0, 1, 2), GROUP_REWARD: [(10, 1.0, -5.0), (30, 3.0, -3.0)]}
    (run,) = read_runs([write_run(tmp_path / "a", points)])
    assert run.curves[REWARD].steps.tolist() == [10, 30]
    assert run.curves[REWARD].values.tolist() == [-5, -1]


def test_runs_whose_settings_cannot_be_read_are_no_seeds_of_one_setting(tmp_path: Path) -> None:
    folders = [write_run(tmp_path / name, rewards(1, 2)) for name in ("a", "b", "c")]
    (folders[0] / "configuration.yaml").write_text("behaviors: !!python/object/apply:os.getcwd []\n")
    (folders[1] / "configuration.yaml").unlink()
    groups = read(*folders)
    assert [len(group.runs) for group in groups] == [1, 1, 1]
    assert differing_keys(groups) == {"configuration.yaml": ["cannot be read", "cannot be read", "–"]}
    told = [any("configuration.yaml" in note for note in group.runs[0].notes) for group in groups]
    assert told == [True, True, False]


def test_files_of_unity_beside_the_events_are_none(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "a", rewards(1, 2))
    (events,) = (folder / "Task").glob("events*")
    Path(f"{events}.meta").write_text("guid: 0123456789abcdef\n")
    (folder / "Task" / "events.out.tfevents.2").mkdir()
    (run,) = read_runs([folder])
    assert run.notes == [f"{folder}: ended after 20 of 100 steps"]


@pytest.mark.parametrize(
    "timers",
    [
        "",
        "[1]",
        '{"total": 0, "children": {}}',
        '{"total": NaN, "children": {}}',
        '{"total": 1, "children": []}',
        '{"total": 1, "children": {"env": 5}}',
        '{"total": 1, "children": {"env": {"total": "x"}}}',
        "[" * 100_000,
    ],
)
def test_damaged_timers_cost_the_time_shares_alone(timers: str, tmp_path: Path) -> None:
    folder = write_run(tmp_path / "a", rewards(1, 2))
    (folder / "run_logs" / "timers.json").write_text(timers)
    (run,) = read_runs([folder])
    assert run.shares is None
    assert sum("timers.json" in note for note in run.notes) == 1


def test_values_at_no_possible_step_or_time_are_left_out_with_a_note(tmp_path: Path) -> None:
    nan = float("nan")
    points = {REWARD: [(-5, 1.0, 1.0), (10, nan, 2.0), (20, 2.0, 3.0), (30, 3.0, nan)]}
    (run,) = read_runs([write_run(tmp_path / "a", points)])
    assert run.curves[REWARD].steps.tolist() == [20, 30]
    assert "2 values have no possible step or time" in run.notes[0]


@pytest.mark.parametrize(
    "text", ["behaviors: [1]", "behaviors: {Task: ppo}", "default_settings: 5", "{1: {2: 3}}"]
)
def test_settings_of_another_shape_are_compared_as_far_as_they_go(text: str, tmp_path: Path) -> None:
    folder = write_run(tmp_path / "a", rewards(1, 2))
    (folder / "configuration.yaml").write_text(text)
    (section,) = make_report(read(folder, write_run(tmp_path / "b", rewards(1, 2)))).sections
    (final,) = [row for row in section.rows if row.key == "final"]
    assert [cell.values for cell in final.cells] == [(2.0,), (2.0,)]
    assert section.differences
