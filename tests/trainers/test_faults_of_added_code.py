"""Classes of another package that have a fault: what the user is told, by the command and from Python."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from gym_adapters import make_env
from gym_adapters.errors import ADDED
from trainers import UserError, train
from trainers.config import NetworkSettings, plugins
from trainers.networks.body import image_encoder
from trainers.training.cli import main

CODE = """
from functools import partial

import numpy as np
import torch
from torch import nn

from trainers.algorithms.actor_steps import InMinibatches, Losses
from trainers.algorithms.on_policy import OnPolicyLearner
from trainers.config import ActorCriticSettings, RewardSignalSettings
from trainers.maths.losses import value_loss
from trainers.rewards.signal import RewardSignal


class Base(OnPolicyLearner):
    settings_class = ActorCriticSettings

    def make_actor_step(self):
        return InMinibatches(1)

    def losses(self):
        return Losses(self.policy_loss, partial(value_loss))

    def policy_loss(self, now, old, advantage):
        return -(now.sum(1) * advantage).mean()


class FailsToBegin(Base):
    def __init__(self):
        pass


class FailsToUpdate(Base):
    def update(self):
        self.nothing


class Signal(RewardSignal):
    settings_class = RewardSignalSettings

    def rewards(self, rows):
        return np.zeros(len(rows.settled), np.float32)


class Unprepared(Signal):
    def __init__(self, name, settings, task):
        pass


class Learning(Signal):
    def rewards(self, rows):
        return torch.zeros(len(rows.settled), requires_grad=True)


class Texts(Signal):
    def rewards(self, rows):
        return ["good"] * len(rows.settled)


def wide(shape, units):
    pass


def narrow(shape, units, settings):
    return nn.Sequential(nn.Flatten(), nn.Linear(3, units))
"""

GROUPS = {
    plugins.TRAINER_TYPE: ("FailsToBegin", "FailsToUpdate"),
    plugins.REWARD_SIGNAL: ("Unprepared", "Learning", "Texts"),
    plugins.ENCODER: ("wide", "narrow"),
}


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with that package, in which the runs are written."""
    (tmp_path / "at_fault.py").write_text(CODE)
    described = tmp_path / "at_fault-1.0.dist-info"
    described.mkdir()
    described.joinpath("METADATA").write_text("Metadata-Version: 2.1\nName: at_fault\nVersion: 1.0\n")
    blocks = (
        f"[{group}]\n" + "".join(f"{name} = at_fault:{name}\n" for name in names)
        for group, names in GROUPS.items()
    )
    described.joinpath("entry_points.txt").write_text("\n".join(blocks))
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(ADDED, "at_fault", raising=False)
    monkeypatch.delitem(sys.modules, "at_fault", raising=False)
    plugins.look_again()
    yield tmp_path
    plugins.look_again()


SMALL = {"batch_size": 8, "buffer_size": 16}

FAULTS = [
    ({"trainer_type": "FailsToBegin"}, "trainer_type FailsToBegin: raised TypeError: "),
    ({"reward_signals": {"Unprepared": {}}}, "Unprepared.__init__ does not call that of its base class"),
    ({"reward_signals": {"Learning": {}}}, "reward signal Learning: rewards gives Tensor, expected"),
    ({"reward_signals": {"Texts": {}}}, "reward signal Texts: rewards gives list, expected"),
]


@pytest.mark.parametrize(
    ("block", "told"), FAULTS, ids=[str(next(iter(block.values()))) for block, _ in FAULTS]
)
def test_what_does_not_fit_is_named(package, block, told):
    settings = {
        "behaviors": {
            "CartPole-v1": {"hyperparameters": SMALL, "max_steps": 40, "trainer_type": "ppo", **block}
        }
    }
    with pytest.raises(UserError) as found:
        train(make_env("CartPole-v1", num_envs=2, seed=0), settings)
    assert told in str(found.value)
    assert "\n" not in str(found.value)


@pytest.mark.parametrize(
    ("encoder", "told"), [("wide", "raised TypeError: "), ("narrow", "raised RuntimeError: ")]
)
def test_an_encoder_that_fails_is_named(package, encoder, told):
    with pytest.raises(UserError, match=f"encoder {encoder}: {told}"):
        image_encoder(encoder, (1, 8, 8), 4, NetworkSettings())


def test_an_exception_in_it_is_one_line_of_the_command(package, capsys):
    sizes = [f"--set=behaviors.*.hyperparameters.{key}={value}" for key, value in SMALL.items()]
    kind = "--set=behaviors.*.trainer_type=FailsToUpdate"
    assert main(["--env", "CartPole-v1", "--num-envs", "2", "--max-steps", "40", kind, *sizes]) == 2
    line = capsys.readouterr().err
    assert line.startswith("error: the code of trainer_type FailsToUpdate raised AttributeError: ")
    assert f"({package / 'at_fault.py'}, line " in line
    assert line.endswith("; what was learned until then is saved.\n")
    assert line.count("\n") == 1


def test_from_python_it_stays_what_it_is(package):
    block = {"trainer_type": "FailsToUpdate", "hyperparameters": SMALL}
    with pytest.raises(AttributeError, match="nothing"):
        train(make_env("CartPole-v1", num_envs=2, seed=0), {"behaviors": {"CartPole-v1": block}})
