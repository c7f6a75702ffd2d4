"""A player in this process that sends what a test gives it, and a short training on it."""

import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import grpc
from messages import Message

from bridge import wire
from bridge.unity_env import PlayerOptions, UnityEnv
from trainers import train
from trainers.training.followers import Silence
from trainers.training.outcome import Outcome

MAX_STEPS = 40
SETTINGS: dict[str, Any] = {
    "default_settings": {
        "trainer_type": "ppo",
        "max_steps": MAX_STEPS,
        "summary_freq": 20,
        "hyperparameters": {"batch_size": 8, "buffer_size": 16},
        "network_settings": {"hidden_units": 4, "num_layers": 1},
    },
    "torch_settings": {"device": "cpu"},
    "env_settings": {"seed": 0},
}


class Speaker:
    """A player in a thread: sends its messages, and then the last one over and over, until it is told to leave.

    Attributes:
        env: the trainer's side.
    """

    def __init__(self, messages: Sequence[Message | bytes], timeout: float = 20.0) -> None:
        self._messages = [m if isinstance(m, bytes) else m.SerializeToString() for m in messages]
        self.env = UnityEnv(PlayerOptions(port=0, timeout=timeout), wait=False)
        self._thread = threading.Thread(target=self._speak, daemon=True)

    def __enter__(self) -> UnityEnv:
        self._thread.start()
        try:
            self.env.session.connect()
        except BaseException:
            self.__exit__()
            raise
        return self.env

    def __exit__(self, *_: object) -> None:
        self.env.close()
        self._thread.join()

    def _speak(self) -> None:
        port = self.env.session.communicator.port
        options = (*wire.CHANNEL_OPTIONS, ("grpc.enable_http_proxy", 0))
        with grpc.insecure_channel(f"127.0.0.1:{port}", options) as channel:
            call = channel.unary_unary(wire.METHOD, response_deserializer=wire.UnityMessage.FromString)
            queue = list(self._messages)
            with suppress(grpc.RpcError):
                while call(queue[0], timeout=60).header.status == wire.OK:
                    if len(queue) > 1:
                        queue.pop(0)


def train_on(
    messages: Sequence[Message | bytes],
    results: Path,
    timeout: float = 20.0,
    settings: dict[str, Any] | None = None,
) -> dict[str, Outcome]:
    """Train for a few steps on a player that sends these messages, and the last one over and over."""
    options = {
        **(settings or SETTINGS),
        "checkpoint_settings": {"run_id": "run", "results_dir": str(results)},
    }
    speaker = Speaker(messages, timeout)
    with speaker as env:
        return train(env, options, display=Silence())
