"""A player whose behavior has two teams: `python team_player.py PORT`."""

import sys

from mlagents_envs.base_env import ActionTuple, BaseEnv, BehaviorMapping, DecisionSteps, TerminalSteps

from bridge.player_connection import PlayerConnection, TrainerLeft
from bridge.scene import serve
from gym_adapters import make_env

TEAMS = {"Runner?team=0": "red", "Runner?team=1": "blue", "Judge?team=0": "judge"}


class Teams(BaseEnv):
    """The court, whose red and blue runners are teams of one behavior."""

    def __init__(self, seed: int) -> None:
        self.env = make_env("bridge_games/court_v0", 2, seed, {"colours": True, "grouped": True})

    @property
    def behavior_specs(self) -> BehaviorMapping:
        return BehaviorMapping({name: self.env.behavior_specs[own] for name, own in TEAMS.items()})

    def reset(self) -> None:
        self.env.reset()

    def step(self) -> None:
        self.env.step()

    def get_steps(self, behavior_name: str) -> tuple[DecisionSteps, TerminalSteps]:
        return self.env.get_steps(TEAMS[behavior_name])

    def set_actions(self, behavior_name: str, action: ActionTuple) -> None:
        self.env.set_actions(TEAMS[behavior_name], action)

    def set_action_for_agent(self, behavior_name: str, agent_id: int, action: ActionTuple) -> None:
        self.env.set_action_for_agent(TEAMS[behavior_name], agent_id, action)

    def close(self) -> None:
        self.env.close()


if __name__ == "__main__":
    connection = PlayerConnection(int(sys.argv[1]))
    try:
        serve([Teams(connection.connect().seed)], connection)
    except TrainerLeft:
        pass
    finally:
        connection.close()
