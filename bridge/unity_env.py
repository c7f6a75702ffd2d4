"""The Unity Editor, or a built player, as a `BaseEnv`."""

import logging
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from mlagents_envs.base_env import (
    ActionTuple,
    BehaviorMapping,
    DecisionSteps,
    TerminalSteps,
)
from mlagents_envs.exception import UnityActionException

from bridge import wire
from bridge.channels import (
    EngineConfigurationChannel,
    EnvironmentParametersChannel,
    EnvironmentStats,
    SideChannel,
    SideChannels,
    StatsAggregationMethod,
    StatsSideChannel,
)
from bridge.declarations import plain_name
from bridge.decoding import BehaviorDecoder
from bridge.encoding import write_actions
from bridge.environment_parameters import send_parameters
from bridge.packages import sends_images_pixelwise
from bridge.pending_actions import PendingActions
from bridge.player_session import QUIT_SECONDS, PlayerOptions, PlayerSession
from bridge.spec_changes import require_same
from gym_adapters.errors import UserError
from trainers.config.environment_parameters import Sampler

logger = logging.getLogger(__name__)


@cache
def _say_reordered(package: str) -> None:
    """Tell the user once, however many players there are."""
    logger.warning(
        "package %s sends raw images pixel by pixel, in another order than their shape says; they are put in order "
        "(env_settings.reorder_raw_images: false leaves them as they come)",
        package,
    )


class UnityEnv(PendingActions):
    """One player.

    The constructor starts the player and waits until it has connected.

    Args:
        options: How to start it.
        side_channels: Further side channels of the caller.
        wait: Whether to wait for the player; if not, the caller must call `session.connect`.

    Attributes:
        session: The connection.
        stats: The channel of the values that the player reports; see `take_stats`.
        parameters: The channel that sends environment parameters with the next step.
        title: What the player is called in messages.

    Raises:
        UserError: The port is taken, the player does not start or does not fit.
    """

    title = "the Unity Editor"

    def __init__(
        self,
        options: PlayerOptions,
        side_channels: Sequence[SideChannel] = (),
        wait: bool = True,
    ) -> None:
        self.options = options
        self.stats, self.parameters = StatsSideChannel(), EnvironmentParametersChannel()
        engine = EngineConfigurationChannel()
        if self.options.engine is not None:
            engine.set_configuration(self.options.engine)
        self._channels = SideChannels([engine, self.parameters, self.stats, *side_channels])
        self._decoders: dict[str, BehaviorDecoder] = {}
        self._parameters: dict[str, Any] = {}
        self._steps: dict[str, tuple[DecisionSteps, TerminalSteps]] = {}
        self._actions: dict[str, ActionTuple] = {}
        self._began = self._closed = False
        self.session = PlayerSession(self.options)
        if wait:
            try:
                self.session.connect()
            except BaseException:
                self.close(patience=0)
                raise

    @property
    def behavior_specs(self) -> BehaviorMapping:
        """The behaviors seen so far."""
        return BehaviorMapping({name: decoder.spec for name, decoder in self._decoders.items()})

    def reset(self) -> None:
        """Begin a new episode for every agent."""
        self.begin_reset()
        self._finish()

    def step(self) -> None:
        """Send the actions set since the last step, zeros for agents without one, and receive the result.

        Raises:
            PlayerLostError: The player exited, or does not answer.
            PlayerStoppedError: The Editor's Stop was pressed.
            UserError: The player sent what it must not.
        """
        if self._began:
            self.begin_step()
        else:
            self.begin_reset()
        self._finish()

    def begin_reset(self) -> None:
        """Ask for new episodes without waiting for them; `poll` says when they began."""
        self._began = True
        self._send(wire.message(), wire.RESET)

    def begin_step(self) -> None:
        """Send the actions as `step` does, without waiting for the result; `poll` says when it came."""
        message = wire.message()
        values = message.unity_input.rl_input.agent_actions
        for name, (decisions, _) in self._steps.items():
            if len(decisions):
                empty = self._decoders[name].spec.action_spec.empty_action
                write_actions(values[name], self._actions.get(name) or empty(len(decisions)))
        self._send(message, wire.STEP)

    def poll(self, seconds: float = 0.0) -> bool:
        """Receive the player's answer; return whether it came within `seconds`. Raises as `step` does."""
        output = self.session.poll(seconds)
        if output is None:
            return False
        self._learn_behaviors(output)
        infos = output.rl_output.agentInfos
        self._steps = {
            name: decoder.decode(infos[name].value if name in infos else ())
            for name, decoder in self._decoders.items()
        }
        self._channels.take_in(output.rl_output.side_channel)
        return True

    def set_parameters(self, values: Mapping[str, Sampler]) -> None:
        """Send environment parameters, by name, with the next step or reset. They take effect in the next episodes.

        Raises:
            UserError: A name cannot be sent.
        """
        send_parameters(self.parameters, values, self.options.seed)

    def take_stats(self) -> EnvironmentStats:
        """Return the values that the player reported since the last call, by name, each with its aggregation method.

        As in ML-Agents, values of which only the most recent counts are those of the first player.
        """
        reported = self.stats.get_and_reset_stats()
        if not self.options.worker_id:
            return reported
        latest = StatsAggregationMethod.MOST_RECENT
        return {name: [pair for pair in pairs if pair[1] is not latest] for name, pairs in reported.items()}

    def get_steps(self, behavior_name: str) -> tuple[DecisionSteps, TerminalSteps]:
        """Return the agents that ask for a decision, and those whose episode ended.

        An agent whose episode ended may ask for the first decision of its next episode in the same step. Its id is
        then a new one.
        """
        return self._steps[self._known(behavior_name)]

    def close(self, patience: float = QUIT_SECONDS) -> None:
        """Tell the player to quit. A player that was started here is killed after `patience` seconds."""
        if not self._closed:
            self._closed = True
            self.session.close(patience)

    def _known(self, behavior_name: str) -> str:
        if behavior_name not in self._steps:
            raise UnityActionException(f"unknown behavior {behavior_name!r}; there are {sorted(self._steps)}")
        return behavior_name

    def _send(self, message: Any, command: int) -> None:
        self._actions.clear()
        message.unity_input.rl_input.command = command
        message.unity_input.rl_input.side_channel = self._channels.outgoing()
        self.session.send(message)
        self.session.expect("has not answered")

    def _finish(self) -> None:
        while not self.poll(1.0):
            pass

    def _learn_behaviors(self, output: Any) -> None:
        """Add new behaviors. Known behaviors must keep their specs."""
        for parameters in output.rl_initialization_output.brain_parameters:
            self._parameters[parameters.brain_name] = parameters
        agents = output.rl_output.agentInfos
        for name in agents:
            if name not in self._parameters and name not in self._decoders:
                raise UserError(
                    f"behavior {plain_name(name)}: the player did not declare the sensors and actions of its agents; "
                    "start the player again"
                )
        for name in list(self._parameters):
            infos = agents[name].value
            if infos:
                package = self.session.package
                pixelwise = self.options.reorder_images and sends_images_pixelwise(package)
                decoder = BehaviorDecoder(name, self._parameters.pop(name), infos[0], pixelwise)
                if decoder.reordered:
                    _say_reordered(package)
                require_same(name, self._decoders.setdefault(name, decoder).spec, decoder.spec)
