"""Updates in a thread of their own, one update behind the agents (ML-Agents key `threaded`)."""

import copy
from abc import abstractmethod
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, Self, TypeVar

import torch

from trainers.algorithms.actor import Actor
from trainers.algorithms.tally import Tally
from trainers.networks.policy_network import PolicyNetwork
from trainers.records.metrics import Metrics

Update = Callable[[], None]
"""An update that a thread can run."""
Submit = Callable[[Update], "Future[None]"]
"""Lets a thread run an update, after all that were submitted before it."""


_Learner = TypeVar("_Learner", bound="Threadable")


class ThreadedUpdates:
    """The updates of a learner in a thread, while its agents go on with the weights before that update.

    An update runs on a twin, a shallow copy of the learner. Both share the objects that only updates change: weights,
    optimiser, moments of observations. The twin has the counts and the rewards' scale as they were when the update
    began, and figures of its own. The agents act by `Learner.acting`.

    The weights that act change only when the learner calls `begin` or `take_over`. So a run does not depend on how
    long its updates take.

    Args:
        learner: the learner.
        submit: hands an update to the thread.
    """

    def __init__(self, learner: "Threadable", submit: Submit) -> None:
        self._learner, self._submit = learner, submit
        self._running: Future[None] | None = None
        self._news = False
        self._twin: Threadable
        self._before: dict[str, Any] = {}

    @property
    def failed(self) -> bool:
        """Whether the update has raised an exception, which `wait` raises."""
        running = self._running
        return running is not None and running.done() and running.exception() is not None

    def begin(self) -> None:
        """Act by the weights of the last update, and begin the next one. Waits while the last one runs.

        Raises:
            Exception: the last update raised it.
        """
        learner = self._learner
        if learner.learns_at_once:
            learner.update()
            return
        if learner.acting is learner.policy:
            learner.act_apart()
        self.take_over()
        self._twin = twin_of(learner)
        update = learner.set_aside(self._twin)
        self._before = dict(vars(self._twin))
        self._running = self._submit(update)

    def take_over(self) -> None:
        """Wait for the update that runs, if one does, and act by its weights from now on.

        Raises:
            Exception: the update raised it.
        """
        self.wait()
        if self._news:
            pairs = zip(_tensors(self._learner.acting), _tensors(self._learner.policy), strict=True)
            with torch.no_grad():
                for acting, learned in pairs:
                    acting.copy_(learned)
            self._news = False

    def wait(self) -> None:
        """Wait for the update that runs, if one does. The learner then has its results, but acts as before.

        Raises:
            Exception: the update raised it. It is raised once.
        """
        if self._running is None:
            return
        self._running.exception()  # waits; if this is interrupted, the next call waits again
        running, self._running = self._running, None
        self._news = True
        try:
            running.result()
        finally:
            changed = {
                name: value for name, value in vars(self._twin).items() if value is not self._before.get(name)
            }
            vars(self._learner).update(changed)
            self._learner.metrics.absorb(self._twin.metrics)
            self._learner.update_ended()


class Threadable(Tally):
    """A learner whose updates may run in a thread.

    Attributes:
        policy: the network that learns.
        acting: the network that chooses actions: `policy`, or a copy of it while a thread changes `policy`.
        acting_generator: the source of randomness of everything but updates.
        actors: the actors made so far, by behavior id.
        threaded: runs the updates in a thread; None runs them at once.
    """

    policy: PolicyNetwork
    acting: PolicyNetwork
    acting_generator: torch.Generator
    actors: dict[str, Actor]
    threaded: ThreadedUpdates | None = None

    @abstractmethod
    def update(self) -> None:
        """Learn from the rewarded decisions.

        Raises:
            UserError: a weight is no longer finite.
        """

    def update_in(self, submit: Submit) -> None:
        """Run updates in a thread from now on (ML-Agents key `threaded`).

        Args:
            submit: hands an update to the thread.
        """
        self.threaded = ThreadedUpdates(self, submit)

    def begin_update(self) -> None:
        """Learn from the stored decisions, or with the ML-Agents key `threaded` let a thread do it.

        A thread takes its time: the agents go on with the weights before this update.

        Raises:
            UserError: a weight is no longer finite; with a thread, that of the update before.
        """
        if self.threaded is None:
            self.update()
        else:
            self.threaded.begin()

    def attend(self) -> None:
        """See `Mind.attend`; raises what an update in a thread has raised."""
        if self.threaded is not None and self.threaded.failed:
            self.threaded.wait()

    def take_over(self) -> None:
        """Wait for the update that runs in a thread, if one does, and act by the newest weights.

        Raises:
            Exception: the update raised it.
        """
        if self.threaded is not None:
            self.threaded.take_over()

    def wait(self) -> None:
        """Wait for the update that runs in a thread, if one does. The learner then has its results.

        Raises:
            Exception: the update raised it.
        """
        if self.threaded is not None:
            self.threaded.wait()

    @property
    def learns_at_once(self) -> bool:
        """Whether the update that is due must not wait for a thread."""
        return False

    def set_aside(self, twin: Self) -> Update:
        """Return the update that is due, for a thread. What it learns from must not change while it runs.

        Args:
            twin: a copy of this learner, on which the update runs.
        """
        return twin.update

    def update_ended(self) -> None:
        """Called when an update in a thread has ended, before anything else happens to the learner; does nothing."""

    def act_apart(self) -> None:
        """Act by a copy of the policy from now on, because a thread changes the policy."""
        self.acting = copy.deepcopy(self.policy)
        if self.opponents is not None:
            self.opponents.policy = self.acting


def twin_of(learner: _Learner) -> _Learner:
    """Return a shallow copy of a learner, with figures, actors and signals of its own."""
    twin = copy.copy(learner)
    twin.metrics = Metrics()
    twin.signals = [signal.frozen() for signal in learner.signals]
    twin.actors = {name: actor.frozen() for name, actor in learner.actors.items()}
    return twin


def _tensors(network: PolicyNetwork) -> list[torch.Tensor]:
    return [*network.parameters(), *network.buffers()]
