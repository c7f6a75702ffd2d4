"""Goal signals: the hypernetwork against a loop over rows, and every network that takes goals."""

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
from learner_tools import assert_same
from mlagents_envs.base_env import (
    ActionSpec,
    ActionTuple,
    BehaviorSpec,
)
from run_tools import solve
from scripted_env import make_spec
from task_envs import Observations, TaskEnv, one_hot

from bridge.onnx_check import check_file
from bridge.onnx_export import export_policy
from gym_adapters.errors import UserError
from gym_adapters.limits import SMALL_NETWORK_BYTES, UNITS
from trainers.config import NetworkSettings
from trainers.networks.actor_critic import ActorCritic
from trainers.networks.goals import GoalLayers, HyperLayer, TwinHyperLayer, goal_size
from trainers.networks.group_critic import GroupActorCritic
from trainers.networks.policy_network import PolicyNetwork
from trainers.networks.q_network import QNetwork
from trainers.networks.soft_actor_critic import SoftActorCritic
from trainers.networks.weights import require_room
from trainers.optim.numpy_path import has_path

NETWORKS: list[tuple[type[PolicyNetwork], int]] = [
    (ActorCritic, 2),
    (GroupActorCritic, 1),
    (QNetwork, 1),
    (SoftActorCritic, 3),
]
"""Each network, and how many of its layers depend on the goal: the critic of a group has none, as in ML-Agents."""

VECTORS = make_spec((3,), (4,), (2,), branches=(4,), goals=(1,))
PLAIN = make_spec((3,), (4,), (2,), branches=(4,))
IMAGES = make_spec((3, 20, 20), (1, 22, 20), (2,), (5, 3), branches=(4,), goals=(1, 2))


def look(spec: BehaviorSpec, rows: int = 6, seed: int = 0) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [rng.random((rows, *observed.shape), np.float32) for observed in spec.observation_specs]


def settings(**keys: Any) -> NetworkSettings:
    return NetworkSettings.model_validate({"hidden_units": 16, **keys})


@pytest.mark.parametrize("activation", ["swish", "tanh"])
def test_the_layer_is_a_loop_over_rows(activation: str) -> None:
    torch.manual_seed(0)
    layer = HyperLayer(3, 5, 7, settings(activation=activation)).double()
    torch.nn.init.normal_(layer.bias)
    features, goals = torch.randn(9, 5).double(), torch.randn(9, 3).double()
    applied = {"swish": lambda x: x / (1.0 + np.exp(-x)), "tanh": np.tanh}[activation]
    weights = {name: value.detach().numpy() for name, value in layer.state_dict().items()}
    for row, found in enumerate(layer(features, goals).detach().numpy()):
        hidden = goals[row].numpy()
        for number in (0, 2):
            hidden = applied(weights[f"hidden.{number}.weight"] @ hidden + weights[f"hidden.{number}.bias"])
        hidden = (hidden - hidden.mean()) / np.sqrt(hidden.var() + 1e-5)
        flat = weights["weights.weight"] @ hidden + weights["weights.bias"]
        expected = weights["bias"].copy()
        for output in range(7):
            for index in range(5):
                expected[output] += features[row, index].item() * flat[7 * index + output]
        np.testing.assert_allclose(found, expected, rtol=1e-9)


def test_the_first_weights_are_those_of_ml_agents() -> None:
    torch.manual_seed(0)
    layer = HyperLayer(3, 40, 50, settings())
    bound = 1.0 / np.sqrt(40 * 50)
    assert layer.weights.weight.shape == (40 * 50, 50)
    assert 0.99 * bound < layer.weights.weight.abs().max() <= bound
    assert not layer.weights.bias.any()
    assert not layer.bias.any()
    assert layer.hidden[0].weight.std().item() == pytest.approx(1.0 / np.sqrt(3), rel=0.2)


def test_twins_are_two_layers() -> None:
    torch.manual_seed(0)
    pair = [HyperLayer(3, 5, 7, settings()) for _ in range(2)]
    features, goals = torch.randn(2, 9, 5), torch.randn(2, 9, 3)
    both = TwinHyperLayer(pair)(features, goals)
    for number, layer in enumerate(pair):
        torch.testing.assert_close(both[number], layer(features[number], goals[number]))


def goal_layers(policy: PolicyNetwork) -> int:
    """How many layers of all networks depend on the goal; a twin counts as two."""
    twins = sum(isinstance(module, TwinHyperLayer) for module in policy.modules())
    found = sum(isinstance(module, HyperLayer) for module in policy.modules())
    assert sum(isinstance(module, GoalLayers) for module in policy.modules()) == found - twins
    return found


@pytest.mark.parametrize(("network", "layers"), NETWORKS)
@pytest.mark.parametrize("spec", [VECTORS, IMAGES], ids=["vectors", "images"])
@pytest.mark.parametrize("num_layers", [1, 3])
def test_every_network_takes_goals(
    network: type[PolicyNetwork], layers: int, spec: BehaviorSpec, num_layers: int
) -> None:
    torch.manual_seed(0)
    policy = network(spec, settings(num_layers=num_layers, normalize=True, layer_norm=True))
    assert goal_layers(policy) == layers
    policy.trial_loss(policy.upload(look(spec))).backward()
    for name, parameter in policy.named_parameters():
        if parameter.numel():
            assert parameter.grad is not None, name
    assert policy.choose(look(spec), None, True, None).discrete.shape == (6, 1)
    again = network.build(spec, policy.description())
    again.load_state_dict(policy.state_dict())
    chosen, expected = (
        one.choose(look(spec), None, False, torch.Generator().manual_seed(1)).discrete
        for one in (again, policy)
    )
    np.testing.assert_array_equal(chosen, expected)


@pytest.mark.parametrize("spec", [VECTORS, IMAGES], ids=["vectors", "images"])
def test_a_critic_with_memory_knows_the_goal(spec: BehaviorSpec) -> None:
    """The goal follows what the critic remembers; the layers see nothing else of it there."""
    torch.manual_seed(0)
    network = settings(memory={"memory_size": 16, "sequence_length": 4}, normalize=True)
    policy = SoftActorCritic(spec, network)
    critic = policy.critic
    assert isinstance(critic.layers, GoalLayers)
    size = goal_size(policy.goal_spans(16))
    remembered = critic.memories[0].output_size
    assert critic.layers.spans == ((remembered, remembered + size),)
    policy.trial_loss(policy.upload(look(spec, rows=8))).backward()
    assert all(parameter.grad is not None for parameter in policy.parameters() if parameter.numel())


def test_goals_are_found_among_the_features() -> None:
    policy = ActorCritic(IMAGES, settings())
    assert policy.vector_columns == [2]
    assert policy.goal_spans(16) == [(0, 2), (18, 34)], "the vector, then the second of two images"
    assert ActorCritic(VECTORS, settings()).goal_spans(16) == [(3, 7)]


@pytest.mark.parametrize("network", [network for network, _ in NETWORKS])
def test_none_and_no_goal_are_the_plain_network(network: type[PolicyNetwork]) -> None:
    made = []
    for spec, kind in ((PLAIN, "hyper"), (VECTORS, "none"), (PLAIN, "none")):
        torch.manual_seed(0)
        policy = network(spec, settings(goal_conditioning_type=kind))
        assert not goal_layers(policy)
        made.append(policy.state_dict())
    for other in made[1:]:
        assert list(other) == list(made[0])
        assert_same(other, made[0])


def test_the_numpy_path_steps_aside() -> None:
    assert has_path(ActorCritic(PLAIN, settings()))
    assert has_path(ActorCritic(VECTORS, settings(goal_conditioning_type="none")))
    assert not has_path(ActorCritic(VECTORS, settings()))


@pytest.mark.parametrize("other", [(), ((2,),)], ids=["alone", "beside another goal"])
def test_entities_are_no_goal(other: tuple) -> None:
    spec = make_spec((3,), (5, 2), *other, branches=(4,), goals=(1, 2))
    with pytest.raises(
        UserError, match=r"observation 1 \(obs1\) is a goal signal of variable length; .* none"
    ):
        ActorCritic(spec, settings())
    assert not goal_layers(ActorCritic(spec, settings(goal_conditioning_type="none")))


def test_a_network_larger_than_the_memory_is_refused_before_it_is_made() -> None:
    large = NetworkSettings(hidden_units=UNITS // 4, num_layers=2)
    assert 4 * 4 * (UNITS // 4) ** 2 * 3 < SMALL_NETWORK_BYTES, "without a goal it has room"
    with pytest.raises(UserError, match="its network"):
        require_room("behavior Seeker", VECTORS, large, lambda: ActorCritic(VECTORS, large), 4)


@pytest.mark.parametrize("network", [ActorCritic, QNetwork, SoftActorCritic])
@pytest.mark.parametrize("spec", [VECTORS, IMAGES], ids=["vectors", "images"])
def test_the_exported_model_acts_alike(
    network: type[PolicyNetwork], spec: BehaviorSpec, tmp_path: Path
) -> None:
    torch.manual_seed(0)
    actions = ActionSpec(0 if network is QNetwork else 2, (4,))
    spec = BehaviorSpec(spec.observation_specs, actions)
    policy = network(spec, settings(normalize=True))
    with torch.no_grad():
        for parameter in policy.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1)
    path = tmp_path / "policy.onnx"
    export_policy(policy, spec, path)
    assert not check_file(path).refused
    seen = look(spec, rows=7, seed=3)
    inputs = {f"obs_{index}": array for index, array in enumerate(seen)}
    inputs["action_masks"] = np.ones((7, 4), np.float32)
    kinds = ("continuous", "discrete") if actions.continuous_size else ("discrete",)
    names = [f"deterministic_{kind}_actions" for kind in kinds]
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    found = dict(zip(names, session.run(names, inputs), strict=True))
    expected = policy.to_environment(policy.choose(seen, None, True, None))
    np.testing.assert_array_equal(found["deterministic_discrete_actions"], expected.discrete)
    if actions.continuous_size:
        np.testing.assert_allclose(
            found["deterministic_continuous_actions"], expected.continuous, rtol=1e-5, atol=1e-5
        )


def test_a_goal_says_which_rule_counts() -> None:
    """Four rules, each another order of the choices; the goal names the rule."""
    orders = np.array([[0, 1, 2, 3], [1, 0, 3, 2], [2, 3, 0, 1], [3, 2, 1, 0]])

    def see(rng: np.random.Generator, age: np.ndarray) -> tuple[Observations, None]:
        return [one_hot(rng.integers(4, size=len(age)), 4) for _ in range(2)], None

    def pay(seen: Observations, action: ActionTuple) -> np.ndarray:
        return orders[seen[1].argmax(1), seen[0].argmax(1)] == action.discrete[:, 0]

    env = TaskEnv(make_spec((4,), (4,), branches=(4,), goals=(1,)), see, pay)
    hyper = {"batch_size": 128, "buffer_size": 512, "learning_rate": 0.005, "num_epoch": 6, "beta": 1e-3}
    ppo = {"trainer_type": "ppo", "hyperparameters": hyper}
    assert solve(env, ppo, 12_000, {"hidden_units": 16}) == 1.0
