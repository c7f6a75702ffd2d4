"""Runs from Python under torchrun, one after the other: `torchrun … rank_runs.py FOLDER` writes what each rank saw."""

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from command_tools import SMALL
from mlagents_envs.base_env import BehaviorMapping
from rank_envs import RANK
from training.duels import arena
from training.duels import options as play_options
from training.test_curriculum import Taught, lessons
from training.test_statistics import Reporting

from trainers import Callback, Moment, Outcome, UserError, train
from trainers.config import RunSettings
from trainers.training.environments import make_environment
from trainers.training.evaluation import EVALUATION_SEED

BEHAVIOR = {**SMALL, "max_steps": 1000, "summary_freq": 200}
NOVELTY = {"network_settings": {"hidden_units": 8, "num_layers": 1, "normalize": True}}


class Pupils(Taught):
    """Tells how many steps each lesson began after."""

    count = 0

    def step(self) -> None:
        self.count += 1
        super().step()

    def set_parameters(self, values: Any) -> None:
        super().set_parameters(values)
        self.told.append(self.count)


class Late(Taught):
    """Has no behavior at first; on rank 1 it appears later than on rank 0."""

    seen = 0

    @property
    def behavior_specs(self) -> BehaviorMapping:
        self.seen += 1
        return super().behavior_specs if self.seen > 10 + 10 * RANK else BehaviorMapping({})

    def step(self) -> None:
        if hasattr(self, "action"):  # nobody tells the agents what to do before all ranks know of them
            super().step()


class Watch(Callback):
    """Ends the run at its first summary, and keeps what it says that the environments reported."""

    numbers: tuple[float, ...] = ()

    def summary(self, moment: Moment) -> None:
        self.numbers = (*self.numbers, moment.figures["Game/Number"])
        moment.stop()


def told(outcomes: dict[str, Outcome]) -> dict[str, Any]:
    """What must be the same on all ranks."""
    kept = ("steps", "episodes", "mean_return", "trained", "finished")
    return {name: {key: asdict(one)[key] for key in kept} for name, one in outcomes.items()}


def examiner(settings: RunSettings) -> Taught:
    """The environment of evaluations, which rank 0 alone makes."""
    assert RANK == 0
    assert settings.env_settings.seed == EVALUATION_SEED
    return Taught()


def evaluated(common: dict[str, Any]) -> dict[str, Any]:
    keys = {"max_steps": 20_000, "evaluation_freq": 300, "patience": 2}
    run = {**common["checkpoint_settings"], "run_id": "evaluated"}
    return {**common, "default_settings": {**BEHAVIOR, **keys}, "checkpoint_settings": run}


def misfortune(
    common: dict[str, Any], run_id: str, behavior: dict[str, Any], **options: Any
) -> dict[str, Any]:
    """The outcomes of a run in the environment of misfortunes, or the error of this rank and whether it may tell it."""
    settings = {
        **common,
        "default_settings": {**BEHAVIOR, **behavior},
        "checkpoint_settings": {**common["checkpoint_settings"], "run_id": run_id},
        "env_settings": {"seed": 4, "env_path": "rank_envs:Misfortune-v0", "env_options": options},
    }
    try:
        return told(train(make_environment, settings))
    except UserError as error:
        return {"error": str(error), "speaks": not error.told}


def main(folder: Path) -> None:
    """Play against oneself, be taught lessons, begin late, end early, be refused, be stopped, be slow, fail."""
    torch.set_num_threads(1)
    found: dict[str, Any] = {}
    found["self-play"] = told(train(arena(copies=4, seed=3 + RANK), play_options(folder, 1500)))
    pupils = Pupils()
    parameters = {
        "mass": lessons({"measure": "progress", "threshold": 0.5, "require_reset": True}),
        "slope": lessons({"threshold": 3.0, "min_lesson_length": 60}),
    }
    run = {"run_id": "taught", "results_dir": str(folder)}
    common = {"default_settings": BEHAVIOR, "checkpoint_settings": run, "env_settings": {"seed": 4}}
    found["lessons"] = told(train(pupils, {**common, "environment_parameters": parameters}))
    found["told"] = [str(each) for each in pupils.told]
    curious = {**BEHAVIOR, "reward_signals": {"extrinsic": {}, "rnd": NOVELTY}}
    late = {**common, "default_settings": curious, "checkpoint_settings": {**run, "run_id": "late"}}
    found["late"] = told(train(Late(), late))
    early = {**common, "checkpoint_settings": {**run, "run_id": "early"}}
    early["default_settings"] = {**BEHAVIOR, "max_steps": 20_000, "patience": 2}
    found["early"] = told(train(Taught(), early))
    outcomes = train(Taught(), evaluated(common), evaluation_env=examiner)
    found["evaluated"], found["best"] = told(outcomes), outcomes["Task"].best_return
    watch = Watch()
    stopped = {**early, "checkpoint_settings": {**run, "run_id": "stopped"}}
    found["stopped"] = told(train(Reporting(RANK), stopped, callbacks=[watch]))
    assert set(watch.numbers) == ({0.5} if RANK == 0 else set())
    found["other file"] = misfortune(common, "refused", {"max_steps": 1000 + RANK})
    found["other observations"] = misfortune(common, "wide", {}, wider=True)
    found["signalled"] = misfortune(common, "signalled", {"max_steps": 1_000_000}, what="stopped")
    preempted = {**common, "rank_settings": {"preemption": 0.5}}
    found["uneven"] = misfortune(preempted, "uneven", {"max_steps": 400}, slow=0.02, tally=str(folder))
    found["raised"] = misfortune(
        common, "raised", {"max_steps": 1_000_000, "checkpoint_interval": 150}, what="raises"
    )
    (folder / f"{RANK}.json").write_text(json.dumps(found))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
