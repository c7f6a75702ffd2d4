"""The player's side of the protocol, which connects it to a trainer; Unity has its own in C#."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

import grpc
import numpy as np
from mlagents_envs.base_env import ActionSpec, ObservationSpec

from bridge import wire
from bridge.encoding import write_observation, write_parameters
from gym_adapters.errors import UserError


class TrainerLeft(Exception):  # noqa: N818 - not a fault
    """The trainer ended the session, or is gone."""


@dataclass(frozen=True)
class Reply:
    """The trainer's answer to one batch.

    Attributes:
        reset: Whether every agent must begin a new episode; there are no actions then.
        actions: For each behavior and agent id that asked for a decision: continuous part (size,) float32 and
            discrete part (branches,) int64.
        side_channel: The packed side-channel messages.
    """

    reset: bool
    actions: dict[tuple[str, int], tuple[np.ndarray, np.ndarray]]
    side_channel: bytes


@dataclass
class _Behavior:
    specs: Sequence[ObservationSpec]
    actions: ActionSpec
    announced: bool = False
    deciding: list[int] = field(default_factory=list)


class PlayerConnection:
    """Connects to a trainer, sends agents' observations and rewards, and gets actions back.

    Args:
        port: Where the trainer listens, on this machine.
        timeout: Seconds to wait for the trainer at the start.
        api_version: The communicator version that this player reports.
        channels_last: Send images as packages 2.x do, height-width-channel; else channel-first, as 3.x and 4.x do.
        compress: Send uint8 images as PNG; else as floats in [0, 1].
        channel_options: Further options of the gRPC channel.

    Attributes:
        first_side_channel: The packed side-channel messages that came with the trainer's first reset.
        message: The `UnityMessageProto` that the next `exchange` sends.
    """

    def __init__(
        self,
        port: int,
        timeout: float = 60.0,
        api_version: str = wire.API_VERSION,
        channels_last: bool = False,
        compress: bool = True,
        channel_options: Sequence[tuple[str, int]] = (),
    ) -> None:
        self.port, self.timeout, self.api_version = port, timeout, api_version
        self.channels_last, self.compress = channels_last, compress
        self.first_side_channel = b""
        self._behaviors: dict[str, _Behavior] = {}
        self.message = wire.message()
        options = (*wire.CHANNEL_OPTIONS, ("grpc.enable_http_proxy", 0), *channel_options)
        self._channel = grpc.insecure_channel(f"localhost:{port}", options=options)
        self._call = self._channel.unary_unary(
            wire.METHOD,
            request_serializer=wire.UnityMessage.SerializeToString,
            response_deserializer=wire.UnityMessage.FromString,
        )

    def connect(self) -> Any:
        """Connect to the trainer and introduce the player.

        Returns:
            The trainer's `UnityRLInitializationInputProto`, with its seed and number of areas.

        Raises:
            UserError: No trainer listens on the port.
            TrainerLeft: The trainer refuses this player.
        """
        hello = wire.message()
        output = hello.unity_output.rl_initialization_output
        output.name, output.communication_version = "bridge.player", self.api_version
        output.package_version = "4.0.1" if not self.channels_last else "2.0.1"
        wire.set_capabilities(output.capabilities)
        try:
            setup = self._exchange(hello, self.timeout, wait_for_ready=True)
        except TimeoutError:
            raise UserError(
                f"no trainer listens on port {self.port} (waited {self.timeout:g} s); start one, "
                "or give its port with --mlagents-port"
            ) from None
        first = self._exchange(wire.message())
        if first.unity_input.rl_input.command != wire.RESET:
            raise UserError(f"the trainer on port {self.port} did not begin with a reset; is it ML-Agents?")
        self.first_side_channel = first.unity_input.rl_input.side_channel
        return setup.unity_input.rl_initialization_input

    def add_behavior(
        self, name: str, observations: Sequence[ObservationSpec], actions: ActionSpec, announce: bool = True
    ) -> None:
        """Declare a behavior, in place of one of the same name.

        It is announced to the trainer with its first agent, unless `announce` is false.
        """
        self._behaviors[name] = _Behavior(observations, actions, announced=not announce)

    def put(
        self,
        name: str,
        agent_id: int,
        observations: Sequence[np.ndarray],
        reward: float,
        *,
        done: bool = False,
        interrupted: bool = False,
        mask: np.ndarray | None = None,
        group_id: int = 0,
        group_reward: float = 0.0,
    ) -> None:
        """Add one agent to the next batch.

        Args:
            name: Its behavior.
            agent_id: Its id, new in every episode.
            observations: One array per observation; images are channel-first.
            reward: Its reward since it was last added.
            done: Whether its episode is over; otherwise it asks for a decision.
            interrupted: Whether its episode ended at its maximum length.
            mask: The action masks of all branches side by side, True = forbidden.
            group_id: Its group; 0 means none.
            group_reward: The reward of its group since it was last added.
        """
        behavior = self._behaviors[name]
        info = self.message.unity_output.rl_output.agentInfos[name].value.add(
            id=agent_id,
            reward=reward,
            done=done,
            max_step_reached=interrupted,
            group_id=group_id,
            group_reward=group_reward,
        )
        for array, spec in zip(observations, behavior.specs, strict=True):
            write_observation(info.observations.add(), array, spec, self.channels_last, self.compress)
        if mask is not None:
            info.action_mask = np.asarray(mask, np.bool_).tobytes()
        if not done:
            behavior.deciding.append(agent_id)

    @property
    def behaviors(self) -> Collection[str]:
        """The names of the behaviors that were declared."""
        return self._behaviors.keys()

    @property
    def has_batch(self) -> bool:
        """Whether an agent was added since the last exchange."""
        return bool(self.message.unity_output.rl_output.agentInfos)

    def exchange(self, side_channel: bytes = b"") -> Reply:
        """Send the batch and wait for the answer.

        Raises:
            TrainerLeft: The trainer ended the session, or is gone.
        """
        message, self.message = self.message, wire.message()
        message.unity_output.rl_output.side_channel = side_channel
        self._announce(message.unity_output)
        answer = self._exchange(message).unity_input.rl_input
        reset = answer.command == wire.RESET
        actions = {}
        for name, behavior in self._behaviors.items():
            deciding, behavior.deciding = behavior.deciding, []
            given = answer.agent_actions[name].value if deciding and not reset else ()
            for agent_id, action in zip(deciding, given, strict=not reset):
                continuous = np.frombuffer(action.continuous_actions, np.float32)
                actions[name, agent_id] = (continuous, np.array(action.discrete_actions, np.int64))
        return Reply(reset, actions, answer.side_channel)

    def close(self) -> None:
        """Tell the trainer that the player quits, and close the connection."""
        try:
            self._call(wire.message(wire.QUIT), timeout=1)
        except grpc.RpcError:
            pass
        finally:
            self._channel.close()

    def _exchange(self, message: Any, timeout: float | None = None, wait_for_ready: bool = False) -> Any:
        try:
            answer = self._call(message, timeout=timeout, wait_for_ready=wait_for_ready)
        except grpc.RpcError as error:
            if error.code() is grpc.StatusCode.DEADLINE_EXCEEDED:
                raise TimeoutError from error
            raise TrainerLeft(error.details()) from error
        if answer.header.status != wire.OK:
            raise TrainerLeft("the trainer ended the session")
        return answer

    def _announce(self, output: Any) -> None:
        for name, behavior in self._behaviors.items():
            if behavior.announced or name not in output.rl_output.agentInfos:
                continue
            behavior.announced = True
            parameters = output.rl_initialization_output.brain_parameters.add()
            write_parameters(parameters, name, behavior.actions)
