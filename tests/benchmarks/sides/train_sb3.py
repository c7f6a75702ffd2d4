"""`train_sb3.py JSON`: trains with Stable-Baselines3's PPO, and prints one line of JSON.

JSON keys: `env`, `seed`, `threads` (torch's), `steps`, `envs`, `rollout` (steps of each environment), `minibatch`,
`epochs`, `linear` (whether the learning rate falls), `between` (numbers of rollouts between which the rate is
measured), `score` (the mean return of the last 100 episodes at which to stop).
"""

import time

BEGIN = time.perf_counter()

import json  # noqa: E402
import sys  # noqa: E402

import numpy as np  # noqa: E402
import torch  # noqa: E402
from stable_baselines3 import PPO  # noqa: E402
from stable_baselines3.common.callbacks import BaseCallback  # noqa: E402
from stable_baselines3.common.env_util import make_atari_env, make_vec_env  # noqa: E402
from stable_baselines3.common.vec_env import VecFrameStack, VecNormalize  # noqa: E402


class Watch(BaseCallback):
    """Records the time at each rollout's start, and stops at a score."""

    def __init__(self, score):
        super().__init__()
        self.score, self.starts, self.reached = score, [], False

    def _on_rollout_start(self):
        self.starts.append(time.perf_counter())

    def _on_step(self):
        if self.score is None or self.n_calls % 250:
            return True
        episodes = [episode["r"] for episode in self.model.ep_info_buffer]
        self.reached = len(episodes) == 100 and np.mean(episodes) >= self.score
        return not self.reached


def main(options):
    options = json.loads(options)
    if "threads" in options:
        torch.set_num_threads(options["threads"])
    image = options["env"].startswith("ALE/")
    if image:
        import ale_py
        import gymnasium

        gymnasium.register_envs(ale_py)
        env = VecFrameStack(make_atari_env(options["env"], options["envs"], seed=options["seed"]), 4)
        more = {"n_epochs": options["epochs"], "ent_coef": 0.01, "clip_range": 0.1, "learning_rate": 2.5e-4}
    else:
        env = VecNormalize(make_vec_env(options["env"], options["envs"], seed=options["seed"]))
        rate = (lambda left: 3e-4 * left) if options.get("linear") else 3e-4
        more = {"n_epochs": options["epochs"], "learning_rate": rate, "vf_coef": 0.25}
    model = PPO(
        "CnnPolicy" if image else "MlpPolicy",
        env,
        n_steps=options["rollout"],
        batch_size=options["minibatch"],
        seed=options["seed"],
        device="cpu",
        **more,
    )
    watch = Watch(options.get("score"))
    model.learn(options["steps"], callback=watch)
    result = {
        "seconds": time.perf_counter() - BEGIN,
        "reached": bool(watch.reached),
        "step": model.num_timesteps,
    }
    if "between" in options:
        first, last = options["between"]
        steps = (last - first) * options["envs"] * options["rollout"]
        result["rate"] = steps / (watch.starts[last] - watch.starts[first])
    print(json.dumps(result))


if __name__ == "__main__":
    main(*sys.argv[1:])
