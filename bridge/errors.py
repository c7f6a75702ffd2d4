"""The exceptions that a player can cause."""

from mlagents_envs.exception import UnityCommunicatorStoppedException

from gym_adapters.errors import EnvironmentLostError, UserError


class PortInUseError(UserError):
    """Another process listens on the port."""


class PlayerLostError(EnvironmentLostError):
    """A player exited, hangs or never connected. It may be restarted."""


class PlayerStoppedError(UserError, UnityCommunicatorStoppedException):
    """The player ended the session: somebody pressed Stop in the Editor, or closed the player."""
