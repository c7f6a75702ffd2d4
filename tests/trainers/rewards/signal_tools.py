"""Learners with reward signals that learn, for tests."""

from typing import Any

import pytest
from learner_tools import SMALL_NETWORK, make_learner
from mlagents_envs.base_env import BehaviorSpec

from trainers.algorithms.learner import Learner
from trainers.config import load_settings
from trainers.rewards.learned import LearnedSignal

BOTH = pytest.mark.parametrize("signal", ["rnd", "curiosity"])
SIGNAL_NETWORK = {**SMALL_NETWORK, "vis_encode_type": "fully_connected", "normalize": True}


def signal_block(name: str, **keys: Any) -> dict[str, Any]:
    return {name: {"strength": 0.1, "network_settings": SIGNAL_NETWORK, **keys}}


def learner_of(
    trainer_type: str, spec: BehaviorSpec, signals: dict[str, Any], seed: int = 0, **hyper: Any
) -> Learner:
    off_policy = trainer_type in ("sac", "dqn")
    defaults = {"buffer_size": 200, "steps_per_update": 5} if off_policy else {"buffer_size": 16}
    content = {
        "trainer_type": trainer_type,
        "hyperparameters": {"batch_size": 8, **defaults, **hyper},
        "network_settings": {**SMALL_NETWORK, "vis_encode_type": "fully_connected"},
        "reward_signals": signals,
        "max_steps": 1000,
        "time_horizon": 5,
    }
    return make_learner(spec, load_settings({"behaviors": {"Test": content}}).behavior("Test"), seed)


def signal_of(learner: Learner) -> LearnedSignal:
    (found,) = [signal for signal in learner.signals if isinstance(signal, LearnedSignal)]
    return found
