"""Data sets of Minari, through a stand-in with the part of its API that is used."""

import sys
from dataclasses import dataclass
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
from gymnasium import Space, spaces

from gym_adapters.errors import UserError
from trainers.imitation.sources import load_shown, require_source


@dataclass
class EpisodeData:
    """As in `minari.dataset.minari_dataset`."""

    observations: Any
    actions: np.ndarray
    rewards: np.ndarray
    terminations: np.ndarray
    truncations: np.ndarray


def episode(
    observations: Any, actions: np.ndarray, terminated: bool = True, truncated: bool = False
) -> EpisodeData:
    count = len(actions)
    ends = np.zeros((2, count), np.bool_)
    ends[:, -1] = terminated, truncated
    return EpisodeData(observations, actions, np.arange(1.0, count + 1.0), *ends)


def stand_in(
    monkeypatch: pytest.MonkeyPatch, seen: Space, done: Space, *episodes: EpisodeData, env: Any = None
) -> None:
    module = ModuleType("minari")

    def load_dataset(dataset_id: str) -> Any:
        if dataset_id != "test/data-v0":
            raise FileNotFoundError(f"Dataset {dataset_id} not found locally")
        return SimpleNamespace(
            iterate_episodes=lambda: iter(episodes),
            observation_space=seen,
            action_space=done,
            env_spec=env,
        )

    module.load_dataset = load_dataset  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "minari", module)


def test_continuous_actions_come_into_the_range_of_a_policy(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = spaces.Box(-np.inf, np.inf, (2,), np.float64)
    done = spaces.Box(np.array([-2.0, 0.0]), np.array([2.0, 1.0]), dtype=np.float64)
    first = episode(np.arange(8.0).reshape(4, 2), np.array([[-2.0, 0.0], [0.0, 0.5], [2.0, 1.0]]))
    second = episode(np.zeros((2, 2)), np.array([[1.0, 0.25]]), terminated=False, truncated=True)
    stand_in(monkeypatch, seen, done, first, second, env=SimpleNamespace(id="ALE/Walker-v3"))
    found = load_shown("minari:test/data-v0")
    assert found.name == "Walker-v3"
    assert found.source == "minari:test/data-v0"
    assert found.decisions.continuous.tolist() == [[-1, -1], [0, 0], [1, 1], [0.5, -0.5]]
    assert found.decisions.observations[0].tolist() == [[0, 1], [2, 3], [4, 5], [0, 0]]
    assert found.returns == [6.0, 1.0]
    assert [run.interrupted for run in found.trajectories] == [False, True]


def test_discrete_actions_and_nested_observations(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = spaces.Dict(place=spaces.Discrete(3), speed=spaces.Box(-1, 1, (1,), np.float32))
    observations = {"place": np.array([0, 2, 1]), "speed": np.array([[0.5], [0.25], [0.0]], np.float32)}
    stand_in(monkeypatch, seen, spaces.Discrete(2, start=5), episode(observations, np.array([5, 6])))
    found = load_shown("minari:test/data-v0")
    assert found.name == "data-v0"
    assert found.decisions.discrete.tolist() == [[0], [1]]
    assert found.decisions.observations[0].tolist() == [[1, 0, 0], [0, 0, 1]]
    assert found.decisions.observations[1].tolist() == [[0.5], [0.25]]


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        (episode(np.zeros((2, 1)), np.array([9])), "an action that Discrete.2. does not have"),
        (episode(np.zeros((3, 1)), np.array([1])), "3 observations, 1 actions and 1 rewards"),
        (episode(np.zeros((2, 1)), np.array([[1, 0]])), r"actions of shape \(1, 2\)"),
        (episode(np.zeros((2, 4)), np.array([1])), "observation: a batch is"),
    ],
)
def test_episodes_that_do_not_fit_their_spaces_are_refused(
    broken: EpisodeData, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_in(monkeypatch, spaces.Box(-1, 1, (1,)), spaces.Discrete(2), broken)
    with pytest.raises(UserError, match=f"minari:test/data-v0: .*{words}"):
        load_shown("minari:test/data-v0")


def test_a_data_set_that_is_missing_or_empty_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in(monkeypatch, spaces.Box(-1, 1, (1,)), spaces.Discrete(2))
    with pytest.raises(UserError, match="holds no episode"):
        load_shown("minari:test/data-v0")
    with pytest.raises(UserError, match=r"not found locally.*minari list local"):
        load_shown("minari:other/data-v0")


def test_without_the_package_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "minari", None)
    for use in (load_shown, require_source):
        with pytest.raises(UserError, match=r"pip install 'minari\[hdf5\]'"):
            use("minari:test/data-v0")
