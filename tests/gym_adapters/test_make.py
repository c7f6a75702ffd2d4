"""From an id to an adapter, and what is said when that is impossible."""

import builtins
import logging
import re
import sys

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces
from gymnasium.envs.registration import EnvSpec, register
from small_envs import Scripted, counters

from gym_adapters import UserError, behavior_name, check_env, env_kind, make_env
from tests.refusals import refused

PICTURE = spaces.Box(0, 255, (16, 12, 3), np.uint8)
IDS = [
    "Acrobot-v1",
    "Ant-v5",
    "Blackjack-v1",
    "CartPole-v1",
    "CliffWalking-v1",
    "FrozenLake-v1",
    "Humanoid-v5",
    "MountainCar-v0",
    "Pendulum-v1",
    max(env_id for env_id in gymnasium.registry if env_id.startswith("Taxi-v")),
]


@pytest.mark.parametrize("env_id", IDS)
def test_registered_environments_keep_the_contract(env_id, caplog):
    with caplog.at_level(logging.WARNING):
        env = make_env(env_id, 3)
    check_env(env, steps=120)
    env.close()
    assert not caplog.records


def test_arguments_reach_the_environments():
    env = make_env("FrozenLake-v1", 2, options={"map_name": "8x8"})
    assert env.num_envs == 2
    assert env.behavior_specs["FrozenLake-v1"].observation_specs[0].shape == (64,)
    assert make_env("CartPole-v1").num_envs == 8


@pytest.mark.parametrize(
    ("env_id", "name"),
    [("Walker2d-v5", "Walker2d-v5"), ("ALE/Assault-v5", "Assault-v5"), ("package:space/Env-v0", "Env-v0")],
)
def test_behavior_name_is_the_id_without_namespace(env_id, name):
    assert behavior_name(env_id) == name


def test_env_kind():
    assert env_kind(make_env("Pendulum-v1", 1)) == "continuous"
    assert env_kind(make_env("CartPole-v1", 1).behavior_specs["CartPole-v1"]) == "discrete"
    assert env_kind(make_env("ALE/Pong-v5", 1)) == "image"


@pytest.mark.parametrize(
    ("env_id", "hint"),
    [
        ("Walker2-v5", "Walker2d-v5"),
        ("Walker2d-v9", "Walker2d-v5"),
        ("ALE/Asault-v5", "ALE/Assault-v5"),
        ("cartpole", "CartPole-v"),
        ("!", "pprint_registry(); a Unity player is named by its path"),
        ("Walker", "? A Unity player is named by its path, such as ./Walker"),
        ("json:Maze-v0", "json was imported and registers no Maze-v0"),
        ("json:tag_v0", "named by its package or folder and its module: json/tag_v0"),
        ("json.decoder:Tag", "json.decoder was imported and registers no Tag"),
        ("games.tag_v0", "module: games/tag_v0"),
        ("tag_v0", "module: FOLDER/tag_v0"),
    ],
)
def test_unknown_ids_name_the_nearest(env_id, hint):
    refusal = refused(make_env, env_id)
    assert repr(env_id) in refusal
    assert hint in refusal


@pytest.mark.parametrize(
    ("env_id", "hint"),
    [
        (
            "own_field:Fild-v0",
            "own_field was imported and registers no Fild-v0; did you mean own_field:Field-v0?",
        ),
        ("own_field", "is named by the module and its id, such as own_field:Maze-v0"),
        ("own_field.py:Field-v0", "name the module without .py: own_field:ID"),
        ("own_folder", "Unity player is named by its path"),
    ],
)
def test_a_module_of_ones_own_that_is_named_in_another_way_is_told_how(env_id, hint, tmp_path, monkeypatch):
    (tmp_path / "own_field.py").write_text(
        "import gymnasium\n"
        "from gymnasium.envs.classic_control import CartPoleEnv\n"
        "class Field(CartPoleEnv): pass\n"
        "gymnasium.register('Field-v0', Field)\n"
    )
    (tmp_path / "own_folder").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    try:
        with pytest.raises(UserError, match=re.escape(hint)):
            make_env(env_id)
    finally:
        gymnasium.registry.pop("Field-v0", None)
        sys.modules.pop("own_field", None)


def test_missing_packages_say_what_to_install(monkeypatch):
    def lacking(package):
        def make_vec(*_, **__):
            raise gymnasium.error.DependencyNotInstalled(f'{package}, run `pip install "gymnasium[x]"`')

        return make_vec

    monkeypatch.setattr(gymnasium, "make_vec", lacking("Box2D is not installed"))
    with pytest.raises(UserError, match="-m pip install box2d pygame-ce"):
        make_env("CartPole-v1")
    monkeypatch.setattr(gymnasium, "make_vec", lacking("pygame is not installed"))
    with pytest.raises(UserError, match="-m pip install pygame-ce"):
        make_env("CartPole-v1")
    monkeypatch.setattr(gymnasium, "make_vec", lacking("mujoco_py"))
    with pytest.raises(UserError, match=r"mujoco_py, run `pip install \"gymnasium\[x\]\"`"):
        make_env("CartPole-v1")
    with pytest.raises(UserError, match="in the folder that holds no_such_package") as caught:
        make_env("no_such_package:Env-v0")
    assert "pip" not in str(caught.value), "a stranger's package may have the name of a file of one's own"


@pytest.mark.parametrize("named", ["", "lacking_a_module:"])
@pytest.mark.parametrize(
    ("missing", "advice"),
    [
        ("no_such_package", "install the package that lacking_a_module needs"),
        ("cv2.no_such_part", "-m pip install opencv-python"),
        ("lacking_a_module.part", "in the folder that holds lacking_a_module"),
    ],
)
def test_an_environment_whose_module_lacks_another(named, missing, advice, tmp_path, monkeypatch):
    failure = f"raise ModuleNotFoundError('two\\nlines', name={missing!r})"
    (tmp_path / "lacking_a_module.py").write_text(failure)
    monkeypatch.syspath_prepend(tmp_path)
    spec = EnvSpec("Lacking-v0", entry_point="lacking_a_module:Env")
    monkeypatch.setitem(gymnasium.registry, "Lacking-v0", spec)
    with pytest.raises(UserError, match=advice) as caught:
        make_env(f"{named}Lacking-v0")
    assert "two lines" in str(caught.value)


def test_ale_is_asked_for_only_where_an_id_needs_it(monkeypatch):
    real_import = builtins.__import__

    def without_ale(name, *args, **kwargs):
        if name == "ale_py":
            raise ModuleNotFoundError("No module named 'ale_py'", name="ale_py")
        return real_import(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without_ale)
    monkeypatch.delitem(sys.modules, "gym_adapters.atari", raising=False)
    make_env("CartPole-v1", 1)
    with pytest.raises(UserError, match="pip install ale-py"):
        make_env("ALE/Pong-v5", 1)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((None,), "env_id: expected an id such as Walker2d-v5, got NoneType"),
        (("CartPole-v1", "8"), "num_envs and seed: expected whole numbers, got str and int"),
        (("CartPole-v1", 1, 0, ["a"]), "options: expected a dictionary, got list"),
        (("CartPole-v1", 1, 0.5), "num_envs and seed: expected whole numbers, got int and float"),
    ],
)
def test_arguments_of_another_kind_are_one_error(arguments, words):
    with pytest.raises(UserError, match=words):
        make_env(*arguments)


def test_wrong_arguments_are_named():
    with pytest.raises(UserError, match="num_envs is 0"):
        make_env("CartPole-v1", 0)
    with pytest.raises(UserError, match=r"refuses its options \{'colour': 'red'\}"):
        make_env("CartPole-v1", 1, options={"colour": "red"})
    with pytest.raises(UserError, match="obs_kind"):
        make_env("ALE/Pong-v5", 1, options={"obs_kind": "ram"})


@pytest.mark.parametrize("seed", [-1, 2**31 - 2, 3_000_000_000])
def test_seeds_out_of_range_are_named(seed):
    with pytest.raises(UserError, match=f"seed is {seed}; expected 0 to {2**31 - 3}"):
        make_env("ALE/Pong-v5", 3, seed)


def test_the_largest_seeds_are_taken():
    env = make_env("ALE/Pong-v5", 3, 2**31 - 3)
    env.reset()
    env.close()


def test_gymnasiums_warnings_go_to_the_log(caplog):
    """Once each, however many environments give them."""

    def dubious():
        gymnasium.logger.warn("this space is dubious")
        return Scripted(PICTURE, spaces.Discrete(2))

    register("Dubious-v0", entry_point=dubious)
    with caplog.at_level(logging.WARNING):
        make_env("Dubious-v0", 3)
    gymnasium.registry.pop("Dubious-v0")
    assert caplog.text.count("this space is dubious") == 1


def test_ones_own_registered_environment():
    register("test/Pictures-v0", entry_point=lambda: Scripted(PICTURE, spaces.MultiBinary(2)))
    env = make_env("test/Pictures-v0", 2)
    check_env(env, steps=20)
    assert env.behavior_specs["Pictures-v0"].observation_specs[0].shape == (3, 16, 12)
    gymnasium.registry.pop("test/Pictures-v0")


def test_close_closes_the_environments():
    env = counters([2])
    env.close()
    assert env.vector_env.closed


@pytest.mark.parametrize(
    ("observations", "fails_at", "said"),
    [(PICTURE, 2, "no fuel"), (spaces.Graph(spaces.Discrete(2), None), 9, "Graph")],
)
def test_what_was_made_is_closed_if_the_rest_cannot_be(observations, fails_at, said):
    made, closed = [], []

    class Costly(Scripted):
        def __init__(self):
            if len(made) == fails_at:
                raise RuntimeError("no fuel")
            made.append(self)
            super().__init__(observations, spaces.Discrete(2))

        def close(self):
            closed.append(self)

    register("Costly-v0", entry_point=Costly)
    try:
        with pytest.raises(UserError, match=said):
            make_env("Costly-v0", 3)
    finally:
        gymnasium.registry.pop("Costly-v0")
    assert made
    assert {id(env) for env in closed} == {id(env) for env in made}


class Masked(gymnasium.Env):
    """Has the method from which Stable-Baselines3 takes masks."""

    observation_space, action_space = gymnasium.spaces.Discrete(2), gymnasium.spaces.Discrete(2)

    def action_masks(self):
        raise AssertionError


def test_a_method_for_masks_that_is_not_called_is_named_once(caplog):
    gymnasium.register("Masked-v0", Masked)
    try:
        for _ in range(2):
            make_env("Masked-v0", 2).close()
    finally:
        del gymnasium.registry["Masked-v0"]
    (record,) = caplog.records
    assert record.getMessage().startswith(
        "Masked-v0: its method action_masks() is not called; masks are read from"
    )


@pytest.mark.parametrize("env_id", ["Walker2d-v5", "Pendulum-v1", "ALE/Pong-v5"])
def test_a_seed_of_numpy_is_the_same_seed(env_id):
    starts = []
    for kind in (int, np.int64, np.int32):
        env = make_env(env_id, kind(2), kind(0))
        env.reset()
        decisions, _ = env.get_steps(next(iter(env.behavior_specs)))
        starts.append(decisions.obs[0].copy())
        env.close()
    np.testing.assert_array_equal(starts[1], starts[0])
    np.testing.assert_array_equal(starts[2], starts[0])
