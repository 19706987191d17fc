"""Engines run the network; everything else in inference is independent of which one does."""

from __future__ import annotations

import importlib.util
import logging
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple, Protocol

import numpy as np

from pipeline.config import Inference, Network
from pipeline.errors import InputError
from pipeline.machine import gpus, processor
from pipeline.machine.own import module_command
from pipeline.results.artifacts import Artifact

log = logging.getLogger(__name__)

GPU_ENGINES = ("torch", "keras")
"""Those that run on GPUs, the faster first; each is the name of the package that it takes."""

CPU_PRECISIONS = ("float32", "bfloat16")
"""Of these engines on a CPU, the one that `auto` means first."""


class Engine(Protocol):
    """A network loaded and ready; `name` and `precision` say how it computes."""

    name: str
    precision: str

    def predict(self, fovs: np.ndarray) -> np.ndarray:
        """Return what to add to the POM: (n, z, y, x, 1) for `fovs` of (n, z, y, x, 2), both float32.

        n is the batch size that the engine was opened with; the result is valid until the next call.
        """
        ...


class Choice(NamedTuple):
    """What runs the network and how it computes, as the settings of inference name them."""

    engine: str
    precision: str


@dataclass(frozen=True)
class Loading:
    """What is needed to load a network: `engine`, `precision` and `batch` as in the settings of inference."""

    model: Artifact
    network: Network
    engine: str
    precision: str
    batch: int
    threads: int


def open_engine(model: Artifact, network: Network, inference: Inference, threads: int) -> Engine:
    """An engine for one FOV at a time; a process that asks again gets the same one.

    Where `inference.batch` is more than 1 it is shared with the other workers on the same device, and
    its network, loaded once for all of them, has the threads of so many workers.
    Raises InputError when the weights do not fit `network`, or when the engine asked for is not to be had.
    """
    batch = inference.batch
    return _open(Loading(model, network, inference.engine, inference.precision, batch, threads * batch))


@lru_cache(maxsize=1)
def _open(what: Loading) -> Engine:
    if what.batch == 1:
        return load(what)
    from pipeline.inference.engines.shared import SharedEngine

    return SharedEngine(what)


def load(what: Loading) -> Engine:
    """Load a network into this process; `predict` takes `what.batch` FOVs. Raises InputError."""
    engine = what.engine
    if engine == "auto":
        engine = choose(what.network, what.engine, what.precision).engine
    # Imported here, because a worker needs only one of them and TensorFlow alone takes 500 MB.
    if engine == "winograd":
        from pipeline.inference.engines.winograd import WinogradEngine

        return WinogradEngine(what.model, what.network, what.precision, what.threads)
    if engine == "openvino":
        from pipeline.inference.engines.openvino import OpenVinoEngine

        return OpenVinoEngine(what.model, what.network, what.precision, what.threads, what.batch)
    if engine == "torch":
        from pipeline.inference.engines.torch import TorchEngine

        return TorchEngine(what.model, what.network, what.precision, what.threads, what.batch)
    from pipeline.inference.engines.keras import KerasEngine

    return KerasEngine(what.model, what.network, what.precision, what.batch, what.threads)


def choose(network: Network, engine: str, precision: str) -> Choice:
    """What this machine has for an engine and a precision asked for; loads no network.

    `auto` is PyTorch where it finds a GPU, else Keras where its backend finds one, else Winograd where the
    CPU is for it, else OpenVINO where it is installed, else Keras. A CPU with AMX that is asked for bfloat16
    has OpenVINO instead of Winograd. Raises InputError when the engine asked for is not to be had.
    """
    if engine == "auto":
        engine = _best_engine(network, precision)
    if engine == "winograd":
        from pipeline.ffn.winograd.compiled import required
        from pipeline.inference.engines.winograd import WinogradEngine

        required(network, "inference.engine")
        return Choice(engine, WinogradEngine.precision)
    if engine == "openvino":
        from pipeline.inference.engines.openvino import available_precision

        return Choice(engine, available_precision(precision))
    if engine == "torch" and importlib.util.find_spec("torch") is None:
        raise InputError("inference.engine is 'torch', but PyTorch is not installed here")
    if engine == "keras":
        _require_backend()
    return Choice(engine, fitting(precision, precisions_on_gpu(engine) or CPU_PRECISIONS))


def _require_backend() -> None:
    """Raise InputError unless the backend of Keras is installed."""
    named = os.environ.get("KERAS_BACKEND", "tensorflow")
    if named in sys.modules or importlib.util.find_spec(named) is not None:
        return
    there = [name for name in ("jax", "torch", "tensorflow") if importlib.util.find_spec(name)]
    raise InputError(
        f"Keras is to run the network, on its backend {named!r} (KERAS_BACKEND), which is not installed "
        f"here; {' and '.join(there) or 'none'} {'are' if len(there) > 1 else 'is'}: export KERAS_BACKEND="
        f"{there[0] if there else 'jax'}, in jobs by site.worker_init"
    )


def fitting(wanted: str, available: Sequence[str]) -> str:
    """The precision asked for if it is available, else what `auto` means, which is the first."""
    return wanted if wanted in available else available[0]


@lru_cache(maxsize=len(GPU_ENGINES))
def precisions_on_gpu(engine: str) -> tuple[str, ...]:
    """Those in which one of GPU_ENGINES computes on a GPU here, the one that `auto` means first; () without.

    Asked in a process of its own: a worker that shares a network on the GPU must not take part of it.
    """
    # where no driver shows one, no library need be loaded to see that it finds none
    if gpus.find() is None or importlib.util.find_spec(engine) is None:
        return ()
    command = module_command(f"pipeline.inference.engines.{engine}")
    asked = subprocess.run(command, stdout=subprocess.PIPE, text=True)
    if asked.returncode:
        log.warning("%s cannot be loaded here, and is taken to find no GPU: see above", engine)
        return ()
    return tuple(asked.stdout.split())


def cpu_engine(network: Network) -> str:
    """What runs a network in float32 on this CPU: Winograd where that is for it, else OpenVINO where it is
    installed, else Keras."""
    from pipeline.ffn.winograd.compiled import library

    if library(network):
        return "winograd"
    return "openvino" if _has_openvino() else "keras"


def _best_engine(network: Network, precision: str) -> str:
    for engine in GPU_ENGINES:
        if precisions_on_gpu(engine):
            return engine
    # With AMX, OpenVINO multiplies bfloat16 faster than fewer products make up for. It has to be asked for:
    # rounded so, objects leak into their neighbours where membranes are weak.
    if "amx_bf16" in processor.cpu_flags() and precision == "bfloat16" and _has_openvino():
        return "openvino"
    return cpu_engine(network)


def _has_openvino() -> bool:
    return importlib.util.find_spec("openvino") is not None
