"""Encoders of images: which sizes they take, and what they make of bytes and of floats."""

import numpy as np
import pytest
import torch
from scripted_env import make_spec

from trainers import UserError
from trainers.config import NetworkSettings
from trainers.networks.actor_critic import ActorCritic


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize(
    ("encoder", "smallest"),
    [("simple", 20), ("nature_cnn", 36), ("resnet", 15), ("match3", 5), ("fully_connected", 1)],
)
def test_encoders_take_images_of_their_smallest_size_and_of_any_larger_one(encoder, smallest, shared):
    network = NetworkSettings(vis_encode_type=encoder, hidden_units=16, num_layers=1)
    for height, width in ((smallest, smallest), (smallest + 7, smallest + 1), (84, 84)):
        spec = make_spec((3, height, width), (5,), (1, height, width), continuous=2, branches=(2, 3))
        policy = ActorCritic(spec, network, shared)
        rng = np.random.default_rng(0)
        inputs = policy.upload(
            [
                rng.integers(0, 256, (2, 3, height, width), np.uint8),
                rng.normal(size=(2, 5)).astype(np.float32),
                rng.random((2, 1, height, width), np.float32),
            ]
        )
        distribution, value = policy(inputs, None)
        assert distribution.mean.shape == (2, 2)
        assert [part.shape for part in distribution.log_probs] == [(2, 2), (2, 3)]
        assert value.shape == (2, 1)
        torch.testing.assert_close(policy.value(inputs), value)
        (distribution.log_prob(distribution.sample()).sum() + value.sum()).backward()
        assert all(parameter.grad is not None for parameter in policy.parameters())


@pytest.mark.parametrize(
    ("encoder", "smallest"), [("simple", 20), ("nature_cnn", 36), ("resnet", 15), ("match3", 5)]
)
def test_an_image_too_small_for_its_encoder_is_refused(encoder, smallest):
    spec = make_spec((1, smallest, smallest - 1), continuous=1)
    with pytest.raises(UserError, match=rf"{encoder} needs images of at least {smallest} x {smallest}"):
        ActorCritic(spec, NetworkSettings(vis_encode_type=encoder))


def test_bytes_and_the_floats_they_stand_for_are_the_same_picture():
    policy = ActorCritic(make_spec((1, 20, 20), continuous=1), NetworkSettings(hidden_units=8))
    pictures = np.random.default_rng(0).integers(0, 256, (3, 1, 20, 20), np.uint8)
    of_bytes = policy.value(policy.upload([pictures]))
    of_floats = policy.value(policy.upload([pictures.astype(np.float32) / 255.0]))
    torch.testing.assert_close(of_bytes, of_floats)


def test_an_observation_that_is_neither_vector_nor_image_is_refused():
    with pytest.raises(UserError, match=r"observation 1 .*\(4, 5\)"):
        ActorCritic(make_spec((3,), (4, 5), continuous=1, variable=False), NetworkSettings())
