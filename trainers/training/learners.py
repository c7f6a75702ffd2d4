"""Makes the learners of a run, each with its seed, device and initial weights."""

from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from mlagents_envs.base_env import BehaviorSpec

from gym_adapters.commands import nearby
from gym_adapters.errors import UserError, place_named, unread_named
from gym_adapters.text import one_line
from trainers.algorithms.learner import Learner
from trainers.config import BehaviorSettings, RunSettings, TorchSettings, catalogue, plugins
from trainers.config.errors import listed
from trainers.config.scaling import scaled
from trainers.experience.task import Task
from trainers.imitation.sources import require_source
from trainers.maths.seeds import behavior_seed
from trainers.networks.policy_network import PolicyNetwork
from trainers.networks.weights import require_room
from trainers.optim.collective import Alone, Collective, JointError
from trainers.optim.crowding import Crowding
from trainers.optim.device import Compute, agreed_choice, choose_compute
from trainers.optim.measured import Measured
from trainers.optim.threads import Threads, torch_threads
from trainers.records.checkpoint import NEWEST
from trainers.records.names import behavior_folder
from trainers.records.policy_file import find_checkpoint
from trainers.records.progress import Display
from trainers.training.resuming import is_of_run, named_run, resumed_settings, saved_behaviors
from trainers.training.starting import start_from


class Learners:
    """Makes learners, in the order in which behaviors appear.

    Args:
        settings: the resolved training file.
        threads: the run's threads, to which a learner may add.
        display: shows on which device a network is computed.
        collective: the processes that train together.
    """

    def __init__(
        self, settings: RunSettings, threads: Threads, display: Display, collective: Collective | None = None
    ) -> None:
        self.settings, self.threads, self.display = settings, threads, display
        self.collective = collective or Alone()
        checkpoints = settings.checkpoint_settings
        source = checkpoints.initialize_from
        self._start = (
            None if source is None else named_run(source, checkpoints)
        )  # before the folder is changed
        self._made = 0

    def make(self, name: str, spec: BehaviorSpec, status: Mapping[str, Any]) -> Learner:
        """Make the learner of a behavior, with new weights or with those that the training file says to start from.

        Args:
            name: the behavior's name, without team.
            spec: its observations and actions.
            status: its part of `training_status.json`; empty for a new run.

        Raises:
            UserError: the behavior is not in the training file, its network is too large for this machine,
                its algorithm does not imitate although it should, or the weights to start from do not fit.
        """
        settings = self.settings.behavior(name)
        if self.settings.rank_settings.scale_batch:
            settings = scaled(settings, self.collective.size)
        wanted, note = resumed_settings(self.settings.torch_settings, status)
        if note:
            self.display.say(f"{name}: {note}")
        algorithm = catalogue.algorithm(settings.trainer_type)
        assert algorithm is not None
        learner_class: type[Learner] = algorithm.load()
        owner = f"behavior {one_line(name, 100)}"
        trial = _trial_network(learner_class, owner, spec, settings)
        compute, by_measurement = self._choose_compute(name, trial, settings, wanted)
        seed = behavior_seed(self.settings.env_settings.seed, self._made)
        self._made += 1
        learns = not self.settings.checkpoint_settings.inference
        graphs = wanted.cuda_graphs
        task = Task(
            name, spec, settings, seed, compute.device, self.collective, learns=learns, cuda_graphs=graphs
        )
        used = nullcontext() if algorithm.is_own else plugins.using(plugins.TRAINER_TYPE, algorithm.name)
        with used, torch_threads(1):  # initial weights do not depend on the number of threads
            learner = learner_class(task)
            learner.set_precision(compute.bfloat16)
        if learns and settings.behavioral_cloning is not None and learner.cloning is None:
            raise UserError(
                f"{owner}: trainer_type {settings.trainer_type} does not support behavioral_cloning; remove it"
            )
        learner.training = learns
        self.threads.at_least(compute.threads)
        if by_measurement and compute.threads > 1 and not settings.threaded:
            learner.optimizer.crowding = Crowding()
        if settings.threaded:
            learner.update_in(self.threads.submit)
        start = None if self.collective.rank else self._starting_point(name, settings.init_path)
        if start is not None:
            self.display.say(f"{name} starts from {nearby(str(start))}")
            for note in start_from(learner, start):
                self.display.say(f"{name}: {note}")
        return learner

    def _choose_compute(
        self, name: str, trial: PolicyNetwork, settings: BehaviorSettings, wanted: TorchSettings
    ) -> tuple[Compute, bool]:
        """Return on what all ranks compute a network, as rank 0 chooses, and whether that was measured.

        Args:
            name: the behavior's name, for messages.
            trial: a network like the behavior's.
            settings: the behavior's settings.
            wanted: what the training file, or the run that is resumed, says of the device.
        """
        choice = None
        if self.collective.rank == 0:
            choice = choose_compute(
                trial,
                -(-settings.hyperparameters.batch_size // self.collective.size),
                wanted,
                self.threads.most,
                Measured(),
                lambda text: self.display.say(f"{name}: {text}"),
            )
        compute, reason, by_measurement = agreed_choice(choice, self.collective)
        if wanted.device == "auto" or by_measurement:
            self.display.say(f"{name} is computed on {compute}: {reason}")
        return compute, by_measurement

    def _starting_point(self, name: str, init_path: str | None) -> Path | None:
        """Return the checkpoint to take weights from (ML-Agents keys `init_path` and `initialize_from`), or None.

        As in ML-Agents, an `init_path` that is the name of a file, without a folder, is a checkpoint of the run that
        `initialize_from` names.
        """
        checkpoints = self.settings.checkpoint_settings
        if checkpoints.resume:
            return None
        if init_path is not None and not is_of_run(init_path, checkpoints):
            return find_checkpoint(Path(init_path))
        folder = self._start
        if folder is None:
            return None
        with unread_named(folder):
            own = behavior_folder(folder, name)
            if not own.is_dir():
                raise UserError(
                    f"--initialize-from {checkpoints.initialize_from}: {folder} has no behavior {one_line(name, 100)}, "
                    f"it has {saved_behaviors(folder)}; to start from one of these, name its {NEWEST} as init_path of "
                    "the behavior"
                )
            return find_checkpoint(own if init_path is None else own / init_path)


def _trial_network(
    learner_class: type[Learner], owner: str, spec: BehaviorSpec, settings: BehaviorSettings
) -> PolicyNetwork:
    """Return a network like the behavior's, which is measured and thrown away.

    Raises:
        UserError: it is too large for this machine, or cannot be made; the message begins with `owner`.
    """

    def make() -> PolicyNetwork:
        return learner_class.make_network(spec, settings)

    require_room(owner, spec, settings.network_settings, make, copies=4)
    with place_named(owner):
        return make()


def check_threads(settings: RunSettings, collective: Collective) -> None:
    """Require that no behavior updates in a thread (ML-Agents key `threaded`) while several ranks train.

    Raises:
        JointError: one does.
    """
    for path, behavior in settings.behavior_blocks.items():
        if behavior.threaded and collective.size > 1:
            raise JointError(
                f"{path}.threaded: true does not work with {collective.size} ranks, whose updates need one another; "
                "remove the key, or train in one process"
            )


def check_demonstrations(settings: RunSettings) -> None:
    """Look for the demonstrations of all behaviors, so that a wrong path is refused before an environment is started.

    A run that only acts needs none.

    Raises:
        UserError: there is no such file or folder, or Minari is not installed.
    """
    if settings.checkpoint_settings.inference:
        return
    wrong: dict[str, str] = {}
    for path, behavior in settings.behavior_blocks.items():
        blocks = {
            "behavioral_cloning": behavior.behavioral_cloning,
            "reward_signals.gail": behavior.reward_signals.gail,
        }
        for key, block in blocks.items():
            if block is not None:
                try:
                    require_source(block.demo_path)
                except UserError as error:
                    wrong.setdefault(str(error), f"{path}.{key}.demo_path")  # behaviors inherit the default's
    if wrong:
        raise UserError(listed([f"{key}: {error}" for error, key in wrong.items()]))
