"""Lessons reach real players, and go on where they were when a run is resumed."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ledger import read_side_channel
from processes import PLAYER, free_port, running

from bridge.channels import EnvironmentParametersChannel
from bridge.environment_parameters import sampler_seed, send_parameters
from gym_adapters import UserError
from trainers.config import load_settings
from trainers.config.environment_parameters import Sampler, UniformParameters, UniformSampler
from trainers.training.api import train
from trainers.training.environments import make_environment

CONFIG = """
default_settings:
  trainer_type: ppo
  hyperparameters: {batch_size: 32, buffer_size: 64}
  network_settings: {hidden_units: 8, num_layers: 1}
  max_steps: 300
  checkpoint_interval: 100
env_settings: {seed: 4}
environment_parameters:
  mass:
    curriculum:
    - name: light
      value: 1.5
      completion_criteria: {behavior: Pupil, threshold: 4.5, min_lesson_length: 6, require_reset: true}
    - name: any
      value: {sampler_type: uniform, sampler_parameters: {min_value: 1, max_value: 4}}
  wind: 3
"""


def uniform(least: float, greatest: float, seed: int = -1) -> Sampler:
    values = UniformParameters(min_value=least, max_value=greatest, seed=seed)
    return UniformSampler(sampler_type="uniform", sampler_parameters=values)


def read(ledger: Path) -> list[Any]:
    return [json.loads(line) for line in ledger.read_text().splitlines()]


def test_lessons_reach_the_player_and_survive_resume(tmp_path: Path) -> None:
    settings = load_settings(CONFIG)
    given = settings.environment_parameters
    assert given is not None
    light, random = (lesson.value for lesson in given["mass"].curriculum)
    wind = given["wind"].curriculum[0].value

    def learn(name: str, *overrides: str) -> Path:
        port, ledger = free_port(), tmp_path / name
        places = [f"env_settings.base_port={port}", f"checkpoint_settings.results_dir={tmp_path}"]
        with running(PLAYER, "lessons", "--mlagents-port", port, "--ledger", ledger, "--agents", 2):
            options = [*places, "checkpoint_settings.run_id=run", *overrides]
            train(make_environment, load_settings(CONFIG, options))
        return ledger

    first = learn("first")
    channel = EnvironmentParametersChannel()
    send_parameters(channel, {"mass": light, "wind": wind}, 4)
    send_parameters(channel, {"mass": random}, 4)
    assert read_side_channel(first, channel) == channel.message_queue
    events = read(first)
    assert [event[0] for event in events].count("reset") == 1
    reset = next(index for index, event in enumerate(events) if event[0] == "reset")
    assert events[reset - 1][0] == "side channel"  # the reset's own message
    assert events[:reset].count(["episode", 5.0]) >= 6

    status = json.loads((tmp_path / "run" / "run_logs" / "training_status.json").read_text())
    assert {name: status[name]["lesson_num"] for name in given} == {"mass": 1, "wind": 0}

    second = learn("second", "checkpoint_settings.resume=true", "default_settings.max_steps=400")
    channel = EnvironmentParametersChannel()
    send_parameters(channel, {"mass": random, "wind": wind}, 4)
    assert read_side_channel(second, channel) == channel.message_queue
    assert not any(event[0] == "reset" for event in read(second))


@given(st.integers(0, 2**40), st.integers(0, 7), st.sampled_from(["mass", "wind"]))
def test_samplers_have_streams_of_their_own(seed: int, worker: int, name: str) -> None:
    narrow, wide = uniform(0, 1), uniform(0, 2)
    own = sampler_seed(seed + worker, name, narrow)
    assert own == sampler_seed(seed + worker, name, narrow)
    assert 0 <= own < 2**31
    others = [
        (seed + worker + 1, name, narrow),
        (seed + worker, "slope", narrow),
        (seed + worker, name, wide),
    ]
    assert own not in [sampler_seed(*other) for other in others]
    assert sampler_seed(seed, name, uniform(0, 1, seed=5)) == 5


def test_names_that_cannot_be_sent() -> None:
    with pytest.raises(UserError, match=r"environment_parameters\.Höhe: Unity reads ASCII names only"):
        send_parameters(EnvironmentParametersChannel(), {"Höhe": uniform(0, 1)}, 0)
    with pytest.raises(UserError, match="ASCII names only"):
        make_environment(load_settings("environment_parameters: {Höhe: 1}"))
