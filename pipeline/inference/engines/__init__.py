"""Engines run the network; everything else in inference is independent of which one does."""

from __future__ import annotations

import importlib.util
import json
from functools import lru_cache
from pathlib import Path
from typing import Protocol

import numpy as np

from pipeline.artifacts import Artifact
from pipeline.config import Inference, Network

GPU_DEVICES = ("/dev/nvidia0", "/dev/kfd")
"""Of NVIDIA and AMD. Where there is none, Keras need not be loaded to see that it finds no GPU."""


class Engine(Protocol):
    """A network loaded and ready; `name` and `precision` say how it computes."""

    name: str
    precision: str

    def predict(self, fovs: np.ndarray) -> np.ndarray:
        """Return what to add to the POM: (n, z, y, x, 1) for `fovs` of (n, z, y, x, 2), both float32.

        n is the batch size that the engine was opened with; the result is valid until the next call.
        """
        ...


def open_engine(
    model: Artifact, network: Network, inference: Inference, threads: int, calibration: Artifact | None = None
) -> Engine:
    """Load the network for batches of one FOV; a process that asks again gets the same engine.

    `auto` is Keras where its backend finds a GPU, else OpenVINO where it is installed, else Keras.
    `calibration` is needed for int8 alone. Raises InputError when the weights do not fit `network`, or when
    the engine asked for is not installed.
    """
    return _load(model, network, inference.engine, inference.precision, threads, calibration)


@lru_cache(maxsize=1)
def _load(
    model: Artifact,
    network: Network,
    engine: str,
    precision: str,
    threads: int,
    calibration: Artifact | None,
) -> Engine:
    # Imported here, because a worker needs only one of the two and TensorFlow alone takes 500 MB.
    if engine == "openvino" or (engine == "auto" and _openvino_is_best()):
        from pipeline.inference.engines.openvino import OpenVinoEngine

        maxima = json.loads(Path(calibration.path).read_text()) if calibration else None
        return OpenVinoEngine(model, network, precision, threads, maxima=maxima)
    from pipeline.inference.engines.keras import KerasEngine

    return KerasEngine(model, network, precision)


def _openvino_is_best() -> bool:
    if importlib.util.find_spec("openvino") is None:
        return False
    if not any(Path(device).exists() for device in GPU_DEVICES):
        return True
    from pipeline.inference.engines.keras import finds_gpu

    return not finds_gpu()
