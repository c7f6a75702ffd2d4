"""docs/extending.md: its examples are the files of docs/examples, and they do what the page says."""

import re
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from command_tools import REPOSITORY
from learner_tools import behavior_settings
from row_tools import row_table
from scripted_env import make_spec

from gym_adapters import check_env, make_env
from trainers import UserError
from trainers.config import NetworkSettings, catalogue
from trainers.experience.task import Task
from trainers.maths.losses import value_loss
from trainers.optim.numpy_path import find_gradients
from trainers.rewards.learned import RowBatch

PAGE = REPOSITORY / "docs" / "extending.md"
OTHER_PAGES = {"run_onnx.py": REPOSITORY / "docs" / "watching.md"}
EXAMPLES = REPOSITORY / "docs" / "examples"
FILES = sorted(path for path in EXAMPLES.iterdir() if path.suffix in (".py", ".toml", ".yaml"))


@pytest.fixture(autouse=True)
def _examples(monkeypatch):
    monkeypatch.syspath_prepend(EXAMPLES)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_the_page_shows_each_example_whole(path):
    language = {".py": "python", ".toml": "toml", ".yaml": "yaml"}[path.suffix]
    text = path.read_text(encoding="utf-8")
    page = OTHER_PAGES.get(path.name, PAGE).read_text(encoding="utf-8")
    assert f"```{language}\n{text}```\n" in page, "copy the file into the page"
    assert len(text.splitlines()) < 80


def test_the_page_links_to_what_is_there():
    page = PAGE.read_text(encoding="utf-8")
    headings = {line.lstrip("# ").lower().replace(" ", "-") for line in page.splitlines() if line[:1] == "#"}
    for target in re.findall(r"\]\(([^)]+)\)", page):
        if target.startswith("#"):
            assert target[1:] in headings
        else:
            assert (PAGE.parent / target).exists(), target
    assert "docs/extending.md" in (REPOSITORY / "README.md").read_text(encoding="utf-8")


def test_the_page_names_files_that_are_there():
    for name in re.findall(r"`((?:trainers|docs|unity_configs)/[\w/.]+)`", PAGE.read_text(encoding="utf-8")):
        assert (REPOSITORY / name).exists(), name


def test_no_example_needs_a_private_name():
    for path in FILES:
        assert not re.search(r"(import|\.)\s*_[a-z]", path.read_text(encoding="utf-8")), path


def test_awr_weighs_each_decision_by_the_exponential_of_its_advantage():
    from awr_trainer import LARGEST_WEIGHT, weighted_regression_loss

    log_prob = torch.tensor([[-1.0, -0.5], [-2.0, 0.0], [-3.0, -1.0]], requires_grad=True)
    advantage = torch.tensor([0.0, np.log(3.0) * 0.5, 100.0])
    loss = weighted_regression_loss(log_prob, torch.full((3, 2), torch.nan), advantage, temperature=0.5)
    assert loss.item() == pytest.approx((1.5 + 3.0 * 2.0 + LARGEST_WEIGHT * 4.0) / 3.0)
    loss.backward()
    weights = torch.tensor([1.0, 3.0, LARGEST_WEIGHT])
    torch.testing.assert_close(log_prob.grad, -weights[:, None].expand(3, 2) / 3.0)


def test_a_loss_of_ones_own_goes_through_autograd():
    from functools import partial

    from awr_trainer import weighted_regression_loss

    assert find_gradients(partial(weighted_regression_loss, temperature=1.0), partial(value_loss)) is None


def test_the_residual_network_adds_what_its_blocks_give():
    from residual_trainer import BLOCKS, ResidualActorCritic

    network = ResidualActorCritic(make_spec((4,), branches=(3,)), NetworkSettings(hidden_units=8))
    seen = (torch.rand(5, 4),)
    for body in (network.actor, network.critic):
        expected = body.body(seen)
        for block in body.blocks:
            expected = expected + block[1](torch.nn.functional.silu(expected))
        assert len(body.blocks) == BLOCKS
        torch.testing.assert_close(body(seen), expected)
    distribution, value = network(seen, None)
    torch.testing.assert_close(value, network.value_head(network.critic(seen)))
    torch.testing.assert_close(distribution.log_probs[0].exp().sum(1), torch.ones(5))


@pytest.mark.parametrize("kind", ["ppo", "a2c", "poca", "mappo", "sac", "dqn", "pqn"])
def test_an_algorithm_makes_the_network_that_network_class_names(kind):
    algorithm = catalogue.algorithm(kind).load()
    named = type("Named", (algorithm.network_class,), {})
    own = type("Own", (algorithm,), {"network_class": named})
    assert type(own.make_network(make_spec((4,), branches=(3,)), behavior_settings(kind))) is named


@dataclass(frozen=True)
class Reached:
    """Rows that led somewhere."""

    next_observations: tuple[np.ndarray, ...]
    settled: np.ndarray


def reached(*places: int, waiting: tuple[int, ...] = ()) -> Reached:
    """Rows that led to these places, of which those in `waiting` are not settled."""
    everywhere = (*places, *waiting)
    vectors = np.random.default_rng(0).normal(size=(10, 4)).astype(np.float32)[list(everywhere)]
    images = np.random.default_rng(1).integers(256, size=(10, 1, 3, 3), dtype=np.uint8)[list(everywhere)]
    return Reached((vectors, images), np.arange(len(everywhere)) < len(places))


def novelty(strength: float = 0.5, seed: int = 3):
    from novelty_signal import Novelty, NoveltySettings

    spec = make_spec((4,), (1, 3, 3), branches=(2,))
    settings = NoveltySettings(strength=strength, hash_bits=20)
    return Novelty("novelty", settings, Task("Test", spec, behavior_settings(), seed, torch.device("cpu")))


def test_novelty_pays_by_the_square_root_of_the_count():
    signal = novelty()
    assert signal.beyond_the_end
    assert signal.learns
    for count in range(4):
        expected = np.array([0.5 / np.sqrt(1 + 2 * count), 0.5 / np.sqrt(1 + count), 0.5])
        np.testing.assert_allclose(signal.rewards(reached(1, 2, 3)), expected, rtol=1e-6)
        figures = signal.update(reached(1, 2, 1, waiting=(3,)))
        assert figures == {"Policy/Novelty Hashes": 2.0}


def test_novelty_goes_on_where_its_state_was_saved():
    signal, other = novelty(), novelty(seed=4)
    signal.update(reached(1, 2, 2, 5))
    other.load_state_dict(signal.state_dict())
    signal_before = signal.rewards(reached(1, 2, 3, 4, 5))
    np.testing.assert_array_equal(other.rewards(reached(1, 2, 3, 4, 5)), signal_before)
    other.update(reached(3))  # each counts for itself from here on
    np.testing.assert_array_equal(signal.rewards(reached(1, 2, 3, 4, 5)), signal_before)


def test_disagreement_pays_the_variance_of_its_models_and_falls_as_they_learn():
    from disagreement_signal import Disagreement, DisagreementSettings

    spec = make_spec((4,), continuous=1, branches=(3,))
    settings = DisagreementSettings(strength=0.5, learning_rate=0.01, models=3)
    behavior = behavior_settings(hyperparameters={"batch_size": 32, "buffer_size": 64})
    signal = Disagreement("disagreement", settings, Task("Test", spec, behavior, 3, torch.device("cpu")))
    rng = np.random.default_rng(0)
    here = rng.normal(size=(64, 4)).astype(np.float32)
    choice = rng.integers(3, size=(64, 1))
    rows = row_table(spec, [here], [here + choice.astype(np.float32)], discrete=choice)
    with torch.no_grad():
        foreseen = signal.network.predictions(RowBatch(rows, signal.network)).numpy()
    assert foreseen.shape == (3, 64, 128)
    paid = signal.rewards(rows)
    np.testing.assert_allclose(paid, 0.5 * foreseen.var(0, ddof=1).mean(1), rtol=1e-5)
    losses = [signal.update(rows)["Losses/Disagreement Loss"] for _ in range(30)]
    assert losses[-1] < 0.2 * losses[0]
    assert signal.rewards(rows).mean() < 0.2 * paid.mean()
    for model in signal.network.models:
        model.load_state_dict(signal.network.models[0].state_dict())
    np.testing.assert_allclose(signal.rewards(rows), 0.0, atol=1e-10)


def test_the_encoder_keeps_its_contract_and_refuses_large_images():
    from grid_encoder import grid_encoder

    encoder = grid_encoder((3, 8, 9), 7, NetworkSettings())
    assert encoder(torch.rand(5, 3, 8, 9)).shape == (5, 7)
    with pytest.raises(UserError, match="grid takes images of at most 32 x 32, got 84 x 84"):
        grid_encoder((3, 84, 84), 7, NetworkSettings())


def test_the_environment_keeps_the_contract_of_base_env():
    env = make_env("treasure_env:Treasure-v0", num_envs=3)
    try:
        check_env(env)
    finally:
        env.close()


def test_the_treasure_is_found_by_walking_towards_it():
    from treasure_env import MOVES, SIDE, Treasure

    env = Treasure()
    for seed in range(8):
        picture, _ = env.reset(seed=seed)
        paid = []
        for _ in range(2 * SIDE):
            walker, treasure = (np.argwhere(channel)[0] for channel in picture)
            axis = int(walker[0] == treasure[0])
            move = [0, 0]
            move[axis] = int(np.sign(treasure[axis] - walker[axis]))
            distance = int(np.abs(treasure - walker).sum())
            picture, reward, found, _, _ = env.step(MOVES.index(tuple(move)))
            paid.append(reward)
            assert found == (distance == 1)
            if found:
                break
        assert sum(paid) == paid[-1] == 1.0
