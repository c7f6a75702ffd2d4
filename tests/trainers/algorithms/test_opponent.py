"""Past policies as opponents: when they are saved, who is drawn, and how ratings move."""

from collections.abc import Iterator

import pytest
import torch
from learner_tools import assert_same, behavior_settings, make_learner
from scripted_env import make_spec

from trainers.algorithms.opponent import Opponents
from trainers.maths.elo import GAIN, expected_score

SPEC = make_spec((3,), branches=(2,))
PLAY = {"save_steps": 100, "swap_steps": 50, "window": 3, "team_change": 1000}


def make_opponents(draws: list[float] | None = None, **keys: float) -> Opponents:
    learner = make_learner(SPEC, behavior_settings(self_play={**PLAY, **keys}))
    opponents = learner.opponents
    assert opponents is not None
    if draws is not None:
        left: Iterator[float] = iter(draws)
        opponents.draw = lambda: next(left)
    return opponents


def mark(opponents: Opponents, value: float) -> None:
    """Make the learning policy recognisable."""
    with torch.no_grad():
        for parameter in opponents.policy.parameters():
            parameter.fill_(value)


def weight(policy: torch.nn.Module) -> float:
    return next(parameter for parameter in policy.parameters() if parameter.numel()).flatten()[0].item()


def test_the_window_holds_the_newest_policies_saved() -> None:
    opponents = make_opponents()
    mark(opponents, 0.0)
    opponents.seat("Test?team=1")  # the first is saved before anything is learned
    for step in range(0, 450, 10):
        mark(opponents, step)
        opponents.advance(step)
    key = next(name for name, parameter in opponents.policy.named_parameters() if parameter.numel())
    found = [float(player.weights[key].flatten()[0]) for player in opponents.saved if player.weights]
    assert found == [200.0, 300.0, 400.0]


def test_the_ratio_chooses_between_the_latest_policy_and_a_saved_one() -> None:
    opponents = make_opponents([0.4, 0.5, 0.99, 0.5, 0.0], play_against_latest_model_ratio=0.5)
    mark(opponents, 1.0)
    opponent = opponents.seat("Test?team=1")  # draws 0.4: the latest
    assert opponent.player is opponents.latest
    for step, value in ((100, 2.0), (200, 3.0)):
        mark(opponents, value)
        opponents.advance(step)
    assert weight(opponent.policy) == 1.0, "it keeps the weights that it had at the swap"
    opponents.swap()
    assert opponent.player is opponents.saved[2]
    assert weight(opponent.policy) == 3.0
    opponents.swap()
    assert opponent.player is opponents.saved[0]
    assert weight(opponent.policy) == 1.0


def test_an_opponent_acts_without_dropout_as_the_policy_that_learns_does() -> None:
    learner = make_learner(SPEC, behavior_settings("dqn", network={"dropout": 0.9}, self_play=PLAY))
    assert learner.opponents is not None
    opponent, inputs = learner.opponents.seat("Test?team=1"), (torch.ones(4, 3),)
    for _ in range(5):
        assert torch.equal(opponent.policy(inputs), learner.policy(inputs))


def test_opponents_are_swapped_by_their_own_decisions() -> None:
    opponents = make_opponents([0.0] * 10)
    opponent = opponents.seat("Test?team=1")
    mark(opponents, 7.0)
    opponent.decisions = 49
    opponents.advance(0)
    assert weight(opponent.policy) != 7.0
    opponent.decisions = 50
    opponents.advance(0)
    assert weight(opponent.policy) == 7.0


def test_ratings_move_against_a_saved_policy_and_not_against_oneself() -> None:
    opponents = make_opponents([0.9, 0.0, 0.0], initial_elo=1000.0)
    opponents.rivals = [opponents.seat("Test?team=1")]
    opponents.saved[0].rating = 1200.0
    gain = GAIN * (1.0 - expected_score(1000.0, 1200.0))
    assert opponents.rate(1.0) == pytest.approx(1000.0 + gain)
    assert opponents.saved[0].rating == pytest.approx(1200.0 - gain)
    opponents.swap()  # the latest policy
    assert opponents.rate(1.0) == pytest.approx(1000.0 + gain)


def test_the_rating_settles_where_the_score_is_expected() -> None:
    opponents = make_opponents([0.9, 0.0])
    opponents.rivals = [opponents.seat("Test?team=1")]
    total = opponents.latest.rating + opponents.saved[0].rating
    ratings = []
    for game in range(4000):
        ratings.append(
            opponents.rate(float(game % 4 != 0)) - opponents.saved[0].rating
        )  # three of four are won
    mean = sum(ratings[1000:]) / len(ratings[1000:])
    assert mean == pytest.approx(190.85, abs=8.0)  # 400 log10(3)
    assert opponents.latest.rating + opponents.saved[0].rating == pytest.approx(total)


def test_what_is_saved_comes_back() -> None:
    opponents = make_opponents()
    opponents.seat("Test?team=1").decisions = 17
    for step in (100, 200):
        mark(opponents, step)
        opponents.advance(step)
    opponents.rivals = list(opponents.seats.values())
    opponents.rate(1.0)
    state = opponents.state_dict()
    other = make_opponents()
    other.load_state_dict(state)
    assert_same(other.state_dict(), state)
    for wrong, name in (({"rating": float("nan")}, "rating"), ({"saved_at": -1}, "saved_at")):
        with pytest.raises(ValueError, match=name):
            other.load_state_dict({**state, **wrong})
    with pytest.raises(ValueError, match="weights"):
        other.load_state_dict({**state, "weights": [{}] * len(state["ratings"])})


def test_saved_weights_that_the_network_cannot_take_are_named() -> None:
    opponents = make_opponents()
    opponents.seat("Test?team=1")
    state = opponents.state_dict()
    (own,) = state["weights"]
    with pytest.raises(ValueError, match="the network has no parameter more"):
        opponents.load_state_dict({**state, "weights": [{**own, "more": torch.zeros(2)}]})
    settings = behavior_settings(network={"normalize": True}, self_play=PLAY)
    normalised = make_learner(SPEC, settings).opponents
    assert normalised is not None
    normalised.seat("Test?team=1")
    state = normalised.state_dict()
    (own,) = state["weights"]
    with pytest.raises(ValueError, match=r"normalizer\.std: expected deviations above 0"):
        normalised.load_state_dict({**state, "weights": [{**own, "normalizer.std": -own["normalizer.std"]}]})
