"""The limits of sizes, in one place. What exceeds one is refused in one line, before memory is asked for it.

They lie far above what training needs, and far below what a machine cannot hold. `gym_adapters.sizes` checks those of
observations, actions and memory, `trainers.config` those of keys, and `trainers.config.reader` those of YAML. How long
a behavior's name may be is said in `bridge.declarations`.
"""

TEXT_BYTES = 1_000_000
"""Bytes of a training file, or of one `--set`: PyYAML reads about 0.1 MB a second."""

YAML_VALUES = 100_000
"""Values of YAML text, every alias written out: a file of 1 kB may stand for more than fit into any memory."""

YAML_LEVELS = 100
"""Depth of nested maps and lists, as for a key of `--set`: each level takes part of Python's stack."""

NUMBER_LETTERS = 100
"""Letters of one number in YAML: the time to read it grows with their square."""

STEPS = 10**15
"""Steps, episodes or seconds: float64 and TensorBoard hold larger numbers no longer exactly."""

ROWS = 10**9
"""Agent steps held at once, such as `buffer_size`; whether they fit is checked when the bytes of a row are known."""

UNITS = 2**14
"""Units of a layer, or channels of a convolution: two such layers have 268 million weights between them."""

LAYERS = 100
"""Hidden layers."""

BINS = 10_000
"""Bins into which a critic sorts values: each is an output of the network."""

THREADS = 1_024
"""CPU threads of PyTorch."""

BEHAVIORS = 1_000
"""Behaviors of a training file: each has a network."""

SNAPSHOTS = 1_000
"""Past policies that self-play holds in memory."""

ENVIRONMENTS = 10_000
"""Environments, episodes or training areas at the same time: each takes memory, and a player also a process."""

WINDOW_PIXELS = 2**14
"""Width or height of a player's window in pixels, the largest that graphics cards draw."""

DIMENSIONS = 4
"""Dimensions of one observation; images with stacked frames have four."""

OBSERVATIONS = 1_000
"""Observations (sensors) of one agent."""

OBSERVATION_VALUES = 2**24
"""Numbers in all observations of one agent: 64 MiB as float32, an image of 2,364 x 2,364 pixels in colour."""

ACTIONS = 100_000
"""Continuous actions and choices of all branches of one agent together: each is an output of the network."""

SMALL_NETWORK_BYTES = 2**30
"""Bytes of a network that is not measured before it is made: 1 GiB, as roughly estimated."""

TRIAL_BYTES = 2**28
"""Bytes of the observations of a gradient step that is only measured: 256 MiB."""
