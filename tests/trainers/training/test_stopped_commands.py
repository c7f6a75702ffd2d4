"""Commands that a signal ends: what they leave, and how they go on."""

import json
import signal
import subprocess
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest
from command_tools import PATIENCE, command, returns_by_hand, surroundings, wait_for, write_file

from trainers import load_policy
from trainers.playback.evaluation import main as evaluate_main
from trainers.records.checkpoint import load_state
from trainers.training.cli import main
from trainers.training.stopping import SAVING


@dataclass(frozen=True)
class StoppedRun:
    """A run of Pendulum that was stopped by a signal."""

    results: Path
    returncode: int
    output: str
    errors: str

    @property
    def folder(self) -> Path:
        return self.results / "run" / "Pendulum-v1"


@pytest.fixture(scope="module")
def stopped_runs(tmp_path_factory) -> dict[signal.Signals, StoppedRun]:
    """Two runs side by side, each stopped in the middle by another signal; `tests/faults/kills.py` kills some."""
    numbers = (signal.SIGINT, signal.SIGTERM)
    folders = [tmp_path_factory.mktemp(number.name) for number in numbers]
    with ThreadPoolExecutor() as pool:
        return dict(zip(numbers, pool.map(run_and_stop, numbers, folders), strict=True))


def run_and_stop(number: signal.Signals, results: Path) -> StoppedRun:
    file = write_file(results / "long.yaml", max_steps=10_000_000, checkpoint_interval=5000)
    arguments = (file, "--env", "Pendulum-v1", "--run-id", "run", "--results-dir", results, "--num-envs", 4)
    process = subprocess.Popen(
        command("trainers", *arguments),
        env=surroundings(),
        cwd=results,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        wait_for(results / "run" / "Pendulum-v1" / "progress.csv", process)
        process.send_signal(number)
        output, errors = process.communicate(timeout=PATIENCE)
    finally:
        process.kill()
    return StoppedRun(results, process.returncode, output, errors)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_polite_signal_saves_and_ends_well(number, stopped_runs, capfd):
    run = stopped_runs[number]
    assert run.returncode == 0
    assert "Traceback" not in run.errors
    for picture in ("reward.png", "losses.png"):
        content = (run.folder / picture).read_bytes()
        assert content.startswith(b"\x89PNG")
        assert len(content) > 5000, "it is drawn"
    step = load_state(run.folder / "checkpoint.pt")["global_step"]
    assert step >= 400
    lines = run.output.splitlines()
    assert lines.index(SAVING) < lines.index(next(line for line in lines if f"{step:,} steps" in line))
    assert json.loads((run.results / "run" / "run_logs" / "timers.json").read_text())["name"] == "root"
    before = summary_steps(run)
    assert step - 104 < before[-1] <= step

    resume_for_a_while(run, step)
    after = summary_steps(run)
    assert after[: len(before)] == before
    assert after == sorted(set(after))
    assert after[-1] > step


def summary_steps(run: StoppedRun) -> list[int]:
    lines = (run.folder / "progress.csv").read_text().splitlines()[1:]
    return [int(line.split(",")[0]) for line in lines]


def resume_for_a_while(run: StoppedRun, step: int) -> None:
    """Resume with the run's own file; the count must go on from where it was."""
    arguments = ["--resume", "--run-id", "run", "--results-dir", str(run.results)]
    assert main([*arguments, "--max-steps", str(step + 200)], "ppo") == 0
    assert step + 200 <= load_policy(run.results / "run").step < step + 204


def test_evaluate_scales_continuous_actions_as_training_does(stopped_runs, capsys):
    results = stopped_runs[signal.SIGINT].results
    assert evaluate_main([str(results / "run"), "--episodes", "2", "--seed", "5", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["returns"]
    # float32 actions and rewards, and a chaotic pendulum: close, not equal
    assert found == pytest.approx(returns_by_hand("Pendulum-v1", results / "run", range(5, 7)), rel=1e-2)
