"""What the server of trainings imports and does once, before it makes copies of itself."""

import gc

import matplotlib.figure

import bridge.onnx_export
import trainers.records.plots
import trainers.training.api
import trainers.training.cli
import trainers.training.environments
from trainers.config import catalogue

MODULES = (
    bridge.onnx_export,
    trainers.records.plots,
    trainers.training.api,
    trainers.training.cli,
    trainers.training.environments,
)
ALGORITHMS, SIGNALS = (
    catalogue.algorithm_names(),
    catalogue.signal_names(),
)  # looks at every installed package
FIGURE = matplotlib.figure.Figure()

gc.collect()
gc.freeze()  # what is there stays, so no copy need look through it again
