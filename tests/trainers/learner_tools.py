"""Learners made and driven without a run folder."""

import copy
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mlagents_envs.base_env import BaseEnv, BehaviorSpec
from scripted_env import VALUE, Behavior, Life, ScriptedEnv, crowd, make_spec

from trainers.algorithms.learner import Learner
from trainers.algorithms.on_policy import OnPolicyLearner
from trainers.config import BehaviorSettings, catalogue, load_settings
from trainers.experience.batch import Batch
from trainers.experience.task import Task
from trainers.records.checkpoint import save_state
from trainers.training.resuming import restore

SMALL_NETWORK = {"hidden_units": 8, "num_layers": 1}


def behavior_settings(
    trainer_type: str = "ppo",
    hyperparameters: Mapping[str, Any] | None = None,
    network: Mapping[str, Any] | None = None,
    gamma: float = 0.9,
    strength: float = 1.0,
    **keys: Any,
) -> BehaviorSettings:
    """A behavior's settings, with a small network."""
    content = {
        "trainer_type": trainer_type,
        "hyperparameters": dict(hyperparameters or {}),
        "network_settings": {**SMALL_NETWORK, **(network or {})},
        "reward_signals": {"extrinsic": {"gamma": gamma, "strength": strength}},
        **keys,
    }
    return load_settings({"behaviors": {"Test": content}}).behavior("Test")


def make_learner(
    spec: BehaviorSpec,
    settings: BehaviorSettings,
    seed: int = 0,
    name: str = "Test",
    device: str = "cpu",
    **task: Any,
) -> OnPolicyLearner:
    """A learner, on the CPU unless another device is given."""
    learner_class = catalogue.algorithm(settings.trainer_type).load()
    return learner_class(Task(name, spec, settings, seed, torch.device(device), **task))


def scripted_critic(learner: OnPolicyLearner) -> None:
    """Make the critic say what the scripted observation holds."""
    learner.policy.value = lambda inputs: inputs[0][:, VALUE : VALUE + 1]  # type: ignore[method-assign]


def drive(
    env: BaseEnv,
    learner: Learner,
    steps: int,
    name: str = "Test",
    resets: Collection[int] = (),
    begin: bool = True,
) -> list[int]:
    """The training loop for one behavior and so many steps; returns the steps at which the learner updated.

    Args:
        env: the environment.
        learner: the learner.
        steps: environment steps.
        name: the behavior's full name.
        resets: steps before which the learner is told that the environment was reset.
        begin: reset the environment first; else go on where it is.
    """
    if begin:
        env.reset()
    updates, actor = [], learner.actor(name)
    for step in range(steps):
        if step in resets:
            learner.forget_agents()
        asking = actor.observe(*env.get_steps(name))
        if learner.ready:
            learner.begin_update()
            updates.append(step)
        if len(asking):
            env.set_actions(name, actor.act(asking))
        env.step()
    return updates


def watch_minibatches(learner: OnPolicyLearner) -> list[tuple[Batch, torch.Tensor]]:
    """A list that grows by each minibatch and the log-probabilities it has when it is learned from."""
    seen: list[tuple[Batch, torch.Tensor]] = []
    descend = learner.descend

    def watch(minibatch, losses, beta):
        with torch.no_grad():
            distribution = learner.policy.distribution(
                minibatch.inputs, minibatch.forbidden, minibatch.sequences
            )
            seen.append((minibatch, distribution.log_prob(minibatch.actions)))
        return descend(minibatch, losses, beta)

    learner.numpy_path = None  # the reference; test_numpy_path.py compares
    learner.descend = watch  # type: ignore[method-assign]
    return seen


def log_ratio(minibatch: tuple[Batch, torch.Tensor]) -> torch.Tensor:
    batch, log_prob = minibatch
    return (log_prob - batch.log_prob).sum(1).abs()


def scripted_run(
    steps: int = 40,
    trainer_type: str = "ppo",
    lives: list[Life] | None = None,
    network: dict | None = None,
    max_steps: int = 10_000,
    **hyperparameters,
) -> tuple[OnPolicyLearner, list[tuple[Batch, torch.Tensor]], list[int]]:
    """A hybrid learner that was driven through a plan, the minibatches it saw, and when it updated."""
    spec = make_spec((3,), continuous=1, branches=(3,))
    settings = behavior_settings(
        trainer_type, {"buffer_size": 32, "batch_size": 8, **hyperparameters}, network, max_steps=max_steps
    )
    learner = make_learner(spec, settings)
    seen = watch_minibatches(learner)
    env = ScriptedEnv({"Test": Behavior(spec, lives or crowd(4, steps, 7))})
    return learner, seen, drive(env, learner, steps)


def crowded_env(spec: BehaviorSpec, masked: bool = True) -> ScriptedEnv:
    """Agents that come and go, some of them by a time limit; discrete actions are masked."""
    masked = masked and bool(spec.action_spec.discrete_size)
    return ScriptedEnv({"Test": Behavior(spec, crowd(5, 300, 8, interrupted=True), masked)})


def whole_state(learner: Learner) -> dict:
    return {**learner.state_dict(), "behavior": learner.description()}


def hand_over(learner: Learner, loaded: Learner, folder: Path) -> None:
    """Save a learner to files as a run does, and load them into another one."""
    save_state(folder / "here.pt", whole_state(learner))
    learner.save_store(folder)
    restore(loaded, folder / "here.pt")
    loaded.load_store(folder)


def flat(state: object, path: str = "") -> dict[str, object]:
    """Every leaf of nested containers, by its path."""
    if isinstance(state, dict):
        return {k: v for key, child in state.items() for k, v in flat(child, f"{path}/{key}").items()}
    if isinstance(state, list | tuple):
        return {k: v for key, child in enumerate(state) for k, v in flat(child, f"{path}/{key}").items()}
    return {path: state}


def assert_same(one: dict, other: dict) -> None:
    """Equal bit for bit: tensors, numbers and strings alike."""
    found, expected = flat(one), flat(other)
    assert found.keys() == expected.keys()
    for path, value in expected.items():
        same = torch.equal(found[path], value) if isinstance(value, torch.Tensor) else found[path] == value
        assert same, path


def assert_goes_on_the_same(env: ScriptedEnv, learner: Learner, loaded: Learner, least: int = 11) -> None:
    """A learner that was loaded acts and updates bit for bit as the other does, with so many updates or more."""
    assert_same(loaded.state_dict(), learner.state_dict())
    loaded.actor("Test").agents = copy.deepcopy(learner.actor("Test").agents)
    torch.manual_seed(77)  # nothing may depend on the process's own random state
    other_env = copy.deepcopy(env)
    updates = drive(env, learner, 30, begin=False)
    torch.manual_seed(78)
    assert updates == drive(other_env, loaded, 30, begin=False)
    assert len(updates) >= least
    for who, actions in env.behaviors["Test"].actions.items():
        for mine, theirs in zip(actions, other_env.behaviors["Test"].actions[who], strict=True):
            assert np.array_equal(mine, theirs)
    assert_same(loaded.state_dict(), learner.state_dict())
