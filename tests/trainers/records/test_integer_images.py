"""Images for a loaded policy: bytes, or floats from 0 to 1, and no other integers."""

from pathlib import Path

import numpy as np
import pytest
from mlagents_envs.base_env import (
    ActionSpec,
    BehaviorSpec,
    DimensionProperty,
    ObservationSpec,
    ObservationType,
)

from trainers import UserError
from trainers.config import NetworkSettings
from trainers.networks.actor_critic import ActorCritic
from trainers.records.policy_file import LoadedPolicy

SHAPE = (3, 20, 20)


def of_images() -> LoadedPolicy:
    seen = ObservationSpec(SHAPE, (DimensionProperty.NONE,) * 3, ObservationType.DEFAULT, "camera")
    policy = ActorCritic(BehaviorSpec([seen], ActionSpec(2, ())), NetworkSettings(hidden_units=8))
    state = {
        "trainer_type": "ppo",
        "global_step": 0,
        "Policy": policy.state_dict(),
        "behavior": {"name": "Test", **policy.description()},
    }
    return LoadedPolicy(state, Path("policy.pt"))


@pytest.mark.parametrize("dtype", [np.int64, np.int32, np.uint16])
def test_other_integers_are_refused_since_their_scale_is_not_known(dtype: type) -> None:
    policy = of_images()
    image = np.random.default_rng(0).integers(0, 256, SHAPE)
    expected = policy.predict([image.astype(np.uint8)])
    np.testing.assert_allclose(policy.predict([image / 255]), expected, atol=1e-5)
    words = (
        f"camera is an image of type {np.dtype(dtype)}; expected uint8 from 0 to 255, or floats from 0 to 1"
    )
    with pytest.raises(UserError, match=words):
        policy.predict([image.astype(dtype)])
