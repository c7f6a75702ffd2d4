"""A player's messages, made by hand, and a player that sends them, in this process."""

import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import grpc
import numpy as np

from bridge import wire
from bridge.unity_env import PlayerOptions, UnityEnv
from trainers import train
from trainers.training.recorder import Outcome

Message = Any

NAME = "Walker?team=0"
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


def hello(version: str = wire.API_VERSION, package: str = "4.0.0") -> Message:
    """A player's introduction."""
    message = wire.message()
    output = message.unity_output.rl_initialization_output
    output.name, output.communication_version, output.package_version = "player", version, package
    wire.set_capabilities(output.capabilities)
    return message


def vector(values: Sequence[float] = (0.5, -0.5), **fields: Any) -> Any:
    """An observation of numbers."""
    array = np.array(values, np.float32)
    proto = wire.AgentInfo().observations.add(shape=array.shape, name="body", **fields)
    proto.float_data.data = array.tobytes()
    return proto


def agent(number: int = 1, *observations: Any, **fields: Any) -> Any:
    """An agent that asks for a decision; its observations are one `vector` unless others are given."""
    return wire.AgentInfo(id=number, observations=observations or [vector()], **fields)


def behavior(name: str = NAME, continuous: int = 1, branches: Sequence[int] = (), **fields: Any) -> Any:
    """What a player declares of a behavior."""
    parameters = wire.BrainParameters(brain_name=name, **{"is_training": True, **fields})
    parameters.action_spec.num_continuous_actions = continuous
    parameters.action_spec.num_discrete_actions = len(branches)
    parameters.action_spec.discrete_branch_sizes.extend(branches)
    return parameters


def step(*agents: Any, name: str = NAME, declared: Sequence[Any] = (), side_channel: bytes = b"") -> Message:
    """A message with agents of one behavior, one `agent` unless others are given."""
    message = wire.message()
    output = message.unity_output
    output.rl_output.agentInfos[name].value.extend(agents or [agent()])
    output.rl_output.side_channel = side_channel
    if declared:
        output.rl_initialization_output.brain_parameters.extend(declared)
    return message


def opening(
    *agents: Any,
    name: str = NAME,
    continuous: int = 1,
    branches: Sequence[int] = (),
    side_channel: bytes = b"",
) -> list[Message]:
    """A player's first messages: the introduction, an empty one, and agents of one declared behavior."""
    declared = [behavior(name, continuous, branches)]
    return [
        hello(),
        wire.message(),
        step(*agents, name=name, declared=declared, side_channel=side_channel),
    ]


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


class Silence:
    """A display that shows nothing."""

    def tick(self, *_: object) -> None:
        """Show nothing."""

    summarise = say = close = tick


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
