"""Every training file of Unity's example scenes is trained, stopped, resumed and exported, on a stand-in of it."""

import csv
import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from demonstrations_of_scenes import demonstrate
from scenes import SCENES, SceneEnv, scene_of
from unity_files import FILES, name_of

from bridge.onnx_check import check_file
from trainers import Outcome, train
from trainers.config import BehaviorSettings, RunSettings, load_settings

STEPS = 500
"""Agent steps until a run stops, and again until it ends."""


def behaviors_of(settings: RunSettings) -> list[BehaviorSettings]:
    return [*settings.behaviors.values(), *filter(None, [settings.default_settings])]


def smaller(settings: RunSettings) -> Iterator[str]:
    """What is set so that a run takes about a second: sizes, and how often a run reports and saves.

    All else is what the file says.
    """
    yield f"summary_freq={STEPS // 2}"
    yield f"checkpoint_interval={STEPS}"
    yield "network_settings.hidden_units=16"
    behaviors = behaviors_of(settings)
    if hasattr(behaviors[0].hyperparameters, "num_epoch"):
        sizes = {"batch_size": 64, "buffer_size": 256, "num_epoch": 1}
    else:
        sizes = {"batch_size": 16, "buffer_size": 2000, "buffer_init_steps": 100}
    yield from (f"hyperparameters.{key}={size}" for key, size in sizes.items())
    if behaviors[0].network_settings.memory is not None:
        yield "network_settings.memory.sequence_length=16"
    if behaviors[0].self_play is not None:
        yield from ("self_play.save_steps=200", "self_play.team_change=400", "self_play.swap_steps=100")
    for signal in set().union(*(behavior.reward_signals.active() for behavior in behaviors)) - {"extrinsic"}:
        yield f"reward_signals.{signal}.network_settings.hidden_units=16"


def imitating(settings: RunSettings) -> list[str]:
    """The keys of a file that name a demonstration."""
    behavior = behaviors_of(settings)[0]
    keys = [
        f"reward_signals.{name}"
        for name, signal in behavior.reward_signals.active().items()
        if hasattr(signal, "demo_path")
    ]
    return keys + (["behavioral_cloning"] if behavior.behavioral_cloning is not None else [])


def trained(path: Path, folder: Path, max_steps: int, resume: bool = False) -> dict[str, Outcome]:
    """Train a file on its scene."""
    scene, settings, demonstration = SCENES[scene_of(path)], load_settings(path), folder / "expert.demo"
    changes = [*smaller(settings), f"max_steps={max_steps}"]
    if keys := imitating(settings):
        demonstrate(scene, demonstration)
        changes += [f"{key}.demo_path={demonstration}" for key in keys]
    overrides = [
        *(f"behaviors.*.{change}" for change in changes),
        "env_settings.seed=1",
        "torch_settings.device=cpu",
        "torch_settings.num_threads=1",
        "torch_settings.precision=float32",
        "checkpoint_settings.run_id=scene",
        f"checkpoint_settings.results_dir={folder}",
        f"checkpoint_settings.resume={str(resume).lower()}",
    ]
    return train(SceneEnv(scene, seed=max_steps), path, overrides=overrides)


def rows_of(outcome: Outcome) -> list[dict[str, str]]:
    with (outcome.folder / "progress.csv").open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def assert_the_model_fits(model: Path, env: SceneEnv, behavior: str) -> None:
    """The exported model takes the scene's observations, any number of them, and gives actions of its shape."""
    assert not check_file(model).refused
    spec = next(cast.spec for name, cast in env.scene.casts.items() if name.partition("?")[0] == behavior)
    inputs = {
        f"obs_{index}": np.random.default_rng(0).random((3, *observed.shape), np.float32)
        for index, observed in enumerate(spec.observation_specs)
    }
    actions = spec.action_spec
    if actions.discrete_size:
        inputs["action_masks"] = np.ones((3, sum(actions.discrete_branches)), np.float32)
    session = onnxruntime.InferenceSession(str(model), providers=["CPUExecutionProvider"])
    for wanted in session.get_inputs():
        if wanted.name == "recurrent_in":
            inputs[wanted.name] = np.zeros((3, 1, wanted.shape[-1]), np.float32)
    names = [output.name for output in session.get_outputs()]
    found = dict(zip(names, session.run(names, inputs), strict=True))
    for kind, size in (("continuous", actions.continuous_size), ("discrete", actions.discrete_size)):
        if size:
            assert found[f"deterministic_{kind}_actions"].shape == (3, size)
            assert np.isfinite(found[f"{kind}_actions"]).all()


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_a_file_is_trained_resumed_and_exported(path: Path, tmp_path: Path) -> None:
    first = trained(path, tmp_path, STEPS)
    env = SceneEnv(SCENES[scene_of(path)])
    assert set(first) == {name.partition("?")[0] for name in env.scene.casts}
    for outcome in first.values():
        assert (outcome.folder / "checkpoint.pt").is_file()
    second = trained(path, tmp_path, 2 * STEPS, resume=True)
    for name, outcome in second.items():
        assert outcome.finished
        assert outcome.steps >= 2 * STEPS > first[name].steps >= STEPS
        assert outcome.trained == outcome.steps - first[name].steps
        rows = rows_of(outcome)
        losses = [float(row[key]) for row in rows for key in row if key.startswith("Losses/") and row[key]]
        assert losses
        assert all(map(math.isfinite, losses))
        assert len(list(outcome.folder.glob(f"{name}-*.onnx"))) >= 2
        assert_the_model_fits(outcome.folder.parent / f"{name}.onnx", env, name)
