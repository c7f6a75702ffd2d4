"""One run: its learners, its folder, and what is shown and written while it goes on."""

import json
import shutil
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path
from typing import Any

import torch
import yaml
from mlagents_envs.base_env import BaseEnv, BehaviorSpec
from threadpoolctl import threadpool_limits

from gym_adapters.errors import UserError, refusal_named
from trainers.algorithms.a2c import A2C
from trainers.algorithms.dqn import DQN
from trainers.algorithms.learner import Learner
from trainers.algorithms.ppo import PPO
from trainers.config import RunSettings, dump_settings
from trainers.optim.device import choose_compute, find_device
from trainers.records.checkpoint import read_status, write_text
from trainers.records.policy_file import find_checkpoint
from trainers.records.progress import Display
from trainers.records.run_folder import CONFIGURATION
from trainers.records.timers import TimerTree
from trainers.records.wandb_report import open_wandb
from trainers.training.curriculum import Curriculum, Measured, lessons_in, send
from trainers.training.recorder import Outcome, Recorder, restore

LEARNERS: dict[str, type[Learner]] = {"ppo": PPO, "a2c": A2C, "dqn": DQN}


class Session:
    """Makes a learner for each behavior that shows up, and writes the run folder.

    Args:
        settings: the resolved training file; its `checkpoint_settings.run_id` is set.
        display: where progress is shown.

    Attributes:
        stop_requested: set it to leave the loop after the present step.
        timers: where the run's time went.
    """

    def __init__(self, settings: RunSettings, display: Display) -> None:
        checkpoints = settings.checkpoint_settings
        self.settings, self.display = settings, display
        self.run_folder = Path(checkpoints.results_dir, str(checkpoints.run_id))
        if settings.torch_settings.device not in (None, "auto"):
            find_device(str(settings.torch_settings.device))
        if settings.wandb is not None:
            open_wandb()  # before anything is written
        self.timers = TimerTree()
        self._torch_threads, self._threads = torch.get_num_threads(), 1
        self._numpy_threads = threadpool_limits(1, user_api="blas")
        self.stop_requested = False
        self._recorders: dict[str, Recorder] = {}
        self._unsaved: set[str] = set()
        self._status_path = self.run_folder / "run_logs" / "training_status.json"
        self._status = read_status(self._status_path) if checkpoints.resume else {}
        self._curriculum = Curriculum(settings.environment_parameters or {}, lessons_in(self._status))
        if not checkpoints.resume:  # a resume that fails leaves the run as it was
            self._write_configuration()

    @property
    def finished(self) -> bool:
        """A stop was asked for, or every behavior seen has had its `max_steps` (inference goes on until stopped)."""
        if self.settings.checkpoint_settings.inference:
            return self.stop_requested
        learners = [recorder.learner for recorder in self._recorders.values()]
        done = bool(learners) and all(learner.step >= learner.settings.max_steps for learner in learners)
        return done or self.stop_requested

    def learner(self, behavior_id: str, spec: BehaviorSpec) -> Learner:
        """The learner of `Name`, or of every team of `Name?team=0`, made when first seen.

        Raises:
            UserError: the behavior is not in the training file, or its checkpoint does not fit.
        """
        name = behavior_id.split("?", 1)[0]
        if name not in self._recorders:
            self._recorders[name] = self._record(name, spec)
        return self._recorders[name].learner

    def report(self) -> None:
        """Write and show what is due; called every environment step."""
        for name, recorder in self._recorders.items():
            learner = recorder.learner
            self.display.tick(name, learner.step, learner.settings.max_steps, self.timers)
            finishes = learner.training and learner.step >= learner.settings.max_steps
            if recorder.summary_due or finishes:
                self._summarise(recorder)
            if learner.training and (recorder.checkpoint_due or finishes):
                self._checkpoint(recorder)
            learner.training = learner.training and not finishes

    def send_lessons(self, env: BaseEnv) -> None:
        """Send the environment all its parameters; called before its first reset.

        Raises:
            UserError: it takes none.
        """
        send(env, self._curriculum.values)

    def advance_lessons(self, env: BaseEnv) -> bool:
        """Send the parameters whose next lesson begins; called every environment step.

        Returns:
            Whether the environment must now be reset for it; its agents are forgotten.
        """
        learners = [recorder.learner for recorder in self._recorders.values()]
        change = self._curriculum.advance(
            {
                learner.name: Measured(
                    learner.step / learner.settings.max_steps, learner.metrics.lesson_returns
                )
                for learner in learners
            }
        )
        if not change.values:
            return False
        send(env, change.values)
        for learner in learners:
            learner.metrics.lesson_returns.clear()
            learner.metrics.standing |= self._curriculum.tags
            if change.reset:
                learner.forget_agents()
        return change.reset

    def take_statistics(self, env: BaseEnv) -> None:
        """Add what the environment reports of itself, if it does (Unity's `StatsRecorder`), to every behavior."""
        take = getattr(env, "take_stats", None)
        if take is not None:
            reported = take()
            for recorder in self._recorders.values():
                recorder.learner.metrics.add_reported(reported)

    def close(self, save: bool = True) -> dict[str, Outcome]:
        """Write the last summary and checkpoint (unless `save` is false) and close every file.

        Raises:
            UserError: the last checkpoint could not be written.
        """
        outcomes: dict[str, Outcome] = {}
        for name, recorder in self._recorders.items():
            if save:
                self._summarise(recorder)
                if recorder.learner.training or name in self._unsaved:  # one that has finished was saved then
                    self._checkpoint(recorder)
            outcomes[name] = recorder.close()
        if self._recorders:
            with self._files("run_logs/timers.json"):
                self._write_timers()
        else:
            self._withdraw()
        torch.set_num_threads(self._torch_threads)
        self._numpy_threads.restore_original_limits()
        self.display.close()
        if save and self._unsaved:
            names = ", ".join(sorted(self._unsaved))
            raise UserError(
                f"{self.run_folder}: the last checkpoint of {names} could not be written, for the reason above; "
                "make room for it, then --resume goes on from the one before, if there is one"
            )
        return outcomes

    def _record(self, name: str, spec: BehaviorSpec) -> Recorder:
        settings, checkpoints = self.settings.behavior(name), self.settings.checkpoint_settings
        seed = self.settings.env_settings.seed
        compute, reason = choose_compute(spec, settings, self.settings.torch_settings, self._torch_threads)
        if self.settings.torch_settings.device == "auto" or "measurement" in reason:
            self.display.say(f"{name} is computed on {compute}: {reason}")
        torch.set_num_threads(1)  # initial weights do not depend on the number of threads
        learner = LEARNERS[settings.trainer_type](name, spec, settings, seed, compute.device)
        learner.set_precision(compute.bfloat16)
        learner.training = not checkpoints.inference
        learner.metrics.lesson_returns = deque(maxlen=self._curriculum.window(name))
        learner.metrics.standing = self._curriculum.tags
        self._threads = max(self._threads, compute.threads)
        torch.set_num_threads(self._threads)
        if not checkpoints.resume:
            start = self._starting_point(name, settings.init_path)
            if start is not None:
                restore(learner, start, only_weights=True)
        text = yaml.safe_dump(settings.model_dump(mode="json"), sort_keys=False)
        recorder = Recorder(
            learner,
            self.run_folder,
            text,
            self._status.get(name, {}),
            checkpoints.resume,
            self.settings if self.settings.wandb else None,
        )
        if recorder.wandb is not None:
            self.display.say(f"{name} is logged to {recorder.wandb.place}")
        if checkpoints.resume:
            self._write_configuration()
        return recorder

    def _starting_point(self, name: str, init_path: str | None) -> Path | None:
        """The checkpoint new weights come from (ML-Agents keys `init_path` and `initialize_from`)."""
        checkpoints = self.settings.checkpoint_settings
        if init_path is not None:
            return find_checkpoint(Path(init_path))
        if checkpoints.initialize_from is None:
            return None
        folder = Path(checkpoints.results_dir, checkpoints.initialize_from)
        if not folder.is_dir():
            raise UserError(f"--initialize-from {checkpoints.initialize_from}: no run folder {folder}")
        return find_checkpoint(folder / name)

    def _summarise(self, recorder: Recorder) -> None:
        summary = recorder.summarise(self.timers.elapsed)
        if summary is not None:
            self.display.summarise(summary)
            with self._files(f"the summary of {summary.behavior}"):
                recorder.write(summary)

    def _checkpoint(self, recorder: Recorder) -> None:
        name = recorder.learner.name
        self._unsaved.add(name)
        with self.timers("checkpoint"):
            with self._files(f"the checkpoint of {name} at {recorder.learner.step:,}"):
                self._status[name] = recorder.checkpoint()
                for parameter, lesson in self._curriculum.lessons.items():
                    self._status.setdefault(parameter, {})["lesson_num"] = lesson
                self._status["metadata"] = {
                    "stats_format_version": "0.3.0",
                    "mlagents_version": metadata.version("mlagents-envs"),
                    "torch_version": torch.__version__,
                }
                write_text(self._status_path, json.dumps(self._status, indent=4))
                self._unsaved.remove(name)
            with self._files(f"the plots of {name}"):
                recorder.draw()

    @contextmanager
    def _files(self, what: str) -> Iterator[None]:
        """Around writing files: what the system refuses (a full disk, another program's lock) does not end training."""
        try:
            yield
        except OSError as error:
            self.display.say(f"Not written: {what} ({error})")

    def _write_configuration(self) -> None:
        path = self.run_folder / CONFIGURATION
        with refusal_named(path):
            write_text(path, dump_settings(self.settings))

    def _withdraw(self) -> None:
        """Free the name of a run that never began, unless something worth reading was written."""
        files = [path for path in self.run_folder.rglob("*") if path.is_file()]
        if not self.settings.checkpoint_settings.resume and files == [self.run_folder / CONFIGURATION]:
            shutil.rmtree(self.run_folder)

    def _write_timers(self) -> None:
        tree: dict[str, Any] = self.timers.as_dict()
        tree["gauges"] = {}
        for recorder in self._recorders.values():
            tree["gauges"] |= recorder.gauges
        tree["metadata"] = {"torch_version": torch.__version__}
        write_text(self.run_folder / "run_logs" / "timers.json", json.dumps(tree, indent=4))
