"""Environments joined to one, with behaviors of any names."""

from collections.abc import Mapping

from mlagents_envs.base_env import ActionTuple, BaseEnv, BehaviorMapping, DecisionSteps, TerminalSteps


class JoinedEnv(BaseEnv):
    """Passes on what the environments of its behaviors do, all at once.

    Args:
        behaviors: the environment of each behavior, and the behavior's name in it.
    """

    def __init__(self, behaviors: Mapping[str, tuple[BaseEnv, str]]) -> None:
        self.behaviors = dict(behaviors)
        self.parts = {id(env): env for env, _ in self.behaviors.values()}.values()

    @property
    def behavior_specs(self) -> BehaviorMapping:
        return BehaviorMapping({name: env.behavior_specs[own] for name, (env, own) in self.behaviors.items()})

    def reset(self) -> None:
        for part in self.parts:
            part.reset()

    def step(self) -> None:
        for part in self.parts:
            part.step()

    def close(self) -> None:
        for part in self.parts:
            part.close()

    def get_steps(self, behavior_name: str) -> tuple[DecisionSteps, TerminalSteps]:
        env, own = self.behaviors[behavior_name]
        return env.get_steps(own)

    def set_actions(self, behavior_name: str, action: ActionTuple) -> None:
        env, own = self.behaviors[behavior_name]
        env.set_actions(own, action)

    def set_action_for_agent(self, behavior_name: str, agent_id: int, action: ActionTuple) -> None:
        env, own = self.behaviors[behavior_name]
        env.set_action_for_agent(own, agent_id, action)
