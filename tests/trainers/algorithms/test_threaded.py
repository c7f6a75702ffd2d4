"""Updates in a thread: which weights act when, and that nothing depends on how long an update takes."""

import copy
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from typing import Any

import numpy as np
import pytest
import torch
from learner_tools import assert_same, behavior_settings, drive, make_learner
from scripted_env import Behavior, Life, ScriptedEnv, Visit, crowd, make_spec

from gym_adapters.errors import UserError
from trainers.algorithms.learner import Learner
from trainers.algorithms.on_policy import OnPolicyLearner
from trainers.algorithms.threaded import Update
from trainers.maths.seeds import acting_seed
from trainers.optim.threads import Threads

HYBRID = make_spec((4,), continuous=1, branches=(3,))
ROLLOUT = {"buffer_size": 32, "batch_size": 8}
REPLAY = {"buffer_size": 200, "batch_size": 8, "buffer_init_steps": 20}
MEMORY = {"memory": {"memory_size": 8, "sequence_length": 4}}
CURIOUS = {"extrinsic": {"gamma": 0.9}, "curiosity": {"gamma": 0.9, "network_settings": {"hidden_units": 8}}}
CASES: dict[str, dict[str, Any]] = {
    "ppo": {"hyperparameters": ROLLOUT, "network": {"normalize": True}, "normalize_reward": True},
    "ppo with memory": {"hyperparameters": ROLLOUT, "network": MEMORY},
    "ppo with curiosity": {"hyperparameters": ROLLOUT, "reward_signals": CURIOUS},
    "a2c": {"hyperparameters": {**ROLLOUT, "natural_gradient_kl": 0.01, "shared_critic": False}},
    "poca": {"hyperparameters": ROLLOUT, "network": {"normalize": True}},
    "mappo with memory": {"hyperparameters": ROLLOUT, "network": MEMORY},
    "dqn": {"hyperparameters": {**REPLAY, "steps_per_update": 3}, "network": {"dropout": 0.1}},
    "sac": {"hyperparameters": {**REPLAY, "steps_per_update": 2}, "network": {"normalize": True}},
    "sac with memory": {"hyperparameters": {**REPLAY, "steps_per_update": 7}, "network": MEMORY},
    "sac with curiosity": {
        "hyperparameters": {**REPLAY, "steps_per_update": 5},
        "reward_signals": CURIOUS,
        "normalize_reward": True,
    },
}
EVERY_CASE = pytest.mark.parametrize("case", CASES)
STEPS = 60


class AtTheLastMoment(Future):
    """The result of an update that runs when somebody waits for it."""

    def __init__(self, update: Update) -> None:
        super().__init__()
        self.update = update

    def exception(self, timeout: float | None = None) -> BaseException | None:
        if not self.done():
            run_into(self, self.update)
        return super().exception(timeout)


def at_once(update: Update) -> "Future[None]":
    """Run an update before it is asked for its result."""
    done: Future[None] = Future()
    run_into(done, update)
    return done


def run_into(future: "Future[None]", update: Update) -> None:
    try:
        future.set_result(update())
    except Exception as error:
        future.set_exception(error)


@pytest.fixture
def thread() -> Iterator[Callable[[Update], "Future[None]"]]:
    with Threads() as threads:
        yield threads.submit


def learner_of(case: str, threaded: bool = True) -> Learner:
    kind = case.split()[0]
    keys = copy.deepcopy(CASES[case])
    spec = make_spec((4,), branches=(3,)) if kind == "dqn" else HYBRID
    return make_learner(spec, behavior_settings(kind, threaded=threaded, **keys))


def env_of(learner: Learner) -> ScriptedEnv:
    lives = crowd(5, STEPS, 9, interrupted=True)
    if learner.sees_mates:
        lives = [grouped(life) for life in lives]
    return ScriptedEnv({"Test": Behavior(learner.spec, lives, masked=True)})


def grouped(life: Life) -> Life:
    """The same life in a group of two or three agents."""
    group = 1 + life.agent % 2

    def placed(visit: Visit) -> Visit:
        return Visit(visit.step, visit.reward, visit.value, 1.0, group)

    assert life.ending is not None
    return Life(life.agent, tuple(map(placed, life.visits)), placed(life.ending), life.interrupted)


def actions_of(env: ScriptedEnv) -> dict:
    return env.behaviors["Test"].actions


def assert_same_actions(one: dict, other: dict) -> None:
    assert one.keys() == other.keys()
    for who, parts in one.items():
        for mine, theirs in zip(parts, other[who], strict=True):
            np.testing.assert_array_equal(mine, theirs)


@EVERY_CASE
def test_a_run_does_not_depend_on_how_long_updates_take(case, thread):
    """An update sees nothing of what happens while it runs, and what happens sees nothing of the update."""
    found = []
    for submit in (at_once, AtTheLastMoment, thread):
        learner = learner_of(case)
        learner.update_in(submit)
        env = env_of(learner)
        updates = drive(env, learner, STEPS)
        learner.wait()
        found.append((updates, learner.state_dict(), actions_of(env), learner.metrics.summarise()))
    assert len(found[0][0]) > 4
    for other in found[1:]:
        assert other[0] == found[0][0]
        assert_same(other[1], found[0][1])
        assert_same_actions(other[2], found[0][2])
        assert other[3] == found[0][3]


@EVERY_CASE
def test_a_thread_does_what_a_loop_does_that_acts_by_the_weights_before_the_update(case, thread):
    learner, plain = learner_of(case), learner_of(case, threaded=False)
    learner.update_in(thread)
    plain.acting_generator = torch.Generator().manual_seed(acting_seed(0))
    for each in (learner, plain):
        if isinstance(each, OnPolicyLearner):
            each.numpy_path = None
    env, reference = env_of(learner), env_of(plain)
    drive(env, learner, STEPS)
    learner.wait()

    reference.reset()
    actor = plain.actor("Test")
    for _ in range(STEPS):
        asking = actor.observe(*reference.get_steps("Test"))
        if plain.ready:
            if not plain.learns_at_once:
                plain.acting = copy.deepcopy(plain.policy)
            plain.update()
        if len(asking):
            reference.set_actions("Test", actor.act(asking))
        reference.step()
    assert_same_actions(actions_of(env), actions_of(reference))
    assert_same(learner.state_dict(), plain.state_dict())
    assert learner.step == plain.step


def always(agents: int) -> list[Life]:
    """Agents that ask at every step and never end."""
    return [Life(agent, tuple(Visit(step, 1.0) for step in range(STEPS))) for agent in range(agents)]


def versions(learner: Learner) -> list[int]:
    """How many updates the weights have learned from that act at each step."""
    env = ScriptedEnv({"Test": Behavior(learner.spec, always(4))})
    found: list[int] = []
    choose = learner.choose

    def watched(batch):
        found.append(round(float(next(iter(learner.acting.parameters())).detach().flatten()[0])))
        return choose(batch)

    learner.choose = watched  # type: ignore[method-assign]
    with torch.no_grad():
        next(iter(learner.policy.parameters())).zero_()
    drive(env, learner, STEPS)
    learner.wait()
    return found


def count_up(learner: Learner) -> None:
    with torch.no_grad():
        next(iter(learner.policy.parameters())).add_(1.0)


@pytest.mark.parametrize("kind", ["ppo", "a2c", "poca", "mappo"])
def test_a_rollout_is_acted_by_the_weights_that_the_last_but_one_has_led_to(kind, thread):
    learner = make_learner(HYBRID, behavior_settings(kind, ROLLOUT, threaded=True))
    learner.learn_from = lambda columns: count_up(learner)  # type: ignore[method-assign]
    learner.update_in(thread)
    assert versions(learner) == [max(0, step // 8 - 1) for step in range(STEPS)]


@pytest.mark.parametrize("every", [1, 3, 4, 10])
def test_with_a_replay_buffer_agents_act_without_the_updates_that_were_due_last(every, thread):
    spec = make_spec((4,), branches=(3,))
    keys = {**REPLAY, "buffer_init_steps": 8, "steps_per_update": every}
    learner = make_learner(spec, behavior_settings("dqn", keys, threaded=True))

    def learn(_: object) -> dict:
        count_up(learner)
        return {"Losses/Value Loss": torch.zeros(())}

    learner.learn = learn
    learner.update_in(thread)
    # The buffer is filled at 8 decisions, and 4 more are rewarded in each step.
    due = [max(0, 4 * step - 8) // every for step in range(STEPS)]
    begun = [0 if step == 0 or due[step] == due[step - 1] else step for step in range(STEPS)]
    latest = np.maximum.accumulate(begun)
    assert versions(learner) == [due[step - 1] if step else 0 for step in latest]


def test_without_the_key_the_policy_itself_acts():
    learner = learner_of("ppo", threaded=False)
    drive(env_of(learner), learner, STEPS)
    assert learner.acting is learner.policy
    assert learner.acting_generator is learner.generator


@pytest.mark.parametrize("case", ["ppo with memory", "sac"])
def test_an_error_comes_at_the_next_step_and_once(case):
    learner = learner_of(case)
    learner.update_in(at_once)
    env, failed_at = env_of(learner), []

    def fail(*_: object) -> None:
        failed_at.append(env.now)
        raise UserError("behavior Test: training diverged")

    setattr(learner, "learn" if case == "sac" else "learn_from", fail)
    with pytest.raises(UserError, match="diverged"):
        drive(env, learner, STEPS)
    assert failed_at == [env.now - 1]
    learner.wait()


def test_what_only_actors_change_does_not_change_while_an_update_runs():
    """The scale of rewards is that of the moment at which the update began."""
    learner = learner_of("ppo")
    learner.update_in(AtTheLastMoment)
    twins, set_aside = [], learner.set_aside

    def watched(twin: Learner) -> Update:
        twins.append((twin, learner.step))
        return set_aside(twin)

    learner.set_aside = watched  # type: ignore[method-assign]
    drive(env_of(learner), learner, 20)
    twin, step = twins[-1]
    assert twin.step == step < learner.step
    assert twin.signals[0].return_moments.count == step + 1 < learner.signals[0].return_moments.count
    assert twin.metrics is not learner.metrics


@EVERY_CASE
def test_a_reset_while_an_update_runs_changes_nothing_of_it(case):
    found = []
    for submit in (at_once, AtTheLastMoment):
        learner = learner_of(case)
        learner.update_in(submit)
        env = env_of(learner)
        drive(env, learner, 50, resets=(20, 31, 40))
        learner.wait()
        found.append(learner.state_dict())
    assert_same(*found)


def test_a_learner_that_finishes_acts_by_its_newest_weights(thread):
    learner = learner_of("ppo")
    learner.update_in(thread)
    drive(env_of(learner), learner, 30)
    learner.finish()
    assert_same(learner.acting.state_dict(), learner.policy.state_dict())
