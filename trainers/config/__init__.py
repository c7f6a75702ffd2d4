"""The training file as typed settings: ML-Agents' own keys and the extensions of this trainer."""

from trainers.config.algorithm import AlgorithmSettings, NoiseSettings, QSettings
from trainers.config.base import (
    Count,
    CountOrZero,
    Flag,
    Fraction,
    NonNegative,
    Positive,
    Real,
    Rows,
    Total,
    extension,
    number,
    problem,
)
from trainers.config.behavior import BehaviorSettings
from trainers.config.cloning import BehavioralCloningSettings
from trainers.config.dump import dump_settings
from trainers.config.environment import EngineSettings, EnvSettings
from trainers.config.environment_parameters import (
    CompletionCriteria,
    ConstantSampler,
    EnvironmentParameter,
    GaussianSampler,
    Lesson,
    MultiRangeUniformSampler,
    Sampler,
    UniformSampler,
)
from trainers.config.loader import load_settings
from trainers.config.network import MemorySettings, NetworkSettings
from trainers.config.off_policy import DQNSettings, OffPolicySettings, SACSettings
from trainers.config.on_policy import (
    A2CSettings,
    ActorCriticSettings,
    ClippedSettings,
    MAPPOSettings,
    OnPolicySettings,
    POCASettings,
    PPOSettings,
    PQNSettings,
    RolloutSettings,
)
from trainers.config.reward_signals import RewardSignals
from trainers.config.run import CheckpointSettings, RankSettings, RunSettings, TorchSettings
from trainers.config.self_play import SelfPlaySettings
from trainers.config.signals import (
    CuriositySettings,
    ExtrinsicSettings,
    GAILSettings,
    LearnedSignalSettings,
    RewardSignalSettings,
    RNDSettings,
)

__all__ = [
    "A2CSettings",
    "ActorCriticSettings",
    "AlgorithmSettings",
    "BehaviorSettings",
    "BehavioralCloningSettings",
    "CheckpointSettings",
    "ClippedSettings",
    "CompletionCriteria",
    "ConstantSampler",
    "Count",
    "CountOrZero",
    "CuriositySettings",
    "DQNSettings",
    "EngineSettings",
    "EnvSettings",
    "EnvironmentParameter",
    "ExtrinsicSettings",
    "Flag",
    "Fraction",
    "GAILSettings",
    "GaussianSampler",
    "LearnedSignalSettings",
    "Lesson",
    "MAPPOSettings",
    "MemorySettings",
    "MultiRangeUniformSampler",
    "NetworkSettings",
    "NoiseSettings",
    "NonNegative",
    "OffPolicySettings",
    "OnPolicySettings",
    "POCASettings",
    "PPOSettings",
    "PQNSettings",
    "Positive",
    "QSettings",
    "RNDSettings",
    "RankSettings",
    "Real",
    "RewardSignalSettings",
    "RewardSignals",
    "RolloutSettings",
    "Rows",
    "RunSettings",
    "SACSettings",
    "Sampler",
    "SelfPlaySettings",
    "TorchSettings",
    "Total",
    "UniformSampler",
    "dump_settings",
    "extension",
    "load_settings",
    "number",
    "problem",
]
