"""Random network distillation: what is new pays, and what was learned from pays less and less."""

import numpy as np
import pytest
import torch
from learner_tools import behavior_settings
from row_tools import row_table
from scripted_env import make_spec

from trainers.config import RNDSettings
from trainers.experience.task import Task
from trainers.rewards.rnd import RND

SPEC = make_spec((3,), continuous=1)


def make_rnd(seed: int = 0, batch_size: int = 16, **keys) -> RND:
    settings = RNDSettings.model_validate(
        {"network_settings": {"hidden_units": 16, "num_layers": 1}, "learning_rate": 0.01, **keys}
    )
    behavior = behavior_settings(hyperparameters={"batch_size": batch_size, "buffer_size": 64})
    return RND("rnd", settings, Task("Test", SPEC, behavior, seed, torch.device("cpu")))


def reached(vectors: np.ndarray):
    return row_table(SPEC, [np.zeros_like(vectors)], next_observations=[vectors])


def test_a_copied_network_pays_exactly_nothing_and_learns_nothing():
    signal = make_rnd()
    rows = reached(np.random.default_rng(0).normal(size=(40, 3)).astype(np.float32))
    assert (signal.rewards(rows) > 0).all()
    signal.network.predictor.load_state_dict(signal.network.target.state_dict())
    assert (signal.rewards(rows) == 0).all()
    assert signal.update(rows) == {"Losses/RND Loss": 0.0}
    assert (signal.rewards(rows) == 0).all()


def test_the_reward_is_the_squared_error_summed_over_features_times_strength():
    signal = make_rnd(strength=0.3)
    vectors = np.random.default_rng(1).normal(size=(5, 3)).astype(np.float32)
    with torch.no_grad():
        inputs = [torch.from_numpy(vectors)]
        predicted, wanted = signal.network.predictor(inputs), signal.network.target(inputs)
    expected = 0.3 * (predicted - wanted).square().sum(1).numpy()
    np.testing.assert_allclose(signal.rewards(reached(vectors)), expected, rtol=1e-6)


def test_what_is_familiar_pays_less_and_what_is_new_as_before():
    signal = make_rnd()
    rng = np.random.default_rng(2)
    familiar = (rng.normal(size=(64, 3)) * 0.1 + [1.0, 0.0, 0.0]).astype(np.float32)
    new = (rng.normal(size=(64, 3)) * 0.1 - [3.0, 0.0, 3.0]).astype(np.float32)
    before = signal.rewards(reached(familiar)).mean(), signal.rewards(reached(new)).mean()
    target = {name: tensor.clone() for name, tensor in signal.network.target.state_dict().items()}
    losses = [signal.update(reached(familiar))["Losses/RND Loss"] for _ in range(60)]
    after = signal.rewards(reached(familiar)).mean(), signal.rewards(reached(new)).mean()
    assert after[0] < 0.05 * before[0]
    assert after[1] > 0.3 * before[1]
    assert losses[-1] < 0.05 * losses[0]
    for name, tensor in signal.network.target.state_dict().items():
        assert torch.equal(tensor, target[name]), "the random network stays as it is"


def test_rows_that_wait_for_their_reward_are_not_learned_from():
    one, other = make_rnd(), make_rnd()
    vectors = np.random.default_rng(3).normal(size=(20, 3)).astype(np.float32)
    one.update(reached(vectors[:16]))
    rows = row_table(SPEC, [np.zeros_like(vectors)], next_observations=[vectors], settled=np.arange(20) < 16)
    other.update(rows)
    np.testing.assert_array_equal(one.rewards(reached(vectors)), other.rewards(reached(vectors)))


def test_a_normaliser_that_has_seen_nothing_pays_nothing():
    signal = make_rnd(network_settings={"hidden_units": 8, "normalize": True})
    vectors = 1000.0 + np.random.default_rng(4).normal(size=(64, 3)).astype(np.float32)
    rows = row_table(SPEC, [vectors])
    assert (signal.rewards(rows) == 0).all()
    signal.update(rows)
    assert signal.observation_moments.count == 65
    paid = signal.rewards(rows)
    assert (paid > 0).all()
    assert paid.max() < 100.0


def test_its_randomness_is_its_own_and_comes_from_the_seed():
    torch.manual_seed(1)
    one = make_rnd()
    before = torch.random.get_rng_state()
    other = make_rnd()
    assert torch.equal(torch.random.get_rng_state(), before)
    rows = reached(np.random.default_rng(5).normal(size=(64, 3)).astype(np.float32))
    for _ in range(3):
        assert one.update(rows) == other.update(rows)
    assert make_rnd(seed=1).rewards(rows).tolist() != make_rnd().rewards(rows).tolist()


@pytest.mark.parametrize("count", [0, 1, 5, 33])
def test_any_number_of_rows_has_as_many_rewards(count):
    signal = make_rnd()
    rows = reached(np.zeros((count, 3), np.float32))
    assert signal.rewards(rows).shape == (count,)
    assert set(signal.update(rows)) == ({"Losses/RND Loss"} if count else set())
