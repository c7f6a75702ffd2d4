"""Whatever a behavior is called, its files stay in the run folder, apart from every other behavior's."""

import json
import string
import tempfile
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath, PureWindowsPath

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from trainers.records.checkpoint import load_state
from trainers.records.checkpoint_keeper import CheckpointKeeper
from trainers.records.names import behavior_folder, file_name, is_portable, unused_name
from trainers.records.policy_file import find_checkpoint
from trainers.records.run_folder import behaviors_by_folder

DEVICES = {"con", "prn", "aux", "nul", "conin$", "conout$"}
DEVICES |= {f"{port}{number}" for port in ("com", "lpt") for number in "0123456789¹²³"}
FINE = [
    "Walker",
    "Walker2d-v5",
    "My Behavior",
    "a.b",
    ".hidden",
    "console",
    "com10",
    "Läufer",
    "走る人",
    "x" * 100,
    "50%",
    "$a$",
    "[old] it's #1, (really)",
]
BAD = [
    "",
    ".",
    "..",
    "Team/Walker",
    "../../outside",
    "/etc/passwd",
    "C:\\Windows",
    "a:b",
    "Walker.",
    "Walker ",
    "CON",
    "nul.txt",
    "Com1 .tar.gz",
    "LPT²",
    "a\0b",
    "line\nbreak",
    "\x7f",
    "\ud800",
    "what?",
    "x" * 101,
    "x" * 10_000,
    "走" * 80,
    "run_logs",
    "Run_Logs",
    "configuration.yaml",
    "wandb",
    "Task.onnx",
    "TASK.ONNX",
    unicodedata.normalize("NFD", "Läufer"),
    "Team_Walker--0123456789abcdef",
    "Team_Walker--0123456789ABCDEF",
]
awkward = st.text(st.sampled_from("aAß.:/\\ \0\n~-_é\u0301" + string.hexdigits), max_size=30)
behaviors = st.one_of(st.sampled_from(FINE + BAD), st.text(max_size=300), awkward)


def folded(name: str) -> str:
    """What a file system that ignores case and the form of accents takes a name for."""
    return unicodedata.normalize("NFD", unicodedata.normalize("NFD", name).casefold())


@given(behaviors)
@example("nul.txt--")
@example("con" + "/" * 300)
def test_a_name_is_that_of_one_file_on_every_system(behavior):
    name = file_name(behavior)
    assert PurePosixPath("run", name).parts == ("run", name)
    windows = PureWindowsPath("run", name)
    assert windows.parts == ("run", name)
    assert not windows.drive
    assert name not in ("", ".", "..")
    assert name[-1] not in ". "
    assert not any(unicodedata.category(letter) in ("Cc", "Cs") or letter in '<>:"|?*' for letter in name)
    assert name.casefold().split(".")[0].rstrip() not in DEVICES
    assert len(f".{name}-99999999999.onnx.abcdefgh".encode()) <= 255, "a checkpoint that is being written"
    assert len(name) <= 100
    assert file_name(name) == name or name != behavior


@pytest.mark.parametrize("behavior", FINE)
def test_a_name_that_is_fine_stays_as_it_is(behavior):
    assert file_name(behavior) == behavior
    assert is_portable(behavior)


@pytest.mark.parametrize("behavior", BAD)
def test_a_name_that_is_not_becomes_one_that_is(behavior):
    assert file_name(behavior) != behavior
    assert is_portable(file_name(behavior))


def test_what_can_be_read_of_a_name_is_kept():
    assert file_name("Team/Walker").startswith("Team_Walker--")


@given(behaviors, behaviors)
@example("a/b", "a\\b")
@example("x" * 10_000, "x" * 10_001)
@example("Team/Walker", file_name("Team/Walker"))
@example("Team/Walker", file_name("Team/Walker").upper())
def test_two_behaviors_of_a_run_never_have_one_name(one, other):
    if one != other:
        first = file_name(one)
        assert folded(unused_name(other, [first])) != folded(first)


@contextmanager
def empty_run() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder, "results", "run")


@settings(deadline=None, max_examples=60)
@given(st.lists(behaviors, unique=True, max_size=5), st.randoms())
@example(["Walker", "walker", "WALKER"], None)
@example(["metadata", "Task", "Task.onnx", "run_logs"], None)
@example([".pt"], None)
def test_every_behavior_finds_its_own_checkpoint_again_and_nothing_is_written_elsewhere(names, random):
    with empty_run() as run:
        keepers = []
        for name in names:
            keepers.append(CheckpointKeeper(run, name, keep=2))
            behavior = {"name": name, "observations": [], "continuous_size": 0, "discrete_branches": []}
            state = {"Policy": {}, "behavior": {**behavior, "network_settings": {}}, "global_step": 7}
            state["trainer_type"] = "ppo"
            keepers[-1].save(state, None)
            keepers[-1].export(lambda path: path.write_text("model"))
        status = json.loads(
            json.dumps({name: keeper.status() for name, keeper in zip(names, keepers, strict=True)})
        )
        (run / "run_logs").mkdir(parents=True, exist_ok=True)
        (run / "run_logs" / "training_status.json").write_text(json.dumps(status))

        written = [path for path in run.parent.parent.rglob("*.pt") if path.is_file()]
        assert written == list(run.glob("*/*.pt"))
        assert set(run.parent.iterdir()) == {run}
        made = [folded(path.name) for path in run.iterdir()]
        assert len(made) == len(set(made)) == 2 * len(names) + 1
        by_folder = behaviors_by_folder(run)
        if random is not None:
            random.shuffle(names)
        for name in names:
            path = find_checkpoint(behavior_folder(run, name))
            assert load_state(path)["behavior"]["name"] == name == by_folder[path.parent.name]
            later = CheckpointKeeper(run, name, keep=2)
            later.restore(status[name])
            assert [entry["steps"] for entry in later.entries] == [7]


def test_a_run_of_before_keeps_folders_that_differ_in_case_only(tmp_path):
    for name in ("Walker", "walker"):
        (tmp_path / name).mkdir(exist_ok=True)
    if len(list(tmp_path.iterdir())) == 1:
        pytest.skip("needs a file system that tells case apart")
    assert behavior_folder(tmp_path, "Walker").name == "Walker"
    assert behavior_folder(tmp_path, "walker").name == "walker"


def test_a_folder_whose_name_ends_like_a_checkpoint_is_a_folder(tmp_path):
    keeper = CheckpointKeeper(tmp_path, "Walker.pt", keep=1)
    keeper.save({"Policy": {}, "behavior": {}, "global_step": 7}, None)
    assert find_checkpoint(tmp_path / "Walker.pt") == tmp_path / "Walker.pt" / "checkpoint.pt"


def test_a_status_that_names_other_files_deletes_none_of_them(tmp_path):
    precious = tmp_path / "precious.onnx"
    precious.write_text("mine")
    keeper = CheckpointKeeper(tmp_path / "run", "Walker", keep=1)
    (tmp_path / "run" / "Walker").mkdir(parents=True)
    entry = {"steps": 1, "file_path": "Walker/../../precious.onnx", "auxillary_file_paths": []}
    keeper.restore({"checkpoints": [entry]})
    keeper.save({"Policy": {}, "behavior": {}, "global_step": 7}, None)
    assert precious.read_text() == "mine"
