"""The memory of a network, before it is made."""

import pytest
from mlagents_envs.base_env import (
    ActionSpec,
    BehaviorSpec,
    DimensionProperty,
    ObservationSpec,
    ObservationType,
)

from gym_adapters.errors import UserError
from trainers.config import NetworkSettings
from trainers.networks.actor_critic import ActorCritic
from trainers.networks.weights import require_room, weight_bytes

PIXELS = DimensionProperty.TRANSLATIONAL_EQUIVARIANCE
VECTOR = ObservationSpec((8,), (DimensionProperty.NONE,), ObservationType.DEFAULT, "body")
IMAGE = ObservationSpec((3, 40, 40), (DimensionProperty.NONE, PIXELS, PIXELS), ObservationType.DEFAULT, "eye")
SPEC = BehaviorSpec([VECTOR, IMAGE], ActionSpec(2, (3,)))


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"normalize": True, "layer_norm": True, "orthogonal_init": True},
        {"vis_encode_type": "resnet", "critic_hidden_units": 16},
        {"vis_encode_type": "nature_cnn", "conv_channels": [4, 5, 6]},
    ],
)
@pytest.mark.parametrize("shared", [False, True])
def test_the_bytes_are_those_of_the_network_when_it_is_made(options, shared):
    def make() -> ActorCritic:
        return ActorCritic(SPEC, NetworkSettings(hidden_units=24, **options), shared, 1)

    assert weight_bytes(make) == sum(weight.nbytes for weight in make().parameters()) > 0


def test_a_network_that_no_machine_holds_is_refused_and_a_small_one_not_even_measured():
    large = NetworkSettings(hidden_units=2**14, num_layers=100)
    with pytest.raises(
        UserError, match=r"^behavior W: its network needs [\d,.]+ GiB of memory.*hidden_units"
    ):
        require_room("behavior W", SPEC, large, lambda: ActorCritic(SPEC, large, False, 1), copies=4)
    require_room("behavior W", SPEC, NetworkSettings(), lambda: pytest.fail("was made"), copies=4)
