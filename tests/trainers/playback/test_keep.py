"""What a kept policy holds, for every algorithm: enough to act and to start another run, and nothing else."""

import errno
import json
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from command_tools import REPOSITORY, write_file
from learner_tools import assert_same, flat
from run_tools import contents

from trainers import UserError, load_policy
from trainers.config.loader import CONFIGURATION
from trainers.playback import keep as keep_module
from trainers.playback.evaluation import main as evaluate_main
from trainers.playback.keep import MOST_BYTES, keep
from trainers.playback.keep import main as keep_main
from trainers.records.checkpoint import load_state, save_state
from trainers.training.cli import main as train_main

HYPERPARAMETERS = {
    "ppo": {"batch_size": 32, "buffer_size": 128},
    "a2c": {"batch_size": 32, "buffer_size": 128},
    "dqn": {"batch_size": 16, "buffer_size": 300, "steps_per_update": 8, "dueling": True},
}


def trained(trainer_type: str, folder: Path, run_id: str = "run", *arguments: str, **network: object) -> Path:
    """A run on CartPole-v1 that has learned a little."""
    file = write_file(
        folder / "file.yaml",
        trainer_type=trainer_type,
        hyperparameters=HYPERPARAMETERS[trainer_type],
        network_settings={"hidden_units": 16, "num_layers": 1, "normalize": True, **network},
        max_steps=300,
    )
    place = ["--env", "CartPole-v1", "--run-id", run_id, "--results-dir", str(folder), "--seed", "1"]
    assert train_main([str(file), *place, *arguments], trainer_type) == 0
    return folder / run_id


def evaluated(run: Path, capsys: pytest.CaptureFixture[str]) -> list[float]:
    capsys.readouterr()
    assert evaluate_main([str(run), "--episodes", "5", "--json"]) == 0
    returns: list[float] = json.loads(capsys.readouterr().out)["returns"]
    return returns


@pytest.mark.parametrize("trainer_type", HYPERPARAMETERS)
def test_a_kept_policy_of_any_algorithm_acts_as_it_did_and_starts_another_run(trainer_type, tmp_path, capsys):
    run = trained(trainer_type, tmp_path)
    keep(run, policies=tmp_path / "kept")
    kept = tmp_path / "kept" / "CartPole-v1"
    assert evaluated(kept, capsys) == evaluated(run, capsys)

    before = contents(kept)
    assert set(map(str, before)) == {"CartPole-v1.onnx", "CartPole-v1/checkpoint.pt", CONFIGURATION}
    assert str(tmp_path) not in (kept / CONFIGURATION).read_text()
    assert load_policy(kept).step == load_policy(run).step
    assert not any("ptimizer" in key for key in load_state(kept / "CartPole-v1" / "checkpoint.pt"))
    assert keep_main([str(run), "--out", str(tmp_path / "kept")]) == 2
    assert "is kept there already; use --force" in capsys.readouterr().err
    assert contents(kept) == before
    assert keep_main([str(run), "--out", str(tmp_path / "kept"), "--force"]) == 0

    (tmp_path / "kept" / "CartPole-v1").rename(tmp_path / "policy")
    place = ["--run-id", "policy", "--results-dir", str(tmp_path)]
    assert train_main(["--resume", *place], trainer_type) == 2
    assert "use --initialize-from" in capsys.readouterr().err
    later = trained(trainer_type, tmp_path, "later", "--initialize-from", "policy", "--max-steps", "1")
    source, started = (load_state(path / "CartPole-v1" / "checkpoint.pt") for path in (run, later))
    assert_same(started["Policy"], source["Policy"])
    assert started["observation_moments"]["count"] >= source["observation_moments"]["count"] > 1


def test_a_policy_that_cannot_be_kept_leaves_no_folder_in_the_way(cartpole, tmp_path, monkeypatch, capfd):
    def full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    kept = tmp_path / "kept"
    with monkeypatch.context() as disk:
        disk.setattr(os, "fsync", full)
        assert keep_main([str(cartpole / "pole"), "--out", str(kept)]) == 2
    assert "cannot be written (No space left on device)" in capfd.readouterr().err
    assert list(kept.iterdir()) == []
    assert keep_main([str(cartpole / "pole"), "--out", str(kept)]) == 0
    before = contents(kept)
    with monkeypatch.context() as disk:
        disk.setattr(os, "fsync", full)
        assert keep_main([str(cartpole / "pole"), "--out", str(kept), "--force"]) == 2
    assert contents(kept) == before


def test_the_files_of_a_kept_policy_are_replaced_all_at_once(cartpole, tmp_path, monkeypatch):
    run, kept = cartpole / "pole", tmp_path / "kept"
    keep(run, policies=kept)
    folder = kept / "CartPole-v1"
    (folder / "README.md").write_text("mine")
    (folder / "CartPole-v1" / "checkpoint.pt").write_bytes(b"earlier")
    before = contents(folder)

    class KilledError(BaseException):
        pass

    def killed(*_: object) -> None:
        raise KilledError

    for module, name in ((keep_module, "export_policy"), (Path, "replace")):
        with monkeypatch.context() as process:
            process.setattr(module, name, killed)
            if name == "replace":  # between the two renames
                process.setattr(Path, name, lambda path, to: path.rename(to) if path == folder else killed())
                process.setattr(keep_module, "_write", lambda *_: [])
            with pytest.raises(KilledError):
                keep(run, policies=kept, force=True)
        with pytest.raises(UserError, match="is kept there already"):
            keep(run, policies=kept)
        assert [path.name for path in kept.iterdir()] == ["CartPole-v1"]
        assert contents(folder) == before

    lines = keep(run, policies=kept, force=True)
    assert [Path(line.split("  ")[0]).is_file() for line in lines] == [True] * 3
    assert (folder / "README.md").read_text() == "mine"
    assert load_policy(folder).step == load_policy(run).step
    assert [path.name for path in kept.iterdir()] == ["CartPole-v1"]


@pytest.mark.parametrize("trainer_type", HYPERPARAMETERS)
def test_a_kept_policy_has_the_numbers_of_its_network_and_no_others(trainer_type, tmp_path):
    keep(trained(trainer_type, tmp_path), policies=tmp_path / "kept")
    state = load_state(tmp_path / "kept" / "CartPole-v1" / "CartPole-v1" / "checkpoint.pt")
    tensors = [tensor for tensor in flat(state).values() if isinstance(tensor, torch.Tensor)]
    network = [tensor for tensor in flat(state["Policy"]).values() if isinstance(tensor, torch.Tensor)]
    moments = 2 * 4 + 2 * 1  # mean and variance of the four observations, and of the return
    assert sum(tensor.numel() for tensor in tensors) == sum(tensor.numel() for tensor in network) + moments


def test_what_a_later_algorithm_adds_to_its_checkpoints_is_not_kept(tmp_path):
    run = trained("ppo", tmp_path)
    path = run / "CartPole-v1" / "checkpoint.pt"
    keep(run, policies=tmp_path / "before")
    state, large = load_state(path), {"weight": torch.zeros(10_000_000)}
    state["reward_signals"]["curiosity"] = large
    save_state(path, {**state, "Optimizer:curiosity": large})
    keep(run, policies=tmp_path / "after")
    files = [
        tmp_path / place / "CartPole-v1" / "CartPole-v1" / "checkpoint.pt" for place in ("before", "after")
    ]
    assert files[1].stat().st_size == files[0].stat().st_size < MOST_BYTES


@pytest.mark.parametrize("bits", [16, 8])
def test_a_policy_kept_in_fewer_bits_can_be_saved_and_kept_again(bits, tmp_path):
    run = trained("ppo", tmp_path, hidden_units={16: 512, 8: 768}[bits], num_layers=2)
    once, twice = tmp_path / "once", tmp_path / "twice"
    assert f" {bits} bits" in keep(run, policies=once)[1]
    save_state(tmp_path / "again.pt", load_state(once / "CartPole-v1" / "CartPole-v1" / "checkpoint.pt"))
    assert f" {bits} bits" in keep(once / "CartPole-v1", policies=twice)[1]
    before, *after = (
        load_policy(path).policy.state_dict()
        for path in (once / "CartPole-v1", tmp_path / "again.pt", twice / "CartPole-v1")
    )
    for name, tensor in before.items():
        for same in after:
            np.testing.assert_allclose(same[name], tensor, rtol=1e-5, atol=1e-7)


def test_the_kept_policy_with_the_largest_network_stays_small_when_it_is_kept_again(tmp_path):
    for line in keep(REPOSITORY / "docs" / "policies" / "Assault-v5", policies=tmp_path)[1:]:
        assert "8 bits" in line
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(files) == 3
    assert all(path.stat().st_size <= MOST_BYTES for path in files)
