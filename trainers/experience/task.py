"""What is to be learned: the one argument that every learner and every reward signal takes."""

from dataclasses import dataclass, field

import torch
from mlagents_envs.base_env import BehaviorSpec

from trainers.config import BehaviorSettings
from trainers.optim.collective import Alone, Collective


@dataclass(frozen=True)
class Task:
    """One behavior.

    Attributes:
        name: behavior name, without team.
        spec: its observations and actions.
        settings: its block of the training file.
        seed: seeds initial weights, action sampling and minibatch order; each behavior of a run has its own.
        device: torch device of the networks.
        collective: the processes that learn it together.
    """

    name: str
    spec: BehaviorSpec
    settings: BehaviorSettings
    seed: int
    device: torch.device
    collective: Collective = field(default_factory=Alone)
