"""The study of a search: its trials, of which several processes and machines may each run some."""

import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
from optuna.exceptions import OptunaError
from optuna.samplers import RandomSampler, TPESampler
from optuna.storages import RetryHeartbeatStaleTrialCallback
from optuna.trial import FrozenTrial, TrialState

from gym_adapters.errors import UserError
from trainers.config.dump import as_yaml
from trainers.search.result import COMPLETE, ENDED_EARLY, Result, short, shown
from trainers.search.space import Search
from trainers.search.storage import experimental, open_storage, refusal_of
from trainers.search.trial import TrialError, train_seeds

WAIT_SECONDS = 1.0

_SEARCH, _SEEDS, _REASON, _SECONDS, _SURPLUS, _HISTORY = (
    "search", "seeds", "reason", "seconds", "surplus", "retry_history")  # fmt: skip


def open_study(search: Search, storage: str, name: str) -> optuna.Study:
    """Open the study of a search, or make it.

    Args:
        search: The search.
        storage: URL of the database, such as `sqlite:///study.db` or `postgresql://user@host/name`.
        name: Name of the study in the database.

    Raises:
        UserError: The database cannot be used, or its study of this name belongs to another search.
    """
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    sampler = TPESampler() if search.file.sampler == "tpe" else RandomSampler()
    rule = search.file.pruner
    pruner: Any = optuna.pruners.NopPruner()
    if rule is not None:
        pruner = optuna.pruners.MedianPruner(n_startup_trials=rule.first_trials, n_warmup_steps=rule.after)
    with refusal_of(storage, OptunaError, ImportError, ValueError):
        study = optuna.create_study(
            storage=open_storage(storage),
            study_name=name,
            direction="maximize",
            sampler=sampler,
            pruner=pruner,
            load_if_exists=True,
        )
        own = search.identity()
        known = study.user_attrs.get(_SEARCH)
        if known is None:
            study.set_user_attr(_SEARCH, own)
            return study
    for key in [*known, *own]:
        if known.get(key) != own.get(key):
            values = f"{_said(known, key)} there, {_said(own, key)} now"
            raise UserError(
                f"--study {name}: was begun with another search: {key} is {values}; choose another name"
            )
    return study


def _said(values: dict[str, Any], key: str) -> str:
    return as_yaml(values[key]) if key in values else "not set"


def run_trials(
    study: optuna.Study, search: Search, count: int, out: Path, storage: str, say: Callable[[str], None]
) -> None:
    """Run trials until the study has a number of them, those of other processes included.

    A failed trial counts; one whose process was interrupted or died is begun again under a new number. At the end, wait
    for the trials of other processes, since one of those may have to be begun again.

    Args:
        study: The study.
        search: Its search.
        count: The number of trials.
        out: The folder of the trials.
        storage: The URL of the database, for error messages.
        say: Shows a line.

    Raises:
        UserError: The database is lost, or a file cannot be written.
        KeyboardInterrupt: The search was interrupted. Its trial will be begun again.
    """
    waited_for: set[int] = set()
    with refusal_of(storage):
        while (state := _state_of(study, count)) != "done":
            if state == "start":
                _run_one(study, search, count, out, say)
                continue
            if not waited_for:
                say("waiting for the trials of other processes")
            running = {trial.number for trial in study.get_trials(False, (TrialState.RUNNING,))}
            _expect_signs_of_life(study, storage, running - waited_for)
            waited_for |= running
            time.sleep(WAIT_SECONDS)
            with experimental():
                optuna.storages.fail_stale_trials(study)


def _expect_signs_of_life(study: optuna.Study, url: str, numbers: set[int]) -> None:
    """Let the time begin after which running trials without a sign of life are begun again.

    Optuna counts from the last sign of life, and so waits for ever for a trial whose process died before the first.
    """
    if numbers:
        storage = open_storage(url)
        study_id = storage.get_study_id_from_name(study.study_name)
        for number in numbers:
            storage.record_heartbeat(storage.get_trial_id_from_study_id_trial_number(study_id, number))


def _state_of(study: optuna.Study, count: int) -> str:
    """Return what to do next: `start` a trial, `wait` for other processes, or nothing, since the study is `done`."""
    states = [trial.state for trial in _counted(study)]
    if TrialState.WAITING in states or len(states) < count:
        return "start"
    return "wait" if TrialState.RUNNING in states else "done"


def _counted(study: optuna.Study) -> list[FrozenTrial]:
    """Return the trials that `count` is about: neither those begun again nor the surplus ones."""
    trials = study.get_trials(deepcopy=False)
    again = _begun_again(trials)
    return [trial for trial in trials if trial.number not in again and _SURPLUS not in trial.user_attrs]


def _begun_again(trials: list[FrozenTrial]) -> set[int]:
    return {number for trial in trials for number in trial.system_attrs.get(_HISTORY, [])}


def _run_one(study: optuna.Study, search: Search, count: int, out: Path, say: Callable[[str], None]) -> None:
    """Run one trial. Optuna's `optimize` sends the signs of life, and begins dead trials of others again.

    Several processes may each begin the last trial at once. All but the first of those trials are surplus.
    """
    number: int | None = None

    def objective(trial: optuna.Trial) -> float:
        nonlocal number
        number = trial.number
        if sum(other.number < number for other in _counted(study)) >= count:
            trial.set_user_attr(_SURPLUS, True)
            raise TrialError
        values = _suggest(search, trial)
        told = ", ".join(f"{short(key)} {shown(value)}" for key, value in trial.params.items())
        say(f"trial {number}: trains with {told}")
        begin = time.monotonic()
        try:
            return _train(search, trial, values, out / f"trial-{number:04d}")
        except TrialError as error:
            trial.set_user_attr(_REASON, str(error))
            raise
        finally:
            trial.set_user_attr(_SECONDS, round(time.monotonic() - begin, 1))

    def announce(study: optuna.Study, trial: FrozenTrial) -> None:
        if _SURPLUS not in trial.user_attrs:
            say(_line(study, trial))

    try:
        study.optimize(objective, n_trials=1, catch=(TrialError,), callbacks=[announce])
    except (KeyboardInterrupt, UserError):
        for trial in study.get_trials(states=(TrialState.FAIL,)):
            if trial.number == number:
                with experimental():
                    RetryHeartbeatStaleTrialCallback()(study, trial)
        raise
    except ValueError:
        if number not in _begun_again(study.get_trials(deepcopy=False)):
            raise
        say(f"trial {number}: this process gave no sign of life for too long, so the trial was begun again")


def _train(search: Search, trial: optuna.Trial, values: dict[str, str], folder: Path) -> float:
    def report(summary: int, value: float) -> None:
        trial.report(value, summary)
        if trial.should_prune():
            raise optuna.TrialPruned

    file = search.file
    try:
        settings = search.settings(values)
    except UserError as error:
        raise TrialError(f"the values do not fit each other: {error}") from None
    reached = train_seeds(settings, file.seeds, folder, file.measure, file.behavior, report)
    trial.set_user_attr(_SEEDS, list(reached.values()))
    return statistics.fmean(reached.values())


def _suggest(search: Search, trial: optuna.Trial) -> dict[str, str]:
    """Return the value of each key for a trial, as YAML."""
    values = {}
    for key, range_ in search.file.space.items():
        if range_.choices is not None:
            values[key] = str(trial.suggest_categorical(key, range_.texts))
        elif key in search.whole:
            low, high, step = int(range_.low or 0), int(range_.high or 0), int(range_.step or 1)
            values[key] = as_yaml(trial.suggest_int(key, low, high, step=step, log=range_.log))
        else:
            low_, high_ = range_.low or 0.0, range_.high or 0.0
            values[key] = as_yaml(trial.suggest_float(key, low_, high_, step=range_.step, log=range_.log))
    return values


def _line(study: optuna.Study, trial: FrozenTrial) -> str:
    """Return the line that a trial ends with."""
    if trial.state == TrialState.FAIL:
        return f"trial {trial.number}: failed: {trial.user_attrs.get(_REASON, 'its value is not a number')}"
    if trial.state == TrialState.PRUNED:
        return f"trial {trial.number}: ended early after {trial.last_step} summaries, at {trial.value:,.4g}"
    best = study.best_trial
    return f"trial {trial.number}: {trial.value:,.4g} (best: {best.value:,.4g}, trial {best.number})"


_STATES = {TrialState.COMPLETE: COMPLETE, TrialState.PRUNED: ENDED_EARLY, TrialState.FAIL: "failed",
           TrialState.RUNNING: "running", TrialState.WAITING: "waiting"}  # fmt: skip


def results(study: optuna.Study, storage: str) -> list[Result]:
    """Return all trials of a study by their numbers.

    Raises:
        UserError: The database is lost.
    """
    with refusal_of(storage):
        trials = study.get_trials(deepcopy=False)
    again = _begun_again(trials)
    return [
        Result(
            trial.number,
            "begun again" if trial.number in again else _STATES[trial.state],
            trial.value,
            tuple(trial.user_attrs.get(_SEEDS, ())),
            dict(trial.params),
            trial.user_attrs.get(_SECONDS) if trial.state.is_finished() else None,
            trial.user_attrs.get(_REASON, "its process died" if trial.state == TrialState.FAIL else ""),
        )
        for trial in trials
        if _SURPLUS not in trial.user_attrs
    ]
