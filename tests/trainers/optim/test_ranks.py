"""Ranks that learn from parts of a plan do what one process does that learns from the whole."""

import json
import threading
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torchrun import run_ranks

from gym_adapters.errors import UserError
from trainers.experience.samplers import divide
from trainers.networks.normalizer import ObservationMoments
from trainers.optim import ranks as ranks_module
from trainers.optim.collective import Alone, standardised, weighted_mean
from trainers.optim.launch import launched

LEARNING = Path(__file__).parents[1] / "rank_learning.py"
TORCHRUN = {"RANK": "3", "WORLD_SIZE": "8", "MASTER_ADDR": "localhost", "MASTER_PORT": "29500"}
ROUNDED = 1e-6
EXACT = 1e-12
CASES = {
    2: [
        *("ppo", "ppo in numpy", "a2c", "dqn", "sac", "pqn"),
        *("ppo exact", "ppo by minibatch exact", "a2c exact", "a2c natural exact", "poca exact"),
        *("dqn exact", "sac exact", "pqn exact"),
    ],
    4: ["ppo exact", "a2c exact", "dqn exact", "pqn exact", "sac exact"],
}


@pytest.mark.parametrize("ranks", CASES)
def test_ten_updates_from_parts_are_those_from_the_whole(ranks, tmp_path):
    """In real processes; the gradient, the moments, the weights and the figures of the summary."""
    done = run_ranks(ranks, LEARNING, tmp_path, *CASES[ranks], folder=tmp_path)
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "distances.json").read_text())
    assert found.keys() == set(CASES[ranks])
    for case, distances in found.items():
        # Conjugate gradients go on after the solution has been found, with what rounding left of the residual.
        limit = ROUNDED if "natural" in case else EXACT if case.endswith("exact") else ROUNDED
        figures = max(limit, 1e-8)  # some are float32
        assert distances.pop("counts") == 0.0, case
        assert distances.pop("figures") <= figures, case
        assert max(distances.values()) <= limit, (case, distances)


class Parts:
    """A `Collective` in which every rank has the same numbers."""

    rank, size = 0, 3

    def sum(self, values: torch.Tensor) -> torch.Tensor:
        return values.mul_(self.size)

    def gather(self, numbers: np.ndarray) -> np.ndarray:
        return np.stack([numbers] * self.size)


@given(st.lists(st.integers(1, 300), min_size=1, max_size=5), st.integers(1, 200), st.data())
def test_all_ranks_have_as_many_minibatches(rows, batch_size, data):
    rows = np.array(rows)
    divisions = [divide(rows, rank, batch_size) for rank in range(len(rows))]
    assert len({division.count for division in divisions}) == 1
    assert divisions[0].count >= 1
    assert sum(division.weight for division in divisions) == pytest.approx(1.0)
    for division, own in zip(divisions, rows, strict=True):
        assert 1 <= division.size * division.count <= own
    rank = data.draw(st.integers(0, len(rows) - 1))
    whole = sum(division.size for division in divisions)
    assert divisions[rank].weight == pytest.approx(divisions[rank].size / whole)
    assert whole <= batch_size + len(rows)


@given(st.integers(1, 300), st.integers(1, 200))
def test_alone_a_minibatch_has_batch_size_decisions(rows, batch_size):
    division = divide(np.array([rows]), 0, batch_size)
    assert (division.size, division.weight) == (min(rows, batch_size), 1.0)
    assert division.count == rows // division.size


def test_moments_of_several_ranks_are_those_of_all_vectors():
    rng = np.random.default_rng(0)
    vectors = rng.normal(3.0, 2.0, (40, 4))
    shared, alone = ObservationMoments(4, Parts()), ObservationMoments(4)
    for part in np.split(vectors, 4):
        shared.update(part)
    assert shared.count == 1.0
    shared.share()
    alone.update(np.concatenate([vectors] * Parts.size))
    assert shared.count == alone.count
    np.testing.assert_allclose([shared.mean, shared.variance], [alone.mean, alone.variance], rtol=1e-12)
    shared.share()
    assert shared.count == alone.count


def test_large_numbers_of_several_ranks_start_at_their_mean():
    vectors = np.full((5, 1), 3e8) + np.arange(5.0)[:, None]
    shared = ObservationMoments(1, Parts())
    shared.update(vectors)
    shared.share()
    assert shared.mean[0] == pytest.approx(3e8 + 2, abs=0.5)
    assert shared.variance[0] < 10.0


def test_values_are_standardised_over_all_ranks():
    values = torch.randn(2, 50, generator=torch.Generator().manual_seed(0))
    alone = standardised(values, Alone())
    torch.testing.assert_close(standardised(values, Parts()), alone)
    torch.testing.assert_close(alone.mean(1), torch.zeros(2), atol=1e-6, rtol=0.0)
    assert weighted_mean(Alone(), values, 0.25) is values


def test_torchrun_says_who_a_process_is():
    launch = launched({**TORCHRUN, "LOCAL_RANK": "1", "TORCHELASTIC_RESTART_COUNT": "2"})
    assert launch is not None
    assert (launch.rank, launch.local_rank, launch.size, launch.restarts) == (3, 1, 8, 2)


@pytest.mark.parametrize("missing", TORCHRUN)
def test_without_torchrun_a_process_is_alone(missing):
    assert launched({name: value for name, value in TORCHRUN.items() if name != missing}) is None


@pytest.mark.parametrize(
    ("name", "value"), [("RANK", "8"), ("RANK", "x"), ("WORLD_SIZE", "0"), ("RANK", "-1")]
)
def test_wrong_variables_are_refused(name, value):
    with pytest.raises(UserError, match=name):
        launched({**TORCHRUN, name: value})


class Watched:
    """A store that keeps what is set, and in which rank 1 never says that it is done."""

    def __init__(self) -> None:
        self.looks = 0
        self.kept: set[str] = set()

    def set(self, key: str, value: str) -> None:
        self.kept.add(key)

    def check(self, keys: list[str]) -> bool:
        self.looks += 1
        return self.kept.issuperset(keys)


def test_a_rank_that_leaves_first_looks_for_the_others_and_gives_up_in_silence(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The store's own way of waiting prints warnings of its C++ code when it gives up."""
    monkeypatch.setattr(ranks_module, "GRACE_SECONDS", 0.2)
    rank = ranks_module.Ranks.__new__(ranks_module.Ranks)
    beating, store, left = threading.Thread(), Watched(), []
    beating.start()
    vars(rank).update(rank=0, size=2, _failed=False, _ended=threading.Event(), _beating=beating, _store=store)
    vars(rank)["_distributed"] = SimpleNamespace(destroy_process_group=lambda: left.append(store.looks))
    rank.leave()
    assert store.kept == {"done0"}
    assert left == [store.looks]
    assert store.looks > 1
    store.kept.add("done1")
    looks = store.looks
    rank.leave()
    assert store.looks == looks + 1, "all are about to leave"
