"""A run that never begins closes its environment, gives its threads back, and leaves no folder."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mlagents_envs.base_env import TerminalSteps
from run_tools import Stopwatch, options
from scripted_env import make_spec
from task_envs import TaskEnv
from threadpoolctl import threadpool_info, threadpool_limits

from trainers import UserError, train
from trainers.training import first_reward

PLAIN = options(Path("runs"))


def another(**blocks: Any) -> dict[str, Any]:
    return {**PLAIN, **blocks}


def in_the_way() -> dict[str, Any]:
    Path("runs/first").mkdir(parents=True)
    Path("runs/first/notes.txt").write_text("mine")
    return PLAIN


def a_file_in_the_way() -> dict[str, Any]:
    Path("runs").mkdir()
    Path("runs/first").write_text("mine")
    return PLAIN


REFUSED: dict[str, tuple[Callable[[], Any], str]] = {
    "no such file": (lambda: Path("missing.yaml"), "missing.yaml"),
    "not yaml": (lambda: "behaviors: [", "line"),
    "unknown key": (lambda: another(behaviours={}), "behaviours"),
    "bad value": (lambda: options(Path("runs"), behavior={"max_steps": "never"}), "max_steps"),
    "no demonstrations for a signal": (
        lambda: options(Path("runs"), behavior={"reward_signals": {"gail": {"demo_path": "a.demo"}}}),
        "a.demo: no such file or folder",
    ),
    "no demonstrations to clone": (
        lambda: options(Path("runs"), behavior={"behavioral_cloning": {"demo_path": "Expert.demo"}}),
        "Expert.demo: no such file or folder",
    ),
    "a run folder in the way": (in_the_way, "exists already"),
    "a file in the way": (a_file_in_the_way, "exists already"),
    "no run to resume": (lambda: options(Path("runs"), "typo", resume=True), "there is no run"),
    "no plain name": (lambda: options(Path("runs"), "../up"), "expected a folder name"),
    "no such device": (lambda: another(torch_settings={"device": "tpu"}), "tpu"),
    "another behavior": (
        lambda: another(behaviors={"Other": PLAIN["behaviors"]["Task"]}),
        "behavior Task|Task",
    ),
    "nothing to start from": (lambda: options(Path("runs"), initialize_from="none"), "no run folder"),
}


@contextmanager
def threads_given_back() -> Iterator[None]:
    """Torch and BLAS compute with as many threads at the end as before, and more than one to tell it from a run's."""
    torch_before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        with threadpool_limits(2, user_api="blas"):
            yield
            assert torch.get_num_threads() == 3
            blas = [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]
            assert blas
            assert set(blas) == {2}
    finally:
        torch.set_num_threads(torch_before)


@pytest.mark.parametrize("what", REFUSED)
def test_an_environment_is_closed_and_threads_are_given_back_when_settings_are_refused(what):
    make, told = REFUSED[what]
    settings, env = make(), Stopwatch().env()
    before = runs_there()
    with threads_given_back(), pytest.raises(UserError, match=told) as caught:
        train(env, settings)
    assert env.closed
    assert "\n" not in str(caught.value)
    assert runs_there() == before, "nothing new, and nothing lost"


def runs_there() -> dict[Path, str]:
    """Every file of every run, with what is in it; locks are none."""
    files = (path for path in Path("runs").glob("[!.]*/**/*") if path.is_file())
    return {path: path.read_text() for path in (*files, *Path("runs").glob("[!.]*")) if path.is_file()}


def test_an_environment_is_not_made_where_settings_are_refused():
    made = []
    with pytest.raises(UserError, match="tpu"):
        train(lambda settings: made.append(settings), another(torch_settings={"device": "tpu"}))
    assert not made


@pytest.mark.parametrize("fails", ["make", "reset", "step"])
def test_threads_are_given_back_when_the_environment_fails(fails):
    env = Stopwatch().env()

    def fail(*_: object) -> TaskEnv:
        raise RuntimeError(f"cannot {fails}")

    if fails != "make":
        setattr(env, fails, fail)
    with threads_given_back(), pytest.raises(RuntimeError, match=f"cannot {fails}"):
        train(fail if fails == "make" else (lambda settings: env), PLAIN)
    assert env.closed == (fails != "make")


def test_threads_are_given_back_after_a_run():
    env = Stopwatch().env()
    with threads_given_back():
        train(env, options(Path("runs"), behavior={"max_steps": 64}))
    assert env.closed


class Strangers(TaskEnv):
    """Every decision is asked for by agents that nobody has heard of before or hears of again."""

    def __init__(self) -> None:
        super().__init__(
            make_spec((1,), branches=(2,)),
            lambda rng, age: ([age[:, None].astype(np.float32)], None),
            lambda observations, action: np.zeros(len(action.discrete)),
            agents=2,
            length=10,
            seed=0,
        )
        self._asked = 0

    def get_steps(self, behavior_name: str):
        decision, _ = super().get_steps(behavior_name)
        self._asked += len(decision)
        decision.agent_id = decision.agent_id + self._asked
        return decision, TerminalSteps.empty(self.behavior_specs[behavior_name])


@pytest.mark.parametrize("trainer_type", ["ppo", "sac"])
def test_a_run_in_which_no_decision_is_ever_rewarded_ends_with_what_is_wrong(trainer_type, monkeypatch):
    monkeypatch.setattr(first_reward, "LONGEST_SILENCE", 50)
    with pytest.raises(UserError, match=r"no decision was rewarded in 50 .* agent_id"):
        train(
            Strangers(),
            options(Path("runs"), behavior={"trainer_type": trainer_type, "hyperparameters": {}}),
        )
