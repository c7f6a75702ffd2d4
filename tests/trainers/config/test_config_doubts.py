"""What training accepts and may still be a mistake, and files for another command."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from gym_adapters.errors import UserError
from trainers.config import load_settings
from trainers.config.__main__ import main
from trainers.config.doubts import check_trainer_type, doubts


def test_config_says_what_may_be_a_mistake(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "file.yaml"
    lesson = {"name": "easy", "value": 1, "completion_criteria": {"behavior": "Wolker", "threshold": 1}}
    parameters = {"size": {"curriculum": [lesson, {"name": "hard", "value": 2}]}}
    content = {"behaviors": {"Walker": {}}, "environment_parameters": parameters}
    file.write_text(yaml.safe_dump(content))
    assert main([str(file)]) == 0
    said = capsys.readouterr()
    assert "Walker" in yaml.safe_load(said.out)["behaviors"]
    (line,) = said.err.splitlines()
    assert line.startswith(
        "warning: environment_parameters.size.curriculum: lesson easy waits for behavior Wolker"
    )
    assert line.endswith("did you mean Walker?")


@pytest.mark.parametrize(
    ("place", "behavior", "doubted"),
    [
        ({}, {}, True),
        ({"resume": True}, {}, False),
        ({"initialize_from": "other"}, {}, False),
        ({}, {"init_path": "other/W/checkpoint.pt"}, False),
    ],
)
def test_inference_without_anything_learned_is_doubted(
    place: dict[str, Any], behavior: dict[str, Any], doubted: bool
) -> None:
    given = {"behaviors": {"W": behavior}, "checkpoint_settings": {"inference": True, **place}}
    assert ["learned nothing" in line for line in doubts(load_settings(given))] == [True] * doubted


def test_a_curriculum_of_a_behavior_that_only_the_scene_lists_is_accepted() -> None:
    lesson = {"name": "easy", "value": 1, "completion_criteria": {"behavior": "Other"}}
    parameters = {"size": {"curriculum": [lesson, {"name": "hard", "value": 2}]}}
    settings = load_settings({"behaviors": {"W": {}}, "environment_parameters": parameters})
    assert len(doubts(settings)) == 1
    assert doubts(load_settings({"default_settings": {}, "environment_parameters": parameters})) == []


@pytest.mark.parametrize("block", ["behaviors", "default_settings"])
@pytest.mark.parametrize(
    ("keys", "criteria", "told"),
    [
        ({}, {"measure": "Elo", "threshold": 1300}, "measures the Elo rating of W, which has no self_play"),
        ({"self_play": {}}, {"measure": "Elo", "threshold": 1300}, None),
        ({}, {"measure": "progress", "threshold": 1}, "waits for a progress above 1"),
        ({}, {"measure": "progress", "threshold": 0.9}, None),
        ({}, {"measure": "reward", "threshold": 1}, None),
    ],
)
def test_a_lesson_whose_measure_never_gets_there_is_doubted(
    keys: dict[str, Any], criteria: dict[str, Any], told: str | None, block: str
) -> None:
    lessons = [
        {"name": name, "value": 1, "completion_criteria": {"behavior": "W", **criteria}}
        for name in ("easy", "last")
    ]
    content = {"environment_parameters": {"size": {"curriculum": lessons}}}
    lines = doubts(load_settings({**content, block: {"W": keys} if block == "behaviors" else keys}))
    assert [line.split(": lesson ")[1].startswith(f"easy {told}") for line in lines] == [True] * (
        told is not None
    )


@pytest.mark.parametrize("place", ["behaviors.W", "default_settings"])
def test_an_evaluation_after_the_end_is_doubted(place: str) -> None:
    block, _, name = place.partition(".")
    for steps, lines in ((500, 0), (501, 1)):
        behavior = {"max_steps": 500, "evaluation_freq": steps}
        found = doubts(load_settings({block: {name: behavior} if name else behavior}))
        assert len(found) == lines
    assert found[0].startswith(
        f"{place}.evaluation_freq is 501 and max_steps 500, so that nothing is evaluated"
    )


def test_episodes_of_evaluations_that_never_come_are_doubted() -> None:
    (line,) = doubts(load_settings({"behaviors": {"W": {"evaluation_episodes": 3}}}))
    assert line == "behaviors.W.evaluation_episodes is 3, but nothing is evaluated without evaluation_freq"


WIDE = {"critic_hidden_units": 64}
DQN: dict[str, Any] = {"trainer_type": "dqn"}
RISING = {"exploration_initial_eps": 0.1, "exploration_final_eps": 0.2}
TWO = {"extrinsic": {"gamma": 0.99}, "rnd": {"gamma": 0.9}}


@pytest.mark.parametrize(
    ("keys", "line"),
    [
        (
            {"trainer_type": "ppo", "hyperparameters": {"shared_critic": True}, "network_settings": WIDE},
            "network_settings.critic_hidden_units is 64, which has no effect with shared_critic",
        ),
        ({"network_settings": WIDE}, None),
        (
            {**DQN, "network_settings": WIDE},
            "network_settings.critic_hidden_units is 64, but trainer_type dqn has no critic",
        ),
        (
            {**DQN, "hyperparameters": RISING},
            "hyperparameters.exploration_final_eps is 0.2, above exploration_initial_eps (0.1), where the "
            "probability then stays",
        ),
        ({**DQN, "hyperparameters": {**RISING, "exploration_schedule": "constant"}}, None),
        (
            {**DQN, "hyperparameters": {"exploration_raise_steps": 9}},
            "hyperparameters.exploration_raise_steps is 9, but there are no raises without exploration_raise_interval",
        ),
        ({**DQN, "hyperparameters": {"exploration_raise_steps": 9, "exploration_raise_interval": 5}}, None),
        (
            {**DQN, "reward_signals": TWO},
            "reward_signals.rnd.gamma is 0.9, but trainer_type dqn discounts the value of all signals with that of "
            "extrinsic (0.99)",
        ),
        ({"trainer_type": "sac", "reward_signals": TWO}, None),
        (
            {"trainer_type": "sac", "hyperparameters": {"noise_correlation_steps": 500}},
            "hyperparameters.noise_correlation_steps is 500, but noise is independent without noise_correlation",
        ),
        (
            {
                "trainer_type": "sac",
                "hyperparameters": {"noise_correlation_steps": 5, "noise_correlation": 0.5},
            },
            None,
        ),
        (
            {"trainer_type": "sac", "hyperparameters": {"critic_bins": 51}},
            "hyperparameters.critic_bins is 51, which has no effect without critic_range",
        ),
        (
            {"trainer_type": "sac", "hyperparameters": {"critic_range": 5}},
            "hyperparameters.critic_range is 5, and values beyond it count as its end; with normalize_reward: true few "
            "are",
        ),
        (
            {"trainer_type": "sac", "hyperparameters": {"critic_range": 5}, "normalize_reward": True},
            None,
        ),
        (
            {"reward_signals": {"rnd": {}}, "reward_clip": 1.0},
            "reward_clip has no effect without the reward signal extrinsic",
        ),
        ({"reward_signals": TWO, "reward_clip": 1.0, "normalize_reward": True}, None),
    ],
)
@pytest.mark.parametrize("place", ["behaviors.W", "default_settings"])
def test_a_key_that_others_make_useless_is_doubted(
    keys: dict[str, Any], line: str | None, place: str
) -> None:
    block, _, name = place.partition(".")
    settings = load_settings({block: {name: keys} if name else keys})
    assert doubts(settings) == ([] if line is None else [f"{place}.{line}"])


def test_a_command_for_one_trainer_refuses_a_file_for_another() -> None:
    settings = load_settings({"behaviors": {"W": {"trainer_type": "a2c"}}})
    check_trainer_type(settings, "a2c")
    with pytest.raises(UserError, match=r"behaviors\.W\.trainer_type is a2c, but this command trains ppo"):
        check_trainer_type(settings, "ppo")


@pytest.mark.parametrize(
    ("intervals", "undrawn"),
    [
        ([[1, 1], [2, 2]], "[2, 2]"),
        ([[0, 1], [3, 3]], "[3, 3]"),
        ([[0.5, 0.5], [2, 3]], "[0.5, 0.5]"),
        ([[1, 1]], None),
        ([[0, 1], [2, 4]], None),
    ],
)
def test_an_interval_that_unity_never_draws_is_doubted(
    intervals: list[list[float]], undrawn: str | None
) -> None:
    sampler = {"sampler_type": "multirangeuniform", "sampler_parameters": {"intervals": intervals}}
    found = doubts(load_settings({"environment_parameters": {"mass": sampler}}))
    if undrawn is None:
        assert found == []
    else:
        (line,) = found
        assert line.startswith(f"environment_parameters.mass: interval {undrawn} is never drawn")


@pytest.mark.parametrize(
    ("default", "own", "doubted"),
    [
        ({}, {"curiosity": {}}, True),
        ({"reward_signals": {"extrinsic": {"gamma": 0.9}}}, {"curiosity": {}}, False),
        ({"reward_signals": {"curiosity": {}}}, {"rnd": {}}, False),
        ({}, {"extrinsic": {}, "curiosity": {}}, False),
        (None, {"curiosity": {}}, False),
    ],
)
def test_signals_without_rewards_beside_a_default_are_doubted(
    default: dict[str, Any] | None, own: dict[str, Any], doubted: bool
) -> None:
    settings = load_settings({"default_settings": default, "behaviors": {"A": {"reward_signals": own}}})
    told = doubts(settings)
    assert len(told) == doubted
    assert all(line.startswith("behaviors.A.reward_signals leaves out extrinsic") for line in told)
