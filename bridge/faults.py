"""What can go wrong with a player, told apart."""

from mlagents_envs.exception import UnityCommunicatorStoppedException

from gym_adapters.errors import EnvironmentLostError, UserError


class PortInUseError(UserError):
    """Something else listens on the port."""


class PlayerLostError(EnvironmentLostError):
    """A player exited, hangs or never connected; a new one may be started in its place."""


class PlayerStoppedError(UserError, UnityCommunicatorStoppedException):
    """The player ended the session in an orderly way: somebody pressed Stop in the Editor, or closed the player."""
