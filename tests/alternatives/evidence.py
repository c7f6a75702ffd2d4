"""What each cell of docs/alternatives.md rests on, by row and column."""

from collections.abc import Mapping, Sequence
from functools import partial

from tests.alternatives.kinds import ByTest, Evidence, Found, Here, Nowhere, OnlyIn, Page, Run
from tests.alternatives.packages import VERSIONS

HERE = "here"
LEARN = f"mlagents-learn {VERSIONS['mlagents']}"
SB3 = f"Stable-Baselines3 {VERSIONS['stable-baselines3']}"
CLEANRL = f"CleanRL {VERSIONS['cleanrl']}"
GODOT = f"godot_rl {VERSIONS['godot-rl']}"
OF_LEARN = ("mlagents", "mlagents-envs")
OF_SB3 = ("stable-baselines3", "sb3-contrib", "rl_zoo3")
OF_CLEANRL = ("cleanrl",)
OF_GODOT = ("godot-rl",)
UNITY_DOCS = "https://github.com/Unity-Technologies/ml-agents/blob/release_22/docs"
SB3_DOCS = "https://stable-baselines3.readthedocs.io/en/master"
GODOT_PAGES = "https://github.com/edbeeching/godot_rl_agents/blob/main"
in_mlagents = partial(Found, "mlagents")
in_envs = partial(Found, "mlagents-envs")
in_sb3 = partial(Found, "stable-baselines3")
in_contrib = partial(Found, "sb3-contrib")
in_zoo = partial(Found, "rl_zoo3")
in_imitation = partial(Found, "imitation")
in_cleanrl = partial(Found, "cleanrl")
in_godot = partial(Found, "godot-rl")
SETTINGS = "mlagents/trainers/settings.py"
PYTHON, LICENSE = "Requires-Python: ", "License: "

EVIDENCE: Mapping[str, Mapping[str, Sequence[Evidence]]] = {
    "algorithms": {
        HERE: [Run("--help", "with PPO", "with A2C", "with DQN", "with SAC", "with POCA", "with MAPPO")],
        LEARN: [in_mlagents("plugins/trainer_type.py", "PPOTrainer", "SACTrainer", "POCATrainer")],
        SB3: [
            in_sb3("stable_baselines3/__init__.py", "PPO", "A2C", "DQN", "DDPG", "SAC", "TD3"),
            in_sb3("her/her_replay_buffer.py", "class HerReplayBuffer"),
            in_contrib("sb3_contrib/__init__.py", "TQC", "QRDQN", "TRPO", "ARS", "CrossQ"),
        ],
        CLEANRL: [
            in_cleanrl("METADATA", "(PPO)", "(PPG)", "(RND)", "(DQN)", "(C51)", "(DDPG)", "(SAC)", "(TD3)"),
            in_cleanrl("cleanrl/rpo_continuous_action.py", "rpo_alpha"),
            in_cleanrl("cleanrl/dqn_jax.py", "import jax"),
            in_cleanrl("cleanrl/td3_continuous_action_jax.py", "import jax"),
        ],
        GODOT: [
            in_godot("METADATA", "[StableBaselines3]", "[Sample Factory]", "[Ray RLLib]", "[CleanRL]"),
            in_godot("METADATA", "stable-baselines3<=2.4.0,>=2.0.0"),
        ],
    },
    "environments": {
        HERE: [Run("search --help", "Gymnasium or PettingZoo id, or the path of a Unity player")],
        LEARN: [in_mlagents("trainers/learn.py", "return UnityEnvironment(")],
        SB3: [in_sb3("METADATA", "Requires-Dist: gymnasium<2.0,>=0.29.1")],
        CLEANRL: [
            in_cleanrl("cleanrl/dqn.py", "import gymnasium as gym"),
            in_cleanrl("cleanrl/ppo.py", "import gym\n"),
            in_cleanrl("cleanrl/ppo_atari_envpool.py", "import envpool"),
            in_cleanrl("cleanrl/ppo_procgen.py", "import ProcgenEnv"),
            in_cleanrl("ppo_continuous_action_isaacgym.py", "import isaacgym"),
        ],
        GODOT: [in_godot("METADATA", "[Godot Engine]")],
    },
    "agents that come and go": {
        HERE: [
            ByTest(
                "bridge/test_training.py", "test_entities_groups_masks_and_teams_are_trained_and_exported"
            ),
            ByTest(
                "trainers/records/test_remembering.py",
                "test_agents_keep_their_memory_in_any_order_and_company",
            ),
        ],
        LEARN: [in_envs("mlagents_envs/base_env.py", "the DecisionSteps are not fixed across")],
        SB3: [in_sb3("vec_env/base_vec_env.py", ":param num_envs: Number of environments")],
        CLEANRL: [in_cleanrl("cleanrl/ppo.py", '"--num-envs"')],
        GODOT: [in_godot("core/godot_env.py", 'self.num_envs = json_dict["n_agents"]')],
    },
    "groups of agents, self-play": {
        HERE: [
            Run("config unity_configs/unity/SoccerTwos.yaml", "trainer_type: poca", "self_play: save_steps:"),
            ByTest("learning/test_learning.py", "test_a_small_world_is_learned"),
        ],
        LEARN: [
            in_mlagents(SETTINGS, "self_play: Optional[SelfPlaySettings]"),
            in_envs("mlagents_envs/base_env.py", "group_reward"),
        ],
        SB3: [Nowhere(OF_SB3, "self_play", "self-play", "multi-agent", "multiagent", "pettingzoo")],
        CLEANRL: [OnlyIn("cleanrl", "cleanrl/ppo_pettingzoo_ma_atari.py", "pettingzoo.atari")],
        GODOT: [
            in_godot("core/godot_env.py", '"agent_policy_names"'),
            Page(f"{GODOT_PAGES}/docs/TRAINING_MULTIPLE_POLICIES.md"),
        ],
    },
    "memory": {
        HERE: [
            Run("config unity_configs/unity/CartPole-memory-player.yaml", "memory: sequence_length"),
            Run(
                "config unity_configs/dqn/discrete.yaml --set behaviors.A.network_settings.memory={}",
                "network_settings.memory needs trainer_type ppo, sac, poca, mappo or a2c",
            ),
        ],
        LEARN: [
            in_mlagents(SETTINGS, "memory: Optional[MemorySettings]"),
            in_mlagents("torch_entities/layers.py", "class LSTM"),
        ],
        SB3: [in_contrib("common/recurrent/policies.py", "nn.LSTM"), Nowhere(OF_SB3[:1], "lstm")],
        CLEANRL: [OnlyIn("cleanrl", "cleanrl/ppo_atari_lstm.py", "nn.LSTM")],
        GODOT: [
            in_godot("wrappers/sample_factory_wrapper.py", "use_rnn"),
            Page(f"{GODOT_PAGES}/examples/stable_baselines3_contrib_lstm_example.py"),
            Page("https://docs.ray.io/en/latest/rllib/rllib-models.html"),
        ],
    },
    "action masks": {
        HERE: [
            ByTest("trainers/algorithms/test_small_tasks.py", "test_chooses_in_every_branch_within_its_masks")
        ],
        LEARN: [in_mlagents("torch_entities/action_model.py", "Action masks for discrete actions")],
        SB3: [in_contrib("ppo_mask/ppo_mask.py", "class MaskablePPO"), Nowhere(OF_SB3[:1], "action_mask")],
        CLEANRL: [Nowhere(OF_CLEANRL, "action_mask")],
        GODOT: [Nowhere(OF_GODOT, "mask")],
    },
    "curiosity, RND": {
        HERE: [
            Run("config unity_configs/unity/Pyramids.yaml", "curiosity: gamma:"),
            Run("config unity_configs/unity/PyramidsRND.yaml", "rnd: gamma:"),
        ],
        LEARN: [in_mlagents(SETTINGS, "class CuriositySettings", "class RNDSettings")],
        SB3: [Nowhere(OF_SB3, "curiosity", "rnd", "intrinsic")],
        CLEANRL: [OnlyIn("cleanrl", "cleanrl/ppo_rnd_envpool.py", "curiosity")],
        GODOT: [Nowhere(OF_GODOT, "curiosity", "rnd", "intrinsic")],
    },
    "demonstrations": {
        HERE: [
            Run("config unity_configs/unity/imitation/Hallway.yaml", "gail: gamma:"),
            Run("clone --help", "Train a policy on demonstrations alone"),
            Run("demonstrate --help", "record them as a .demo file"),
        ],
        LEARN: [
            in_mlagents(SETTINGS, "class BehavioralCloningSettings", "class GAILSettings"),
            Page(f"{UNITY_DOCS}/Learning-Environment-Design-Agents.md#recording-demonstrations"),
        ],
        SB3: [
            Nowhere(OF_SB3, "demonstration"),
            in_imitation("METADATA", "Requires-Dist: stable-baselines3~=2.2.1", "Behavioral Cloning"),
            Page(f"{SB3_DOCS}/guide/imitation.html"),
        ],
        CLEANRL: [Nowhere(OF_CLEANRL, "demonstration", "imitation")],
        GODOT: [
            in_godot("wrappers/sbg_single_obs_wrapper.py", "needed for imitation learning"),
            Page(f"{GODOT_PAGES}/docs/IMITATION_LEARNING.md"),
        ],
    },
    "curricula, randomised parameters": {
        HERE: [
            Run("config unity_configs/unity/Sorter_curriculum.yaml", "curriculum: - name: Lesson0"),
            Run("config unity_configs/unity/3DBall_randomize.yaml", "sampler_type: uniform"),
        ],
        LEARN: [in_mlagents(SETTINGS, "curriculum: List[Lesson]", "class UniformSettings")],
        SB3: [Nowhere(OF_SB3, "curricul"), in_sb3("common/callbacks.py", "class BaseCallback")],
        CLEANRL: [Nowhere(OF_CLEANRL, "curricul", "randomiz")],
        GODOT: [
            Nowhere(OF_GODOT, "curricul", "randomiz"),
            Page("https://github.com/edbeeching/godot_rl_agents_examples/pull/15"),
        ],
    },
    "settings": {
        HERE: [Run("config unity_configs/unity/3DBall.yaml --for-mlagents", "3DBall: trainer_type: ppo")],
        LEARN: [in_mlagents("trainers/cli_utils.py", '"trainer_config_path"')],
        SB3: [
            in_sb3("ppo/ppo.py", "learning_rate: float | Schedule"),
            in_zoo("hyperparams/ppo.yml", "policy: 'MlpPolicy'"),
        ],
        CLEANRL: [in_cleanrl("cleanrl/ppo.py", '"--learning-rate"')],
        GODOT: [
            in_godot("godot_rl/main.py", "This use of gdrl is deprecated", "[only for rllib]"),
            Page(f"{GODOT_PAGES}/examples/stable_baselines3_example.py"),
        ],
    },
    "search for settings": {
        HERE: [
            Run("search --help", "Search for the settings that train best"),
            Here("pyproject.toml", 'search = ["optuna'),
        ],
        LEARN: [Nowhere(OF_LEARN, "optuna", "hyperopt", "import ray")],
        SB3: [in_zoo("rl_zoo3/hyperparams_opt.py", "import optuna")],
        CLEANRL: [in_cleanrl("cleanrl_utils/tuner.py", "import optuna")],
        GODOT: [Nowhere(OF_GODOT, "optuna"), Page(f"{GODOT_PAGES}/examples/stable_baselines3_hp_tuning.py")],
    },
    "several processes or machines": {
        HERE: [
            Run("ppo --help", "Seconds that a rank waits for the others"),
            ByTest("trainers/optim/test_ranks.py", "test_ten_updates_from_parts_are_those_from_the_whole"),
            ByTest(
                "trainers/training/test_rank_runs.py", "test_two_ranks_write_one_run_and_one_goes_on_with_it"
            ),
        ],
        LEARN: [in_mlagents("trainers/cli_utils.py", '"--num-envs"'), Nowhere(OF_LEARN, "torch.distributed")],
        SB3: [
            in_sb3("vec_env/subproc_vec_env.py", "class SubprocVecEnv"),
            Nowhere(OF_SB3, "torch.distributed", "DistributedDataParallel"),
        ],
        CLEANRL: [OnlyIn("cleanrl", "cleanrl/ppo_atari_multigpu.py", "torch.distributed as")],
        GODOT: [
            in_godot("wrappers/stable_baselines_wrapper.py", "for p in range(n_parallel)"),
            in_godot("wrappers/ray_wrapper.py", '["num_workers"]'),
            in_godot("wrappers/sample_factory_wrapper.py", "num_workers="),
        ],
    },
    "`.onnx` for the engine": {
        HERE: [
            Run("export --check docs/policies/Walker2d-v5/Walker2d-v5.onnx", "Unity can run it"),
            ByTest(
                "trainers/records/test_run_folder.py", "test_every_model_of_a_run_is_one_that_unity_takes"
            ),
        ],
        LEARN: [in_mlagents("model_saver/torch_model_saver.py", '= f"{checkpoint_path}.onnx"')],
        SB3: [Nowhere(OF_SB3, "onnx"), Page(f"{SB3_DOCS}/guide/export.html")],
        CLEANRL: [Nowhere(OF_CLEANRL, "onnx")],
        GODOT: [
            in_godot("METADATA", "experimental support for onnx models with the Stable Baselines 3, rllib"),
            in_godot("wrappers/onnx/stable_baselines_export.py", "torch.onnx.export("),
        ],
    },
    "TensorBoard, Weights & Biases": {
        HERE: [
            Run("ppo --help", "Weights & Biases project that logs the run"),
            ByTest(
                "trainers/records/test_run_folder.py",
                "test_tensorboard_has_mlagents_tags_and_those_of_our_own",
            ),
        ],
        LEARN: [in_mlagents("trainers/stats.py", "class TensorboardWriter"), Nowhere(OF_LEARN, "wandb")],
        SB3: [
            in_sb3("common/logger.py", "class TensorBoardOutputFormat"),
            in_zoo("rl_zoo3/train.py", '"--tensorboard-log"', "import wandb"),
            Nowhere(OF_SB3[:2], "wandb"),
        ],
        CLEANRL: [in_cleanrl("cleanrl/ppo.py", "import SummaryWriter", "import wandb")],
        GODOT: [
            in_godot("wrappers/stable_baselines_wrapper.py", "tensorboard_log="),
            Nowhere(OF_GODOT, "wandb"),
            Page(f"{GODOT_PAGES}/examples/clean_rl_example.py"),
        ],
    },
    "runs side by side": {
        HERE: [Run("compare --help", "in a table and on a")],
        LEARN: [Page(f"{UNITY_DOCS}/Using-Tensorboard.md")],
        SB3: [in_zoo("plots/all_plots.py", "Gather results, plot them and create table")],
        CLEANRL: [in_cleanrl("METADATA", "collection of Weights and Biases reports")],
        GODOT: [in_godot("godot_rl/main.py", "which will be displayed in tensborboard")],
    },
    "models to download": {
        HERE: [
            Run(f"export --check docs/policies/{name}/{name}.onnx", "Unity can run it")
            for name in ("Walker2d-v5", "Humanoid-v5", "Assault-v5")
        ],
        LEARN: [in_mlagents("entry_points.txt", "mlagents-load-from-hf")],
        SB3: [
            in_zoo("rl_zoo3/load_from_hub.py", "Downloading from https://huggingface.co/"),
            in_zoo("METADATA", "200+ Trained Agents", "https://huggingface.co/sb3"),
        ],
        CLEANRL: [in_cleanrl("cleanrl_utils/enjoy.py", "hf_hub_download", 'default="cleanrl"')],
        GODOT: [in_godot("download_utils/from_hub.py", 'repo_type="dataset"')],
    },
    "published results": {
        HERE: [
            ByTest(
                "trainers/playback/test_results_table.py", "test_the_tables_hold_every_seed_and_the_command"
            )
        ],
        LEARN: [Page(f"{UNITY_DOCS}/Learning-Environment-Examples.md")],
        SB3: [
            Page(f"{SB3_DOCS}/modules/ppo.html#results"),
            in_zoo("METADATA", "Final performance of the trained agents can be found in [`benchmark.md`]"),
        ],
        CLEANRL: [in_cleanrl("METADATA", "## Open RL Benchmark"), Page("https://arxiv.org/abs/2402.03046")],
        GODOT: [Nowhere(OF_GODOT, "benchmark"), Page("https://arxiv.org/abs/2112.03636")],
    },
    "code that one reads": {
        HERE: [Here("pyproject.toml", "The folders of trainers/ are layers")],
        LEARN: [in_envs("communicator_objects/unity_message_pb2.py", "UnityMessageProto")],
        SB3: [in_sb3("common/on_policy_algorithm.py", "class OnPolicyAlgorithm")],
        CLEANRL: [in_cleanrl("METADATA", "put into a single standalone file")],
        GODOT: [in_godot("METADATA", "Wrappers for four well known rl frameworks")],
    },
    "Python, as its package says": {
        HERE: [Here("pyproject.toml", 'requires-python = ">=3.11"')],
        LEARN: [in_mlagents("METADATA", f"{PYTHON}>=3.10.1,<=3.10.12\n")],
        SB3: [in_sb3("METADATA", f"{PYTHON}>=3.10\n")],
        CLEANRL: [in_cleanrl("METADATA", f"{PYTHON}>=3.7.1,<3.11\n")],
        GODOT: [in_godot("METADATA", f"{PYTHON}>=3.7\n")],
    },
    "license": {
        HERE: [Here("pyproject.toml", 'license = "Apache-2.0"')],
        LEARN: [in_mlagents("METADATA", "License :: OSI Approved :: Apache Software License")],
        SB3: [Found(package, "METADATA", f"{LICENSE}MIT") for package in OF_SB3[:2]],
        CLEANRL: [in_cleanrl("METADATA", f"{LICENSE}MIT")],
        GODOT: [in_godot("METADATA", f"{LICENSE}MIT")],
    },
}
