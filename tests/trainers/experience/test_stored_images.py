"""Images are stored as they come, whatever an environment shows before the first one."""

import numpy as np
import pytest
from learner_tools import behavior_settings, drive, log_ratio, make_learner, watch_minibatches
from mlagents_envs.base_env import ActionTuple, BehaviorSpec, DecisionSteps, TerminalSteps
from scripted_env import make_spec
from task_envs import TaskEnv

SHAPE = (3, 36, 36)


class LateEnv(TaskEnv):
    """Images of random bytes, or of their fractions; nobody is there for the first two steps."""

    def __init__(self, spec: BehaviorSpec, dtype: type) -> None:
        def look(rng: np.random.Generator, age: np.ndarray):
            image = rng.integers(0, 256, (len(age), *SHAPE), np.uint8)
            return [image if dtype is np.uint8 else (image / 255).astype(dtype)], None

        def pay(obs: list[np.ndarray], action: ActionTuple) -> np.ndarray:
            return np.ones(4)

        super().__init__(spec, look, pay, agents=4, name="Test")
        self.now = 0

    def get_steps(self, behavior_name: str) -> tuple[DecisionSteps, TerminalSteps]:
        if self.now < 2:
            return DecisionSteps.empty(self.spec), TerminalSteps.empty(self.spec)
        return super().get_steps(behavior_name)

    def step(self) -> None:
        self.now += 1
        if self.now > 2:
            super().step()


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
@pytest.mark.parametrize("trainer_type", ["ppo", "a2c"])
def test_a_rollout_holds_what_was_seen_when_acting(trainer_type, dtype):
    spec = make_spec(SHAPE, continuous=1, branches=(2,))
    hyper = {"buffer_size": 16, "batch_size": 16, "learning_rate": 0.01}
    learner = make_learner(spec, behavior_settings(trainer_type, hyper))
    stored: list[np.ndarray] = []
    prepare = learner.prepare
    learner.prepare = lambda columns, inputs: (  # type: ignore[method-assign]
        stored.append(columns.observations[0].copy()) or prepare(columns, inputs)
    )
    seen = watch_minibatches(learner)
    updates = drive(LateEnv(spec, dtype), learner, 12)
    assert len(updates) >= 2
    assert {array.dtype for array in stored} == {np.dtype(dtype)}
    assert max(array.max() for array in stored) == (255 if dtype is np.uint8 else 1.0)
    per_update = len(seen) // len(updates)
    assert max(log_ratio(minibatch).max().item() for minibatch in seen[::per_update]) < 1e-5


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_a_replay_buffer_holds_what_was_seen_when_acting(dtype):
    spec = make_spec(SHAPE, branches=(2,))
    learner = make_learner(spec, behavior_settings("dqn", {"buffer_size": 100, "batch_size": 4}))
    env, images = LateEnv(spec, dtype), []
    choose = learner.choose
    learner.choose = lambda batch: images.append(batch.observations[0].copy()) or choose(batch)  # type: ignore[method-assign]
    updates = drive(env, learner, 9)
    assert updates
    (held,) = learner.replay.read(np.arange(learner.replay.total))
    assert held.dtype == dtype
    rows = {image.tobytes() for image in held}
    assert {image.tobytes() for batch in images for image in batch} <= rows
