"""The state of signals that learn in a checkpoint: resumed, taken over, damaged, or of another network."""

import copy

import pytest
import torch
from learner_tools import (
    assert_goes_on_the_same,
    assert_same,
    crowded_env,
    drive,
    hand_over,
    make_learner,
    whole_state,
)
from scripted_env import make_spec
from signal_tools import BOTH, learner_of, signal_block, signal_of

from gym_adapters.errors import UserError
from trainers.algorithms.on_policy import OnPolicyLearner
from trainers.optim.collective import Alone
from trainers.records.checkpoint import save_state
from trainers.training.resuming import restore
from trainers.training.starting import start_from


@BOTH
@pytest.mark.parametrize("trainer_type", ["ppo", "sac"])
def test_the_next_updates_after_loading_are_bit_for_bit_the_same(trainer_type, signal, tmp_path):
    spec = make_spec((4,), continuous=1, branches=(3, 2))
    hyper = {"save_replay_buffer": True} if trainer_type == "sac" else {"buffer_size": 10}
    signals = {"extrinsic": {}, **signal_block(signal)}
    env, learner = crowded_env(spec), learner_of(trainer_type, spec, signals, 3, **hyper)
    assert len(drive(env, learner, 30)) >= 3
    loaded = learner_of(trainer_type, spec, signals, 4, **hyper)
    hand_over(learner, loaded, tmp_path)
    if isinstance(learner, OnPolicyLearner):  # whose rows are not saved
        loaded.rollout = copy.deepcopy(learner.rollout)
    assert_goes_on_the_same(env, learner, loaded)


@BOTH
def test_ranks_that_take_over_one_state_go_on_with_different_random_numbers(signal):
    spec = make_spec((4,), continuous=1)
    settings = learner_of("ppo", spec, signal_block(signal)).settings
    ranks = []
    for number in range(3):
        collective = Alone()
        collective.rank, collective.size = number, 3
        ranks.append(signal_of(make_learner(spec, settings, collective=collective)))
    state = ranks[0].state_dict()
    expected = torch.Generator()
    expected.set_state(state["generator"])
    for one in ranks:
        one.load_state_dict(state)
    numbers = [float(torch.rand((), generator=one.generator)) for one in ranks]
    assert numbers[0] == float(torch.rand((), generator=expected))
    assert len(set(numbers)) == 3


@BOTH
def test_initialize_from_takes_its_network_over_and_a_new_signal_starts_anew(signal, tmp_path):
    spec = make_spec((4,), continuous=1)
    signals = {"extrinsic": {}, **signal_block(signal)}
    learner = learner_of("ppo", spec, signals, 3)
    drive(crowded_env(spec), learner, 30)
    state = whole_state(learner)
    save_state(tmp_path / "here.pt", state)
    other = learner_of("ppo", spec, {"extrinsic": {}, **signal_block(signal, learning_rate=0.02)}, 4)
    start_from(other, tmp_path / "here.pt")
    assert_same(signal_of(other).network.state_dict(), signal_of(learner).network.state_dict())
    assert signal_of(other).optimizer.learning_rate == 0.02
    assert other.step == 0

    del state["reward_signals"][signal]
    save_state(tmp_path / "without.pt", state)
    fresh = learner_of("ppo", spec, signals, 4)
    before = {name: tensor.clone() for name, tensor in signal_of(fresh).network.state_dict().items()}
    start_from(fresh, tmp_path / "without.pt")
    assert_same(signal_of(fresh).network.state_dict(), before)


@pytest.mark.parametrize(
    ("damage", "named"),
    [
        (lambda state: state["network"].popitem(), "reward_signals.rnd.network"),
        (lambda state: state.pop("moments"), "reward_signals.rnd.moments is missing"),
        (lambda state: state["optimizer"]["adam"]["state"][0]["exp_avg"].resize_(3), "moments"),
        (lambda state: state.update(generator=torch.zeros(3, dtype=torch.uint8)), "generator"),
    ],
)
def test_a_damaged_state_is_one_line(damage, named, tmp_path):
    spec = make_spec((4,), continuous=1)
    learner = learner_of("ppo", spec, signal_block("rnd"), 3)
    drive(crowded_env(spec), learner, 30)
    state = copy.deepcopy(whole_state(learner))
    damage(state["reward_signals"]["rnd"])
    save_state(tmp_path / "here.pt", state)
    with pytest.raises(UserError, match=rf"here\.pt: .*{named}"):
        restore(learner_of("ppo", spec, signal_block("rnd"), 4), tmp_path / "here.pt")


@pytest.mark.parametrize("load", [restore, start_from])
@pytest.mark.parametrize(
    ("keys", "told"),
    [
        ({"hidden_units": 12}, r"is \(8,\), this run has \(12,\)"),
        ({"normalize": True}, r"normalizer\.mean is missing, this run has \(4,\)"),
    ],
)
def test_another_network_of_its_own_names_its_block(keys, told, load, tmp_path):
    spec, here = make_spec((4,), continuous=1), tmp_path / "here.pt"
    own = {"hidden_units": 8, "num_layers": 1}
    learner = learner_of("ppo", spec, signal_block("rnd", network_settings=own), 3)
    save_state(here, whole_state(learner))
    other = learner_of("ppo", spec, signal_block("rnd", network_settings={**own, **keys}), 4)
    with pytest.raises(UserError, match=rf"here\.pt: reward_signals\.rnd\.network .*{told}; use the block"):
        load(other, here)

    save_state(here, whole_state(other))
    with pytest.raises(UserError, match=r"reward_signals\.rnd\.network is another one"):
        load(learner, here)
