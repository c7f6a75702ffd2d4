"""Where and how a policy is computed."""

import numpy as np
import pytest
import torch
from learner_tools import behavior_settings, make_learner
from mlagents_envs.base_env import BehaviorSpec
from scripted_env import make_spec

from gym_adapters.errors import UserError
from trainers.config import TorchSettings
from trainers.networks.actor_critic import ActorCritic
from trainers.optim import device
from trainers.optim.device import Compute, choose_compute, find_device

CPU = torch.device("cpu")
IMAGE = make_spec((3, 24, 24), branches=(4,))


def network(spec: BehaviorSpec) -> ActorCritic:
    return ActorCritic(spec, behavior_settings().network_settings)


def test_small_networks_are_not_measured(monkeypatch):
    monkeypatch.setattr(device, "gradient_seconds", None)
    compute, reason = choose_compute(network(make_spec((3,), continuous=1)), 64, TorchSettings(), 8)
    assert compute == Compute(CPU, 1)
    assert "only choice" in reason or "this small" in reason


def seconds(times: dict[tuple[int, bool], float]):
    return lambda policy, compute, rows: times[compute.threads, compute.bfloat16]


@pytest.mark.parametrize(
    ("times", "expected"),
    [
        ({(1, False): 1.0, (1, True): 0.5, (4, False): 0.8, (4, True): 0.45}, Compute(CPU, 1, True)),
        ({(1, False): 1.0, (1, True): 1.5, (4, False): 0.4, (4, True): 0.6}, Compute(CPU, 4)),
        ({(1, False): 1.0, (1, True): 0.95, (4, False): 0.9, (4, True): 0.91}, Compute(CPU, 1)),
    ],
)
def test_what_is_faster_is_taken_and_the_plainer_if_there_is_little_in_it(monkeypatch, times, expected):
    monkeypatch.setattr(device, "gradient_seconds", seconds(times))
    compute, reason = choose_compute(network(IMAGE), 64, TorchSettings(device="auto"), 4)
    assert compute == expected
    assert all(f"{time * 1e3:.1f} ms" in reason for time in times.values())


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ({"num_threads": 2, "precision": "float32"}, Compute(CPU, 2)),
        ({"num_threads": 3, "precision": "bfloat16"}, Compute(CPU, 3, True)),
    ],
)
def test_what_is_asked_for_is_not_measured(monkeypatch, wanted, expected):
    monkeypatch.setattr(device, "gradient_seconds", None)
    assert choose_compute(network(IMAGE), 64, TorchSettings(device="cpu", **wanted), 4)[0] == expected


def test_measuring_is_real_and_leaves_threads_alone():
    before = torch.get_num_threads()
    compute, reason = choose_compute(network(IMAGE), 64, TorchSettings(), 2)
    assert compute.device == CPU
    assert reason.count(" ms") == 4
    assert torch.get_num_threads() == before


def test_devices_that_are_not_there():
    with pytest.raises(UserError, match="--torch-device warp: not available here"):
        find_device("warp")


def test_images_in_bfloat16_give_nearly_the_same_and_train():
    settings = behavior_settings(network={"vis_encode_type": "simple"})
    learner = make_learner(IMAGE, settings)
    image = [np.random.default_rng(0).integers(0, 256, (16, 3, 24, 24), np.uint8)]
    policy = learner.policy
    inputs = policy.upload(image)
    plain = policy.value(inputs)
    policy.mixed_precision = True
    assert policy.mixed_precision
    mixed = policy.value(inputs)
    assert mixed.dtype == torch.float32
    assert not torch.equal(plain, mixed)
    torch.testing.assert_close(mixed, plain, rtol=0.05, atol=0.05 * float(plain.detach().abs().max()))
    mixed.square().mean().backward()
    gradients = [parameter.grad for parameter in policy.critic.parameters()]
    assert all(gradient is not None and torch.isfinite(gradient).all() for gradient in gradients)
