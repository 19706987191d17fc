"""FOV/s of a network of random weights, on an engine, and in training."""

from __future__ import annotations

import multiprocessing
import os
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from pipeline.config import Network
from pipeline.ffn.weights import weight_shapes, write_weights
from pipeline.inference.engines import Loading, choose, load, precisions_on_gpu
from pipeline.results.artifacts import Artifact

PUBLISHED = Network()
DEMO = Network(fov=(13, 13, 13), deltas=(3, 3, 3), depth=5, features=16)
ROUNDS = 3

Row = dict[str, Any]


def network_rates(
    engine: str, backend: str, network: Network, batches: list[int], seconds: float
) -> list[Row]:
    """FOV/s of `predict`, from and to NumPy, in every precision, and how far the update is from float32's.

    The distance is |update - float32's| / |float32's|, on FOVs of noise.
    """
    return _apart(backend, _network_rates, engine, network, batches, seconds)


def training_rates(backend: str, network: Network, batches: list[int], seconds: float) -> list[Row]:
    """FOV/s of forward, backward and Adam in Keras, without making examples or averaging over ranks."""
    return _apart(backend, _training_rates, network, batches, seconds)


def _apart(backend: str, measure: Callable[..., list[Row]], *args: Any) -> list[Row]:
    """Measured in a process of its own, since one process has one backend of Keras."""
    os.environ["KERAS_BACKEND"] = backend
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as process:
        return process.submit(measure, *args).result()


def _network_rates(engine: str, network: Network, batches: list[int], seconds: float) -> list[Row]:
    rng, rows = np.random.default_rng(0), []
    fovs = rng.standard_normal((max(batches), *network.fov, 2)).astype(np.float32)
    asked = precisions_on_gpu(engine) or ("float32",)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "ffn.h5"
        write_weights(random_weights(network, rng), network, path)
        reference: dict[int, np.ndarray] = {}
        for precision in sorted(asked, key=("float32", *asked).index):
            for batch in batches:
                what = Loading(
                    Artifact(str(path), ""), network, engine, precision, batch, os.cpu_count() or 1
                )
                assert choose(network, engine, precision).precision == precision
                loaded = load(what)
                update = loaded.predict(fovs[:batch]).copy()
                exact = reference.setdefault(batch, update)
                rate = rate_per_s(lambda: loaded.predict(fovs[:batch]), seconds)  # noqa: B023 - called at once
                rows.append(
                    {
                        "engine": loaded.name,
                        "precision": loaded.precision,
                        "batch": batch,
                        "FOV/s": batch * rate,
                        "off float32": float(np.linalg.norm(update - exact) / np.linalg.norm(exact)),
                    }
                )
    return rows


def _training_rates(network: Network, batches: list[int], seconds: float) -> list[Row]:
    from pipeline.ffn.network import build_network  # sets the Keras backend

    import keras  # isort: skip

    rng, rows = np.random.default_rng(0), []
    fovs = rng.standard_normal((max(batches), *network.fov, 2)).astype(np.float32)
    labels = rng.uniform(size=fovs[..., :1].shape).astype(np.float32)
    for policy in ("float32", "mixed_bfloat16"):
        keras.config.set_dtype_policy(policy)
        for batch in batches:
            update = build_network(network, batch)
            pom = keras.layers.Add(dtype="float32")([update.input[..., 1:], update.output])
            model = keras.Model(update.input, pom)
            model.compile("adam", keras.losses.BinaryCrossentropy(from_logits=True))
            rate = rate_per_s(lambda: model.train_on_batch(fovs[:batch], labels[:batch]), seconds)  # noqa: B023
            rows.append(
                {
                    "backend": keras.config.backend(),
                    "policy": policy,
                    "batch": batch,
                    "FOV/s": batch * rate,
                }
            )
    return rows


def random_weights(network: Network, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Weights that keep activations about as large as they are, layer by layer."""
    return {
        name: rng.normal(0, (1 / np.prod(shape[:-1])) ** 0.5, shape).astype(np.float32)
        for name, shape in weight_shapes(network).items()
    }


def rate_per_s(call: Callable[[], object], seconds: float) -> float:
    """Calls a second, the median of three rounds, after one call that prepares it."""
    call()
    began = time.perf_counter()
    call()
    times = max(1, int(seconds / ROUNDS / (time.perf_counter() - began)))
    rates = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        for _ in range(times):
            call()
        rates.append(times / (time.perf_counter() - began))
    return median(rates)
