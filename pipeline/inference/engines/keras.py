"""The network on Keras: on the backend that KERAS_BACKEND names, and on the GPUs that it finds.

As a program it prints the precisions in which the backend computes on a GPU here, if it finds one.
"""

from __future__ import annotations

from contextlib import suppress

import keras
import numpy as np

from pipeline.config import Network
from pipeline.ffn.network import load_network
from pipeline.inference.engines import CPU_PRECISIONS, fitting
from pipeline.results.artifacts import Artifact

POLICIES = {
    "tensorfloat32": "float32",
    "float32": "float32",
    "bfloat16": "mixed_bfloat16",
    "float16": "mixed_float16",
}
"""Of Keras, by precision."""


class KerasEngine:
    """Runs in float32, on a GPU in tensorfloat32, unless another precision is asked for. `name` tells the
    backend too. On CPUs it has `threads`; JAX, which cannot be told, has one for each core of its process.
    """

    def __init__(
        self,
        model: Artifact,
        network: Network,
        precision: str,
        batch_size: int = 1,
        threads: int | None = None,
    ) -> None:
        self.name = f"keras on {keras.config.backend()}"
        if threads is not None:
            _use(threads)
        if keras.config.backend() == "tensorflow":
            from pipeline.ffn.repeatable import make_tensorflow_repeatable

            make_tensorflow_repeatable()
        self.precision = fitting(precision, precisions())
        if finds_gpu():
            _allow_tensorfloat32(self.precision == "tensorfloat32")
        policy = keras.config.dtype_policy()
        keras.config.set_dtype_policy(POLICIES[self.precision])
        try:
            self._model = load_network(model.path, network, batch_size)
        finally:
            keras.config.set_dtype_policy(policy)

    def predict(self, fovs: np.ndarray) -> np.ndarray:
        """See Engine."""
        return np.asarray(self._model.predict_on_batch(fovs))


def finds_gpu() -> bool:
    """Whether the Keras backend computes on a GPU here."""
    if keras.config.backend() == "torch":  # for which Keras cannot list devices
        import torch

        found: bool = torch.cuda.is_available() or torch.xpu.is_available()
        return found
    return any("gpu" in device for device in keras.distribution.list_devices())


def precisions() -> tuple[str, ...]:
    """Those in which the Keras backend computes here, the one that `auto` means first."""
    return tuple(POLICIES) if finds_gpu() else CPU_PRECISIONS


def _use(threads: int) -> None:
    backend = keras.config.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        with suppress(RuntimeError):  # it has computed in this process, and keeps those that it has
            tf.config.threading.set_intra_op_parallelism_threads(threads)
    elif backend == "torch":
        import torch

        torch.set_num_threads(threads)


def _allow_tensorfloat32(allowed: bool) -> None:
    """Whether a GPU may round the factors of float32 products, as it does on every backend by default."""
    backend = keras.config.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        tf.config.experimental.enable_tensor_float_32_execution(allowed)
    elif backend == "jax":
        import jax

        jax.config.update("jax_default_matmul_precision", "tensorfloat32" if allowed else "highest")
    else:
        import torch

        torch.backends.cudnn.allow_tf32 = allowed


if __name__ == "__main__":
    print(*(precisions() if finds_gpu() else ()))
