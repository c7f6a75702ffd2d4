"""Signals of other packages that give the wrong thing: one line that names the signal, before anything is lost."""

from typing import Any

import numpy as np
import pytest
from run_tools import train_small

from gym_adapters.errors import UserError
from trainers import load_policy
from trainers.config import RewardSignalSettings, plugins
from trainers.experience.rows import Rows
from trainers.rewards.signal import RewardSignal


class Odd(RewardSignal):
    """Pays 1 for each row; `wrong` says what it does otherwise."""

    settings_class = RewardSignalSettings
    wrong = ""

    def rewards(self, rows: Rows) -> np.ndarray:
        paid = np.ones(len(rows.settled), np.float32)
        if self.wrong == "short":
            return paid[1:]
        if self.wrong == "column":
            return paid[:, None]
        paid[np.flatnonzero(~rows.settled)] = np.nan  # these have no meaning
        if self.wrong in ("nan", "inf"):
            paid[np.flatnonzero(rows.settled)[-1]] = float(self.wrong)
        return paid

    def update(self, rows: Rows) -> Any:
        return {"text": {"Policy/Odd": "high"}, "list": [1.0], "array": {"Policy/Odd": np.ones(2)}}.get(
            self.wrong, {"Policy/Odd": np.float32(2.0)}
        )

    def state_dict(self) -> dict[str, Any]:
        counts = {"numpy": np.ones(3), "number": np.float64(1.0), "object": self, "set": {1}}
        return {"seen": {"counts": [counts.get(self.wrong, 1)]}}


@pytest.fixture
def odd(monkeypatch: pytest.MonkeyPatch) -> type[Odd]:
    """The class, which an installed package gives the name `strange`."""
    monkeypatch.setattr(Odd, "__module__", __name__)
    names = {plugins.REWARD_SIGNAL: ["strange"]}
    monkeypatch.setattr(plugins, "names", lambda group, _: names.get(group, []))
    monkeypatch.setattr(plugins, "load", lambda *_: Odd)
    return Odd


def run(tmp_path: Any, trainer: str) -> None:
    hyper = {"sac": {"buffer_init_steps": 300, "batch_size": 32, "steps_per_update": 16}}.get(trainer)
    keys = {"max_steps": 900, "reward_signals": {"extrinsic": {}, "strange": {"strength": 0.1}}}
    keys |= {"trainer_type": trainer, **({"hyperparameters": hyper} if hyper else {})}
    train_small(tmp_path, behavior=keys)


@pytest.mark.parametrize("trainer", ["ppo", "sac"])
@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (
            "short",
            r"reward signal strange: gives rewards of shape \(\d+,\), expected \(\d+,\), one for each row",
        ),
        ("column", r"reward signal strange: gives rewards of shape \(\d+, 1\), expected \(\d+,\)"),
        ("nan", "reward signal strange: gives a reward that is not finite"),
        ("inf", "reward signal strange: gives a reward that is not finite"),
        (
            "text",
            "reward signal strange: update returns {'Policy/Odd': 'high'}, expected numbers by TensorBoard tag",
        ),
        ("list", r"reward signal strange: update returns \[1.0\], expected numbers"),
        ("array", "reward signal strange: update returns .*, expected numbers"),
        ("", None),
    ],
)
def test_what_a_signal_gives_is_checked_where_it_is_used(
    wrong: str, told: str | None, trainer: str, tmp_path: Any, odd: type[Odd], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(odd, "wrong", wrong)
    if told is None:
        run(tmp_path, trainer)
    else:
        with pytest.raises(UserError, match=told):
            run(tmp_path, trainer)
    assert load_policy(tmp_path / "first").step > 0, "what was learned until then is saved"


@pytest.mark.parametrize(
    ("wrong", "kind"),
    [("numpy", "numpy.ndarray"), ("number", "numpy.float64"), ("object", ".*Odd"), ("set", "builtins.set")],
)
def test_a_state_that_could_not_be_read_again_is_refused_before_training(
    wrong: str, kind: str, tmp_path: Any, odd: type[Odd], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(odd, "wrong", wrong)
    where = r"behavior Task: state\.reward_signals\.strange\.seen\.counts\.0"
    with pytest.raises(UserError, match=f"^{where} is a {kind}, and a checkpoint with it could not be read"):
        run(tmp_path, "ppo")
    assert not (tmp_path / "first" / "Task" / "checkpoint.pt").exists()
