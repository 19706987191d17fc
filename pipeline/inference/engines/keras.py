"""The network on Keras: on the backend that KERAS_BACKEND names, and on the GPUs that it finds.

As a program it prints `GPU` where the backend finds one.
"""

from __future__ import annotations

import keras
import numpy as np

from pipeline.config import Network
from pipeline.ffn.network import load_network
from pipeline.results.artifacts import Artifact


class KerasEngine:
    """Runs in float32, or in mixed bfloat16 where that is asked for. `name` tells the backend too."""

    def __init__(self, model: Artifact, network: Network, precision: str, batch_size: int = 1) -> None:
        self.name = f"keras on {keras.config.backend()}"
        if keras.config.backend() == "tensorflow":
            from pipeline.ffn.repeatable import make_tensorflow_repeatable

            make_tensorflow_repeatable()
        self.precision = "bfloat16" if precision == "bfloat16" else "float32"
        policy = keras.config.dtype_policy()
        keras.config.set_dtype_policy("mixed_bfloat16" if precision == "bfloat16" else "float32")
        try:
            self._model = load_network(model.path, network, batch_size)
        finally:
            keras.config.set_dtype_policy(policy)

    def predict(self, fovs: np.ndarray) -> np.ndarray:
        """See Engine."""
        return np.asarray(self._model.predict_on_batch(fovs))


def finds_gpu() -> bool:
    """Whether the Keras backend computes on a GPU here."""
    return any("gpu" in device for device in keras.distribution.list_devices())


if __name__ == "__main__":
    print("GPU" if finds_gpu() else "none")
