"""A player whose behavior has two teams: `python team_player.py PORT`."""

import sys

from bridge.player_connection import PlayerConnection, TrainerLeft
from bridge.scene import serve
from gym_adapters import make_env
from tests.joined_env import JoinedEnv

TEAMS = {"Runner?team=0": "red", "Runner?team=1": "blue", "Judge?team=0": "judge"}


def teams(seed: int) -> JoinedEnv:
    """The court, whose red and blue runners are teams of one behavior."""
    court = make_env("bridge_games/court_v0", 2, seed, {"colours": True, "grouped": True})
    return JoinedEnv({name: (court, own) for name, own in TEAMS.items()})


if __name__ == "__main__":
    connection = PlayerConnection(int(sys.argv[1]))
    try:
        serve([teams(connection.connect().seed)], connection)
    except TrainerLeft:
        pass
    finally:
        connection.close()
