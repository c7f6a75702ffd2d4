"""Runs an exported policy with numpy and onnxruntime alone: vectors, images, action masks and memory."""

import numpy as np
import onnxruntime


class Policy:
    """The policy in an `.onnx` file of this trainer or of `mlagents-learn`.

    Args:
        path: the file.
        agents: how many agents act at the same time.
    """

    def __init__(self, path: str, agents: int = 1) -> None:
        self.session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        self.inputs = {one.name: one.shape for one in self.session.get_inputs()}
        names = [one.name for one in self.session.get_outputs()]
        self.outputs = [
            name for name in names if name.startswith("deterministic_") or name == "recurrent_out"
        ]
        self.memory = np.zeros((agents, 1, self.inputs.get("recurrent_in", [0])[-1]), np.float32)

    def act(self, observations: list[np.ndarray], allowed: np.ndarray | None = None) -> dict[str, np.ndarray]:
        """Choose the likeliest actions; with memory, set `memory[i] = 0` when a new episode of agent i begins.

        Args:
            observations: (agents, *shape) for each sensor; images channels-first, uint8 or floats in [0, 1].
            allowed: (agents, choices) of all branches side by side, 0 where an action is forbidden; None: none is.
        """
        feed = {}
        for index, values in enumerate(observations):
            feed[f"obs_{index}"] = (values / 255 if values.dtype == np.uint8 else values).astype(np.float32)
        if "action_masks" in self.inputs:
            everything = np.ones((len(observations[0]), self.inputs["action_masks"][1]))
            feed["action_masks"] = (everything if allowed is None else allowed).astype(np.float32)
        if "recurrent_in" in self.inputs:
            feed["recurrent_in"] = self.memory
        found = dict(zip(self.outputs, self.session.run(self.outputs, feed), strict=True))
        if "recurrent_out" in found:
            self.memory = found.pop("recurrent_out").reshape(self.memory.shape)
        return found
