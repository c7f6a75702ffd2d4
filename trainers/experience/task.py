"""The task of a learner: the argument that every learner and every reward signal takes."""

from dataclasses import dataclass, field

import torch
from mlagents_envs.base_env import BehaviorSpec

from trainers.config import BehaviorSettings
from trainers.optim.collective import Alone, Collective


@dataclass(frozen=True)
class Task:
    """One behavior to be learned.

    Attributes:
        name: name of the behavior, without its team.
        spec: its observations and actions.
        settings: its block of the training file.
        seed: seed of initial weights, action sampling and minibatch order, different for each behavior of a run.
        device: torch device of the networks.
        collective: the processes that train the behavior together.
        action_limit: that of the policy, for reward signals; see `PolicyNetwork`.
        learns: whether the learner will learn. If not, it needs no demonstrations (ML-Agents option `--inference`).
        cuda_graphs: whether gradient steps on a GPU are recorded (`torch_settings`).
    """

    name: str
    spec: BehaviorSpec
    settings: BehaviorSettings
    seed: int
    device: torch.device
    collective: Collective = field(default_factory=Alone)
    action_limit: float = 1.0
    learns: bool = True
    cuda_graphs: bool = True
