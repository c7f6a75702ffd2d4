"""The runs of `python -m tests.same_numbers`; `python -m tests.same_numbers.runs NAME RESULTS` trains one of them."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml
from mlagents_envs.base_env import BaseEnv

from gym_adapters import make_env
from tests.joined_env import JoinedEnv
from trainers import train

CONFIGS = Path(__file__).parents[2] / "unity_configs"
PLAYER_PORT = 5004
COMMON = {
    "env_settings": {"seed": 7},
    "torch_settings": {"device": "cpu", "num_threads": 1, "precision": "float32"},
}


def _file(path: str, behavior: str, max_steps: int, **hyperparameters: Any) -> dict[str, Any]:
    """Return the content of a tuned training file, with fewer steps."""
    content = yaml.safe_load((CONFIGS / path).read_text())
    settings = content["behaviors"][behavior]
    settings |= {"max_steps": max_steps, "summary_freq": max_steps // 10, "checkpoint_interval": max_steps}
    settings["hyperparameters"] = {**settings["hyperparameters"], **hyperparameters}
    return {"behaviors": {behavior: settings}}


def _cartpole(name: str) -> dict[str, Any]:
    return {
        name: {
            "trainer_type": "ppo",
            "max_steps": 10_000,
            "summary_freq": 1_000,
            "hyperparameters": {"batch_size": 64, "buffer_size": 512},
            "network_settings": {"hidden_units": 32, "num_layers": 2, "normalize": True},
        }
    }


def walker() -> tuple[Callable[[Any], BaseEnv], dict[str, Any]]:
    """PPO, Walker2d-v5."""
    return lambda _: make_env("Walker2d-v5", 16, 7), _file("ppo/Walker2d-v5.yaml", "Walker2d-v5", 20_000)


def two_behaviors() -> tuple[Callable[[Any], BaseEnv], dict[str, Any]]:
    """PPO, two behaviors that are CartPole-v1 each."""
    seeds, own = {"Left": 7, "Right": 70}, "CartPole-v1"
    return (
        lambda _: JoinedEnv({name: (make_env(own, 8, seed), own) for name, seed in seeds.items()}),
        {"behaviors": _cartpole("Left") | _cartpole("Right")},
    )


def _assault(_: Any) -> BaseEnv:
    return make_env("ALE/Assault-v5", 8, 7, {"life_loss_info": True})


def assault_ppo() -> tuple[Callable[[Any], BaseEnv], dict[str, Any]]:
    """PPO, ALE/Assault-v5."""
    return _assault, _file("ppo/Assault-v5.yaml", "Assault-v5", 2_000, buffer_size=512, num_epoch=2)


def assault_dqn() -> tuple[Callable[[Any], BaseEnv], dict[str, Any]]:
    """DQN, ALE/Assault-v5."""
    changes = {"buffer_size": 1_000, "buffer_init_steps": 400, "batch_size": 16, "steps_per_update": 16}
    return _assault, _file("dqn/Assault-v5.yaml", "Assault-v5", 2_000, **changes)


def pendulum_a2c() -> tuple[Callable[[Any], BaseEnv], dict[str, Any]]:
    """A2C along the natural gradient, Pendulum-v1."""
    options = _file(
        "a2c/Pendulum-v1.yaml", "Pendulum-v1", 10_000, natural_gradient_kl=0.01, critic_num_epoch=2
    )
    return lambda _: make_env("Pendulum-v1", 16, 7), options


def walker_sac() -> tuple[Callable[[Any], BaseEnv], dict[str, Any]]:
    """SAC with a batch-normalised critic, Walker2d-v5."""
    return lambda _: make_env("Walker2d-v5", 4, 7), _file(
        "sac/Walker2d-v5.yaml", "Walker2d-v5", 2_000, buffer_init_steps=500
    )


def over_the_wire() -> tuple[Callable[[Any], BaseEnv], dict[str, Any]]:
    """PPO over Unity's protocol, with `bridge.player` as the Editor: CartPole-v1, whose agents decide in turns."""

    def make(settings: Any) -> BaseEnv:
        from bridge.make import make_unity

        player = [sys.executable, "-m", "bridge.player", "--env", "CartPole-v1", "--agents", "6", "--stagger"]
        subprocess.Popen([*player, "--mlagents-port", str(PLAYER_PORT), "--seed", "7"])
        return make_unity(settings)

    return make, {"behaviors": _cartpole("CartPole-v1")}


RUNS = {
    one.__name__: one
    for one in (walker, two_behaviors, assault_ppo, assault_dqn, pendulum_a2c, walker_sac, over_the_wire)
}


def main() -> None:
    """Train one run."""
    name, results = sys.argv[1:]
    env, options = RUNS[name]()
    train(env, {**COMMON, **options, "checkpoint_settings": {"run_id": name, "results_dir": results}})


if __name__ == "__main__":
    main()
