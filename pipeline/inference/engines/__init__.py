"""Engines run the network; everything else in inference is independent of which one does."""

from __future__ import annotations

import importlib.util
from functools import lru_cache
from typing import Protocol

import numpy as np

from pipeline.artifacts import Artifact
from pipeline.config import Inference, Network


class Engine(Protocol):
    """A network loaded and ready; `name` and `precision` say how it computes."""

    name: str
    precision: str

    def predict(self, fovs: np.ndarray) -> np.ndarray:
        """Return what to add to the POM: (n, z, y, x, 1) for `fovs` of (n, z, y, x, 2), both float32.

        n is the batch size that the engine was opened with; the result is valid until the next call.
        """
        ...


def open_engine(model: Artifact, network: Network, inference: Inference, threads: int) -> Engine:
    """Load the network for batches of one FOV; a process that asks again gets the same engine.

    `auto` is OpenVINO where it is installed, else Keras. Raises InputError when the weights do not
    fit `network`, or when the engine asked for is not installed.
    """
    return _load(model, network, inference.engine, inference.precision, threads)


@lru_cache(maxsize=1)
def _load(model: Artifact, network: Network, engine: str, precision: str, threads: int) -> Engine:
    # Imported here, because a worker needs only one of the two and TensorFlow alone takes 500 MB.
    if engine == "openvino" or (engine == "auto" and importlib.util.find_spec("openvino")):
        from pipeline.inference.engines.openvino import OpenVinoEngine

        return OpenVinoEngine(model, network, precision, threads)
    from pipeline.inference.engines.keras import KerasEngine

    return KerasEngine(model, network, precision)
