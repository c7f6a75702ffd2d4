"""The memory of a network, before it is made."""

import pytest
import torch
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


def deviations(settings: NetworkSettings) -> dict[str, float]:
    """Deviation of each layer's initial weights times the square root of its inputs."""
    torch.manual_seed(0)
    network = ActorCritic(SPEC, settings)
    weights = {name: weight for name, weight in network.named_parameters() if name.endswith("weight")}
    return {name: float(weight.detach().std() * weight[0].numel() ** 0.5) for name, weight in weights.items()}


def test_initial_weights_are_ml_agents_s():
    found = deviations(NetworkSettings(hidden_units=256))
    assert found["actor.layers.0.weight"] == pytest.approx(1.0, rel=0.03)
    assert found["critic.layers.2.weight"] == pytest.approx(1.0, rel=0.03)
    assert found["mean_head.weight"] == pytest.approx(0.2, rel=0.1)
    assert found["logits_head.weight"] == pytest.approx(0.1, rel=0.1)
    assert found["value_head.weight"] == pytest.approx(2**0.5, rel=0.15)
    encoder = [value for name, value in found.items() if "image_encoders" in name]
    assert encoder == pytest.approx([2**0.5] * len(encoder), rel=0.1)


def test_he_init_makes_all_of_them_larger_but_the_encoders():
    plain, larger = (
        deviations(NetworkSettings(hidden_units=256, he_init=chosen)) for chosen in (False, True)
    )
    for name, value in plain.items():
        factor = 1.0 if "image_encoders" in name else 2**0.5
        assert larger[name] == pytest.approx(factor * value, rel=0.02)
