"""MAPPO: PPO for groups of agents, with a critic that sees the whole group.

Source: Yu et al. 2022, "The Surprising Effectiveness of PPO in Cooperative Multi-Agent Games".
"""

from trainers.algorithms.group_learner import GroupLearner
from trainers.config import MAPPOSettings


class MAPPO(GroupLearner):
    """Advantages are measured against the value of the group.

    As in ML-Agents, an agent earns its own rewards and those of the group, but not those of its groupmates.
    """

    settings_class = MAPPOSettings
    hyper: MAPPOSettings
