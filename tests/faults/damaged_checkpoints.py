"""Checkpoints with wrong values, and with damaged bytes: resumed, evaluated, started from."""

import random
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any

import torch
from damage_tools import copied, environment, finished, refusal, resume
from run_tools import options

from tests.faults.fault import Fault
from trainers import load_policy, train
from trainers.records.checkpoint import load_state, save_state

NAME = "Task/checkpoint.pt"
State = dict[str, Any]
Change = Callable[[Any], Any]
MISSING = object()


def _nan(tensor: torch.Tensor) -> torch.Tensor:
    changed = tensor.clone()
    changed.view(-1)[0] = torch.nan
    return changed


def _at(state: State, path: tuple[Any, ...], change: Change) -> Any:
    """A copy of nested containers with one value changed."""
    if not path:
        return change(state)
    key, *rest = path
    if isinstance(state, list):
        return [_at(part, tuple(rest), change) if place == key else part for place, part in enumerate(state)]
    made = _at(state[key], tuple(rest), change)
    return {name: part for name, part in {**state, key: made}.items() if part is not MISSING}


def _is(value: Any) -> Change:
    return lambda _: value


ADAM = ("Optimizer:value_optimizer", "adam")
OBSERVATION = ("behavior", "observations", 0)
WEIGHT = ("Policy", "value_head.weight")
CHANGES: dict[str, list[tuple[str, tuple[Any, ...], Change]]] = {
    "ppo": [
        *(
            (f"without {key}", (key,), _is(MISSING))
            for key in ("trainer_type", "global_step", "Policy", "behavior")
        ),
        *(
            (f"without {key}", (key,), _is(MISSING))
            for key in (
                "Optimizer:value_optimizer",
                "observation_moments",
                "recent_returns",
                "episodes",
                "generator",
            )
        ),
        ("trainer_type is unknown", ("trainer_type",), _is("alchemy")),
        ("trainer_type is a number", ("trainer_type",), _is(3)),
        ("trainer_type is a list", ("trainer_type",), _is(["ppo"])),
        ("step is text", ("global_step",), _is("400")),
        ("step is negative", ("global_step",), _is(-400)),
        ("step is a fraction", ("global_step",), _is(400.5)),
        ("step is NaN", ("global_step",), _is(float("nan"))),
        ("step is null", ("global_step",), _is(None)),
        ("step is true", ("global_step",), _is(True)),
        ("step is a tensor", ("global_step",), _is(torch.tensor(400))),
        ("step is 10^30", ("global_step",), _is(10**30)),
        ("Policy is a list", ("Policy",), _is([])),
        ("weight is a list", WEIGHT, lambda weight: weight.tolist()),
        ("weight is NaN", WEIGHT, _nan),
        ("weight is infinite", WEIGHT, lambda weight: weight + torch.inf),
        ("weight is double", WEIGHT, lambda weight: weight.double()),
        ("weight is whole", WEIGHT, lambda weight: weight.long()),
        ("weight is complex", WEIGHT, lambda weight: weight.to(torch.complex64)),
        ("weight is sparse", WEIGHT, lambda weight: weight.to_sparse()),
        ("weight is turned", WEIGHT, lambda weight: weight.T.contiguous()),
        ("weight is empty", WEIGHT, lambda weight: weight[:0]),
        ("a weight is missing", WEIGHT, _is(MISSING)),
        ("normalizer's deviation is 0", ("Policy", "normalizer.std"), torch.zeros_like),
        ("normalizer's deviation is negative", ("Policy", "normalizer.std"), torch.neg),
        ("scales are text", ("scales",), _is("small")),
        ("scales are of nothing", ("scales",), _is({"value_head.weight": "x"})),
        ("name is a number", ("behavior", "name"), _is(5)),
        ("name is another", ("behavior", "name"), _is("Other")),
        ("name is null", ("behavior", "name"), _is(None)),
        ("no observations", ("behavior", "observations"), _is([])),
        ("observations are a number", ("behavior", "observations"), _is(4)),
        ("shape is text", (*OBSERVATION, "shape"), _is("4")),
        ("shape is negative", (*OBSERVATION, "shape"), _is([-4])),
        ("shape is a fraction", (*OBSERVATION, "shape"), _is([4.5])),
        ("shape has no sizes", (*OBSERVATION, "shape"), _is([])),
        ("dimension property is 99", (*OBSERVATION, "dimension_property"), _is([99])),
        ("observation type is 99", (*OBSERVATION, "observation_type"), _is(99)),
        ("observation's name is null", (*OBSERVATION, "name"), _is(None)),
        ("continuous size is text", ("behavior", "continuous_size"), _is("1")),
        ("continuous size is negative", ("behavior", "continuous_size"), _is(-1)),
        ("branches are a number", ("behavior", "discrete_branches"), _is(2)),
        ("branch of size 0", ("behavior", "discrete_branches"), _is([0])),
        ("network settings are null", ("behavior", "network_settings"), _is(None)),
        ("hidden units are text", ("behavior", "network_settings", "hidden_units"), _is("many")),
        ("encoder is unknown", ("behavior", "network_settings", "vis_encode_type"), _is("eye")),
        ("encoder is a list", ("behavior", "network_settings", "vis_encode_type"), _is([])),
        ("adam is null", ADAM, _is(None)),
        ("adam has no groups", (*ADAM, "param_groups"), _is([])),
        ("rate is text", (*ADAM, "param_groups", 0, "lr"), _is("fast")),
        ("rate is NaN", (*ADAM, "param_groups", 0, "lr"), _is(float("nan"))),
        ("rate is negative", (*ADAM, "param_groups", 0, "lr"), _is(-1.0)),
        ("moment is short", (*ADAM, "state", 0, "exp_avg"), lambda moment: moment[:-1]),
        ("moment is NaN", (*ADAM, "state", 0, "exp_avg"), _nan),
        ("moment is a list", (*ADAM, "state", 0, "exp_avg"), lambda moment: moment.tolist()),
        ("square is negative", (*ADAM, "state", 0, "exp_avg_sq"), lambda moment: moment - 1.0),
        ("square is missing", (*ADAM, "state", 0, "exp_avg_sq"), _is(MISSING)),
        ("adam's step is negative", (*ADAM, "state", 0, "step"), lambda step: step - 10_000),
        ("adam's step is a list", (*ADAM, "state", 0, "step"), _is([1])),
        ("a group's state is missing", (*ADAM, "state", 1), _is(MISSING)),
        ("scale is text", ("Optimizer:value_optimizer", "scale"), _is("1")),
        ("scale is 0", ("Optimizer:value_optimizer", "scale"), _is(0.0)),
        ("scale is NaN", ("Optimizer:value_optimizer", "scale"), _is(float("nan"))),
        ("moments are null", ("observation_moments",), _is(None)),
        ("mean is short", ("observation_moments", "mean"), lambda mean: mean[:-1]),
        ("mean is NaN", ("observation_moments", "mean"), _nan),
        ("mean is single", ("observation_moments", "mean"), lambda mean: mean.float()),
        ("variance is negative", ("observation_moments", "variance"), torch.neg),
        ("variance is a number", ("observation_moments", "variance"), _is(1.0)),
        ("count is 0", ("observation_moments", "count"), _is(0.0)),
        ("count is NaN", ("observation_moments", "count"), _is(float("nan"))),
        ("count is text", ("observation_moments", "count"), _is("9")),
        ("signals are a list", ("reward_signals",), _is([])),
        ("signal is null", ("reward_signals", "extrinsic"), _is(None)),
        ("signal's variance is NaN", ("reward_signals", "extrinsic", "return_moments", "variance"), _nan),
        ("returns are a number", ("recent_returns",), _is(4.0)),
        ("returns are text", ("recent_returns",), _is(["high"] * 100)),
        ("returns are NaN", ("recent_returns",), _is([float("nan")] * 100)),
        ("returns are lists", ("recent_returns",), _is([[1.0]])),
        ("lesson's returns are null", ("lesson_returns",), _is(None)),
        ("lesson's returns are text", ("lesson_returns",), _is("abc")),
        ("episodes are text", ("episodes",), _is("100")),
        ("episodes are negative", ("episodes",), _is(-1)),
        ("episodes are a fraction", ("episodes",), _is(1.5)),
        ("generator is text", ("generator",), _is("abc")),
        ("generator is numbers", ("generator",), lambda state: state.float()),
        ("generator is flat", ("generator",), lambda state: state[0]),
        ("generator is wide", ("generator",), lambda state: state[None]),
        ("generator is zeros", ("generator",), torch.zeros_like),
        ("generator is noise", ("generator",), lambda state: torch.full_like(state, 255)),
    ],
    "dqn": [
        ("target is missing", ("Optimizer:critic",), _is(MISSING)),
        ("target is null", ("Optimizer:critic",), _is(None)),
        ("target's weight is NaN", ("Optimizer:critic", "head.weight"), _nan),
        ("target's weight is short", ("Optimizer:critic", "head.weight"), lambda weight: weight[:-1]),
        ("learned_until is NaN", ("learned_until",), _is(float("nan"))),
        ("learned_until is text", ("learned_until",), _is("400")),
        ("learned_until is long ago", ("learned_until",), _is(-1e18)),
        ("learned_until is ahead", ("learned_until",), _is(1e18)),
        ("copied_at is infinite", ("copied_at",), _is(float("inf"))),
        ("copied_at is null", ("copied_at",), _is(None)),
        ("exploration is null", ("exploration",), _is(None)),
        ("raises are text", ("exploration", "raises"), _is("3")),
        ("raises are negative", ("exploration", "raises"), _is(-1)),
        ("raised_to is NaN", ("exploration", "raised_to"), _is(float("nan"))),
        ("raised_at is missing", ("exploration", "raised_at"), _is(MISSING)),
    ],
}
HARMLESS = (
    "dimension property is 99",
    "scales are text",
)
"""Values that are not taken from the file, and flags that a newer player may declare."""

ONLY_TO_ACT = (
    "no observations",
    "shape is negative",
    "shape has no sizes",
    "observation type is 99",
    "branch of size 0",
    "hidden units are text",
    "encoder is unknown",
    "encoder is a list",
)
"""Values that a resumed run has itself and writes anew."""

FEW = ("step is text", "weight is NaN", "square is negative", "episodes are text", "adam ascends")


def _wrong_value(kind: str, name: str, path: tuple[Any, ...], change: Change, folder: Path) -> None:
    file = copied(kind, folder) / NAME
    state = torch.load(file, weights_only=True)
    save_state(file, _at({**state, "scales": {}}, path, change))
    content = file.read_bytes()
    acts = refusal(lambda: load_policy(file), str(file)) is None
    assert not acts or name not in ONLY_TO_ACT
    line = refusal(partial(resume, kind, folder), str(file))
    assert (line is None) == (name in HARMLESS or name in ONLY_TO_ACT), line
    if line is not None:
        assert file.read_bytes() == content
    else:
        for weight in load_state(file)["Policy"].values():
            assert torch.isfinite(weight).all()
        content = file.read_bytes()
    file.write_bytes(content)
    _use(kind, file, folder)


def _use(kind: str, file: Path, folder: Path) -> None:
    """Act by a checkpoint and start another run from it; each may refuse it."""
    refusal(lambda: load_policy(file), str(file))
    settings = options(
        folder, "second", behavior={"init_path": str(file), "max_steps": 20, "checkpoint_interval": 9999}
    )
    settings["behaviors"]["Task"]["trainer_type"] = kind
    if kind == "dqn":
        settings["behaviors"]["Task"]["hyperparameters"] = {"batch_size": 16, "buffer_size": 200}
    refusal(lambda: train(environment(kind), settings), str(file))


def _flipped(content: bytes, rng: random.Random) -> bytes:
    place = rng.randrange(len(content))
    return content[:place] + bytes([content[place] ^ 1 << rng.randrange(8)]) + content[place + 1 :]


def _swapped() -> dict[str, Callable[[], bytes]]:
    ppo, dqn = (finished(kind) / "first" for kind in ("ppo", "dqn"))
    return {
        "another algorithm's": lambda: (dqn / NAME).read_bytes(),
        "a replay buffer": lambda: (dqn / "Task/last_replay_buffer.npz").read_bytes(),
        "a model": lambda: (ppo / "Task.onnx").read_bytes(),
        "a picture": lambda: (ppo / "Task/reward.png").read_bytes(),
        "a table": lambda: (ppo / "Task/progress.csv").read_bytes(),
        "settings": lambda: (ppo / "configuration.yaml").read_bytes(),
    }


def _bytes(make: Callable[[bytes], bytes], whole: bool, folder: Path) -> None:
    file = copied("ppo", folder) / NAME
    before, size = load_state(file)["Policy"], file.stat().st_size
    file.write_bytes(made := make(file.read_bytes()))
    acts = refusal(lambda: load_policy(file), str(file)) is None
    if acts and len(made) == size:
        after = load_state(file)["Policy"]
        assert all(torch.equal(after[name], weight) for name, weight in before.items()), "other weights"
    elif whole:
        assert refusal(partial(resume, "ppo", folder), str(file)) is not None
        assert file.read_bytes() == made


def faults(whole: bool) -> Iterable[Fault]:
    """Every value, 20 files that are cut, 60 with a flipped bit, and 6 of something else."""
    for kind, changes in CHANGES.items():
        for name, path, change in changes:
            if whole or name in FEW:
                yield Fault(name, partial(_wrong_value, kind, name, path, change))
    for number in range(20 if whole else 1):
        yield Fault(
            f"cut at {number + 1} of 21",
            partial(_bytes, lambda content, n=number: content[: len(content) * (n + 1) // 21], True),
        )
    for number in range(60 if whole else 1):
        yield Fault(
            f"bit {number}",
            partial(_bytes, lambda content, n=number: _flipped(content, random.Random(n)), whole),
        )
    for name, make in _swapped().items() if whole else ():
        yield Fault(name, partial(_bytes, lambda _, make=make: make(), True))
