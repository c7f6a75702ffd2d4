"""Learning from one plan that is cut into parts.

`torchrun … rank_learning.py FOLDER CASE …` learns from the part of its rank.

Actions, minibatches and noise depend on who decides and when, not on the process, so that ranks that learn from parts
must do what one process does that learns from the whole.
"""

import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from learner_tools import behavior_settings
from scripted_env import INDEX, LIFE, Behavior, Life, ScriptedEnv, crowd, make_spec

from trainers.algorithms import on_policy, pqn
from trainers.algorithms.learner import Learner
from trainers.algorithms.off_policy import OffPolicyLearner
from trainers.algorithms.on_policy import OnPolicyLearner
from trainers.config import catalogue
from trainers.experience.batch import Batch
from trainers.experience.samplers import divide
from trainers.experience.task import Task
from trainers.maths.returns import gae
from trainers.networks.distributions import Actions
from trainers.networks.policy_network import ActionSample
from trainers.networks.squashed import SquashedDistribution
from trainers.optim.collective import Alone, Collective
from trainers.optim.launch import launched
from trainers.optim.ranks import Ranks
from trainers.records.timers import TimerTree
from trainers.training.meetings import Meetings

AGENTS, STEPS = 10, 80
HYBRID = make_spec((4,), continuous=2, branches=(3,))
DISCRETE = make_spec((4,), branches=(3,))
ROLLOUT = {"buffer_size": 60, "batch_size": 20, "learning_rate": 1e-3}
REPLAY = {"buffer_size": 2000, "batch_size": 20, "buffer_init_steps": 200, "steps_per_update": 10.0}
NETWORK = {"normalize": True}

CASES: dict[str, dict[str, Any]] = {
    "ppo": {
        "hyperparameters": {**ROLLOUT, "max_grad_norm": 0.5, "target_kl": 1.0},
        "network": NETWORK,
        "normalize_reward": True,
    },
    "ppo in numpy": {"hyperparameters": ROLLOUT, "network": NETWORK},
    "ppo by minibatch": {"hyperparameters": {**ROLLOUT, "normalize_advantage": "minibatch"}},
    "a2c": {"hyperparameters": {**ROLLOUT, "num_epoch": 1}, "network": NETWORK},
    "a2c natural": {
        "hyperparameters": {**ROLLOUT, "natural_gradient_kl": 0.02, "critic_num_epoch": 2},
        "network": NETWORK,
    },
    "poca": {"hyperparameters": ROLLOUT, "network": NETWORK},
    "dqn": {"hyperparameters": REPLAY, "network": NETWORK},
    "pqn": {"hyperparameters": ROLLOUT, "network": NETWORK},
    "sac": {"hyperparameters": REPLAY, "network": NETWORK, "normalize_reward": True},
}
"""The settings of each learner; the first word is the `trainer_type`."""


def learn(case: str, exact: bool, collective: Collective, parts: Sequence[int], ranks: int) -> dict[str, Any]:
    """Drive a learner through the part of the plan that belongs to some ranks, and return what it learned.

    Args:
        case: a key of `CASES`.
        exact: compute in float64.
        collective: the ranks that learn together.
        parts: the ranks whose parts of the plan this process has.
        ranks: the number of parts.
    """
    torch.set_default_dtype(torch.float64 if exact else torch.float32)
    kind = case.split()[0]
    spec = DISCRETE if kind in ("dqn", "pqn") else HYBRID
    settings = behavior_settings(kind, max_steps=10_000, **CASES[case])
    learner = catalogue.algorithm(kind).load()(
        Task("Test", spec, settings, 0, torch.device("cpu"), collective)
    )
    if case != "ppo in numpy" and isinstance(learner, OnPolicyLearner):
        learner.numpy_path = None
    on_policy.gae = pqn.gae = (lambda *rows: gae(*rows).astype(np.float64)) if exact else gae
    if exact:
        _compute_in_float64(learner)
    learner.choose = lambda batch: _choose(learner, batch.observations)
    if isinstance(learner, OffPolicyLearner):
        _draw_alike(learner, parts, ranks)
    else:
        learner.sampler = AlikeSampler(learner, parts, ranks)
    lives = crowd(AGENTS, STEPS + 5, 9, interrupted=True)
    lives = [life if life.agent % ranks in parts else Life(life.agent, ()) for life in lives]
    _drive(ScriptedEnv({"Test": Behavior(spec, lives)}), learner)
    torch.set_default_dtype(torch.float32)
    return _result(learner)


@dataclass
class Recorded:
    """What a meeting needs of a recorder: the learner, and that the next report is due at once."""

    learner: Learner
    due: SimpleNamespace = field(default_factory=lambda: SimpleNamespace(steps_left=0))


def _drive(env: ScriptedEnv, learner: Learner) -> None:
    """The training loop, in which the ranks meet at every step until ten updates were made."""
    actor, updates, update = learner.actor("Test"), [0], learner.update

    def counted() -> None:
        warms_up = getattr(learner, "warming_up", False)
        update()
        updates[0] += not warms_up

    learner.update = counted
    meetings = Meetings(
        learner.collective, {"Test": Recorded(learner)}, lambda *_: None, lambda: False, TimerTree()
    )
    env.reset()
    while updates[0] < 10:
        asking = actor.observe(*env.get_steps("Test"))
        meetings.learn([actor])
        env.set_actions("Test", actor.act(asking))
        env.step()
        assert env.now < STEPS


def _result(learner: Learner) -> dict[str, Any]:
    moments = [learner.observation_moments, learner.signals[0].return_moments]
    return {
        "step": learner.step,
        "weights": [flat.detach().clone() for flat in learner.optimizer.flat],
        "gradient": learner.optimizer.gradient.clone(),
        "moments": [torch.from_numpy(np.stack([each.mean, each.variance])) for each in moments],
        "counts": [each.count for each in moments],
        "figures": {
            tag: value
            for tag, value in learner.metrics.summarise()[0].items()
            if tag != "Losses/Policy Loss" and not tag.endswith("Variance")  # each rank's own, averaged
        },
        "episodes": sorted(learner.metrics.recent_returns),
    }


def _random(observation: np.ndarray) -> np.random.Generator:
    """Random numbers that belong to a visit."""
    return np.random.default_rng([int(observation[LIFE]) + 1, int(observation[INDEX])])


def _choose(learner: Learner, observations: Sequence[np.ndarray]) -> ActionSample:
    drawn = [_random(row) for row in observations[0]]
    size, branches = learner.spec.action_spec.continuous_size, learner.spec.action_spec.discrete_branches
    noise = np.array([each.normal(size=size) for each in drawn], np.float32).reshape(len(drawn), size)
    picks = np.array([each.integers(branches) for each in drawn], np.int64).reshape(len(drawn), len(branches))
    if not learner.policy.gives_log_prob or isinstance(learner, OffPolicyLearner):
        return ActionSample(np.tanh(noise), picks, np.zeros((len(drawn), 0), np.float32))
    with torch.no_grad():
        policy = learner.policy.distribution(learner.policy.upload(observations), None)
        continuous = policy.mean.float() + policy.log_std.exp().float() * torch.from_numpy(noise)
        log_prob = policy.log_prob(Actions(continuous, torch.from_numpy(picks)))
    return ActionSample(continuous.numpy(), picks, log_prob.float().numpy())


class AlikeSampler:
    """Minibatches that are the union of those that each rank draws from its own part."""

    def __init__(self, learner: OnPolicyLearner, parts: Sequence[int], ranks: int) -> None:
        self.learner, self.parts, self.ranks, self.draws = learner, parts, ranks, 0

    def draw(self, batch: Batch, size: int, generator: torch.Generator) -> tuple[Batch, list[slice]]:
        self.draws += 1
        columns = self.learner.rollout.columns()
        seen = columns.observations[0][batch.rows.numpy()]
        agents = _agents()[seen[:, LIFE].astype(int)]
        pieces: list[np.ndarray] = []
        rows = self.learner.rows
        if rows is None:
            rows = np.bincount(agents % self.ranks, minlength=self.ranks)
        for part in self.parts:
            division = divide(rows, part, self.learner.hyper.batch_size)
            own = np.flatnonzero(agents % self.ranks == part)
            own = own[np.lexsort((seen[own, INDEX], seen[own, LIFE]))]
            own = np.random.default_rng([part, self.draws]).permutation(own)
            pieces.append(own[: division.count * division.size].reshape(division.count, -1))
        minibatches = list(np.concatenate(pieces, axis=1))
        ends = np.cumsum([len(minibatch) for minibatch in minibatches]).tolist()
        slices = [slice(start, end) for start, end in zip([0, *ends[:-1]], ends, strict=True)]
        return batch[torch.from_numpy(np.concatenate(minibatches))], slices


def _agents() -> np.ndarray:
    return np.array([life.agent for life in crowd(AGENTS, STEPS + 5, 9, interrupted=True)])


def _draw_alike(learner: OffPolicyLearner, parts: Sequence[int], ranks: int) -> None:
    """Let each rank draw from its own part, and draw the noise of actions with it."""
    agents, noises, draws = _agents(), [], [0]
    ends = [learner.hyper.batch_size * number // ranks for number in range(ranks + 1)]

    def draw(count: int, generator: torch.Generator) -> np.ndarray:
        draws[0] += 1
        replay, chosen, noise = learner.replay, [], []
        rows = np.arange(replay.first, replay.total)
        rows = rows[replay.column("settled", rows % replay.capacity)]
        seen = replay.read(rows % replay.capacity)[0]
        for part in parts:
            own = np.flatnonzero(agents[seen[:, LIFE].astype(int)] % ranks == part)
            own = own[np.lexsort((seen[own, INDEX], seen[own, LIFE]))]
            random = np.random.default_rng([part, draws[0]])
            chosen.append(rows[random.choice(own, ends[part + 1] - ends[part])])
            noise.append(random.normal(size=(len(chosen[-1]), 2, 2)))
        noises[:] = list(np.concatenate(noise).transpose(1, 0, 2))
        numbers = np.concatenate(chosen)
        assert len(numbers) == count
        return numbers

    def drawn(self: SquashedDistribution, generator: torch.Generator | None = None) -> Any:
        noise = torch.from_numpy(noises.pop()).to(self.mean.dtype)
        before = self.mean + noise * self.log_std.exp()
        density = noise.square().mul(-0.5) - self.log_std - 0.5 * np.log(2 * np.pi)
        slope = 2.0 * (np.log(2.0) - before - torch.nn.functional.softplus(-2.0 * before))
        return before.tanh(), (density - slope).sum(1)

    learner.replay.draw = draw
    SquashedDistribution.draw = drawn  # this process does nothing else


def _compute_in_float64(learner: Learner) -> None:
    """Let the network take float64; its weights have it already."""
    prepare: Callable[..., Any] = learner.policy.prepare
    learner.policy.prepare = lambda observations: tuple(each.double() for each in prepare(observations))
    if isinstance(learner, OffPolicyLearner):
        learner.tensor = lambda array: (
            torch.from_numpy(array).double() if array.dtype.kind == "f" else torch.from_numpy(array)
        )


def distances(one: dict[str, Any], other: dict[str, Any]) -> dict[str, float]:
    """Return how far two results of `learn` are apart: the largest difference of each kind, by its scale."""

    def far(ours: Sequence[torch.Tensor], theirs: Sequence[torch.Tensor]) -> float:
        return max(
            float((x - y).abs().max()) / max(1.0, float(y.abs().max()))
            for x, y in zip(ours, theirs, strict=True)
            if y.numel()
        )

    assert one["figures"].keys() == other["figures"].keys()
    figures = [(value, other["figures"][tag]) for tag, value in one["figures"].items()]
    return {
        "weights": far(one["weights"], other["weights"]),
        "gradient": far([one["gradient"]], [other["gradient"]]),
        "moments": far(one["moments"], other["moments"]),
        "figures": max(abs(ours - theirs) / max(1.0, abs(theirs)) for ours, theirs in figures),
        "counts": float(any(one[key] != other[key] for key in ("step", "counts", "episodes"))),
    }


def main(folder: Path, cases: Sequence[str]) -> None:
    """Learn cases with the ranks that torchrun started, and write how far that is from learning from the whole.

    Each rank compares some of the cases. The name of a case in float64 ends with `exact`.
    """
    torch.set_num_threads(1)
    launch = launched()
    assert launch is not None
    ranks = Ranks(launch, 60.0)
    found = {}
    for number, name in enumerate(cases):
        case, exact = name.removesuffix(" exact"), name.endswith(" exact")
        together = learn(case, exact, ranks, [ranks.rank], ranks.size)
        assert len(set(ranks.gather_values(_text(together)))) == 1
        if number % ranks.size == ranks.rank:
            alone = learn(case, exact, Alone(), range(ranks.size), ranks.size)
            found[name] = distances(together, alone)
    everything = {name: each for part in ranks.gather_values(found) for name, each in part.items()}
    if ranks.rank == 0:
        (folder / "distances.json").write_text(json.dumps(everything))
    ranks.leave()


def _text(result: dict[str, Any]) -> str:
    """Return the weights and moments of a result, bit by bit."""
    return str([tensor.numpy().tobytes().hex() for tensor in (*result["weights"], *result["moments"])])


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
