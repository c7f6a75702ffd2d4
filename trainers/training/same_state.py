"""Keeps a learner the same on all ranks: at its beginning, and at each checkpoint."""

import hashlib

from trainers.algorithms.learner import Learner
from trainers.optim.collective import JointError
from trainers.rewards.learned import LearnedSignal


def share_state(learner: Learner) -> None:
    """Give every rank the state of rank 0's learner: new weights, or those of a checkpoint that only rank 0 can read.

    The random numbers of the ranks stay different.

    Raises:
        JointError: the weights differ all the same.
    """
    collective, opponents = learner.task.collective, learner.opponents
    if collective.size == 1:
        return
    state = {
        "learner": learner.state_dict(),
        "opponents": None if opponents is None else opponents.state_dict(),
    }
    state = collective.broadcast(state if collective.rank == 0 else None)
    if collective.rank:
        learner.load_state_dict(state["learner"])
        if opponents is not None:
            opponents.load_state_dict(state["opponents"])
    require_same_weights(learner)


def require_same_weights(learner: Learner) -> None:
    """Require that all ranks have the same weights, bit for bit.

    Raises:
        JointError: the weights of two ranks differ; the message names the ranks.
    """
    collective = learner.task.collective
    if collective.size == 1:
        return
    found = collective.gather_values(weights_hash(learner))
    other = next((rank for rank, each in enumerate(found) if each != found[0]), None)
    if other is not None:
        raise JointError(
            f"behavior {learner.name}: the weights of rank {other} differ from those of rank 0 at step "
            f"{learner.step:,}; use the same kind of machine and the same packages for all ranks"
        )


def weights_hash(learner: Learner) -> str:
    """Return a hash of all weights, those of reward signals included."""
    digest = hashlib.sha256()
    signals = [signal.optimizer for signal in learner.signals if isinstance(signal, LearnedSignal)]
    for optimizer in (learner.optimizer, *signals):
        for flat in optimizer.flat:
            digest.update(flat.detach().cpu().numpy().tobytes())
    return digest.hexdigest()
