"""Where and how a policy is computed."""

import subprocess
import sys

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
from trainers.optim.device import Compute, choose_compute, find_device, gradient_seconds, has_bfloat16
from trainers.optim.measured import Measured

CPU = torch.device("cpu")
IMAGE = make_spec((3, 24, 24), branches=(4,))


def network(spec: BehaviorSpec) -> ActorCritic:
    return ActorCritic(spec, behavior_settings().network_settings)


@pytest.fixture
def choose(tmp_path, monkeypatch):
    """`choose_compute` on an idle machine, with results kept in the test's folder, and what it said."""
    monkeypatch.setattr(device, "others_load", lambda seconds: 0.0)

    def choose(policy: ActorCritic, wanted: TorchSettings, most_threads: int, name: str = "compute.json"):
        said: list[str] = []
        return choose_compute(policy, 64, wanted, most_threads, Measured(tmp_path / name), said.append), said

    return choose


def test_small_networks_are_not_measured(monkeypatch, choose):
    monkeypatch.setattr(device, "gradient_seconds", None)
    (compute, reason, by_measurement), said = choose(
        network(make_spec((3,), continuous=1)), TorchSettings(), 8
    )
    assert compute == Compute(CPU, 1)
    assert "only choice" in reason or "this small" in reason
    assert not by_measurement
    assert not said


def seconds(times: dict[tuple[int, bool], float]):
    return lambda policy, compute, rows, best: [times[compute.threads, compute.bfloat16]] * 4


@pytest.mark.parametrize(
    ("times", "expected"),
    [
        ({(1, False): 1.0, (1, True): 0.5, (4, False): 0.8, (4, True): 0.45}, Compute(CPU, 1, True)),
        ({(1, False): 1.0, (1, True): 1.5, (4, False): 0.4, (4, True): 0.6}, Compute(CPU, 4)),
        ({(1, False): 1.0, (1, True): 0.95, (4, False): 0.9, (4, True): 0.91}, Compute(CPU, 1)),
    ],
)
def test_what_is_faster_is_taken_and_the_plainer_if_there_is_little_in_it(
    monkeypatch, choose, times, expected
):
    monkeypatch.setattr(device, "has_bfloat16", lambda: True)
    monkeypatch.setattr(device, "gradient_seconds", seconds(times))
    (compute, reason, by_measurement), said = choose(network(IMAGE), TorchSettings(device="auto"), 4)
    assert compute == expected
    assert all(f"{time * 1e3:.1f} ms" in reason for time in times.values())
    assert by_measurement
    assert len(said) == 1
    assert said[0].startswith("measuring which of 4 ways")


def test_a_result_is_kept_for_the_machine(monkeypatch, choose, tmp_path):
    times = {(1, False): 1.0, (1, True): 0.5, (4, False): 0.8, (4, True): 0.45}
    monkeypatch.setattr(device, "has_bfloat16", lambda: True)
    monkeypatch.setattr(device, "gradient_seconds", seconds(times))
    first, _ = choose(network(IMAGE), TorchSettings(), 4)
    monkeypatch.setattr(device, "gradient_seconds", None)
    again, said = choose(network(IMAGE), TorchSettings(), 4)
    assert again.compute == first.compute
    assert "500.0 ms" in again.reason
    assert not said
    monkeypatch.setattr(device, "gradient_seconds", seconds(dict.fromkeys(times, 1.0)))
    (tmp_path / "compute.json").write_text('{"damaged')
    assert choose(network(IMAGE), TorchSettings(), 4)[0].compute == Compute(CPU, 1), "measured anew"
    (tmp_path / "file").write_text("")
    assert choose(network(IMAGE), TorchSettings(), 4, "file/compute.json")[0].by_measurement, (
        "no place to keep it"
    )


def test_a_result_from_a_busy_machine_is_used_once(monkeypatch, choose):
    busy = {(1, False): 1.0, (1, True): 2.0, (4, False): 1.5, (4, True): 2.0}
    monkeypatch.setattr(device, "has_bfloat16", lambda: True)
    monkeypatch.setattr(device, "others_load", lambda seconds: 1.0)
    monkeypatch.setattr(device, "gradient_seconds", seconds(busy))
    choice, _ = choose(network(IMAGE), TorchSettings(), 4)
    assert choice.compute == Compute(CPU, 1)
    assert "this run alone" in choice.reason
    monkeypatch.setattr(device, "others_load", lambda seconds: 0.0)
    monkeypatch.setattr(device, "gradient_seconds", seconds({**busy, (4, False): 0.6}))
    assert choose(network(IMAGE), TorchSettings(), 4)[0].compute == Compute(CPU, 4)


def test_the_load_of_other_programs_is_seen():
    busy = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        assert max(device.others_load(0.2) for _ in range(20)) > device.IDLE
    finally:
        busy.kill()
        busy.wait()


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ({"num_threads": 2, "precision": "float32"}, Compute(CPU, 2)),
        ({"num_threads": 3, "precision": "bfloat16"}, Compute(CPU, 3, True)),
    ],
)
def test_what_is_asked_for_is_not_measured(monkeypatch, choose, wanted, expected):
    monkeypatch.setattr(device, "gradient_seconds", None)
    monkeypatch.setattr(device, "has_bfloat16", lambda: False)
    assert choose(network(IMAGE), TorchSettings(device="cpu", **wanted), 4)[0].compute == expected


def test_measuring_is_real_and_leaves_threads_alone(choose):
    before = torch.get_num_threads()
    (compute, reason, _), _ = choose(network(IMAGE), TorchSettings(), 2)
    assert compute.device == CPU
    assert reason.count(" ms") == (4 if has_bfloat16() else 2)
    assert torch.get_num_threads() == before


@pytest.mark.parametrize(
    ("steps", "best", "measured"),
    [
        ([0.1] * 9, None, 4),
        ([0.21] * 9, [0.1] * 4, 1),  # twice as slow in its warm-up
        ([0.19, 0.21, 0.1], [0.1] * 4, 2),
        ([0.1, 0.1, 0.1, 0.3], [0.1] * 4, 4),
        ([0.01] * 30, None, 20),  # short steps are repeated
        ([0.01, 0.03, 0.03, 0.01] * 9, [0.01] * 4, 10),  # one that met another program says nothing
    ],
)
def test_steps_are_measured_until_they_say_enough(monkeypatch, steps, best, measured):
    left = iter(steps)
    monkeypatch.setattr(device, "timed_step", lambda policy, observations: next(left))
    assert list(gradient_seconds(network(IMAGE), Compute(CPU, 1), 8, best)) == steps[:measured]


def test_bfloat16_is_no_choice_without_instructions_for_it(monkeypatch, choose):
    monkeypatch.setattr(
        torch.cpu, "get_capabilities", lambda: {"avx2": True, "avx512_bf16": False}, raising=False
    )
    assert not has_bfloat16()
    assert "bfloat16" not in choose(network(IMAGE), TorchSettings(), 2)[0].reason
    for flags in ({"avx512_bf16": False, "amx_bf16": True}, {}):
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda flags=flags: flags, raising=False)
        assert has_bfloat16()


@pytest.mark.parametrize("name", ["warp", "meta", "hpu", ""])
def test_devices_that_are_not_there(name):
    with pytest.raises(UserError, match=f"--torch-device {name}: not available here"):
        find_device(name)


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


def test_a_device_that_fails_without_a_word_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> torch.Tensor:
        raise AssertionError

    monkeypatch.setattr(torch, "zeros", fail)
    with pytest.raises(
        UserError, match=r"--torch-device cuda: not available here \(AssertionError\); try cpu"
    ):
        find_device("cuda")
