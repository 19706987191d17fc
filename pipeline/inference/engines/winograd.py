"""The network on CPUs with AVX-512, by Winograd's minimal filtering: winograd.c with its weights prepared.

It takes 5.8 times fewer products than the convolutions by their definition. In float32 updates differ by
1e-5 at most from those; in bfloat16 the factors of the products and the activations are rounded, the sums
are not, and updates differ by 0.009 (root mean square, in logits, as all of these).
"""

from __future__ import annotations

import ctypes
import importlib.util
import logging
from functools import lru_cache
from pathlib import Path

import ml_dtypes
import numpy as np

from pipeline.artifacts import Artifact
from pipeline.config import Network
from pipeline.errors import InputError
from pipeline.weights import read_weights

CPU_FEATURES = {"float32": {"avx512f"}, "bfloat16": {"avx512f", "avx512vl", "avx512_bf16"}}
"""Features of the CPU for which setup.py compiles, as Linux names them.

The first precision is what `auto` stands for: rounding to bfloat16 now and then merges neurons (see README).
"""

WIDTHS = (16, 32)
"""Features of the networks that it computes."""

POINTS = (1 / 2, -1 / 2, 5 / 4, -5 / 4)
"""Those of Cook and Toom beside infinity; winograd.c has them too, and says why these."""

KERNEL_TRANSFORM = np.array(
    [np.array([1, p, p**2]) / np.prod([p - q for q in POINTS if q != p]) for p in POINTS] + [[0, 0, 1]]
)
"""G of F(3, 3), which gives a filter's polynomial at the points; `transform` in winograd.c belongs to it."""

ALIGNMENT = 64

log = logging.getLogger(__name__)


class _Network(ctypes.Structure):
    """`struct network` of winograd.c."""

    _fields_ = (
        ("fov", ctypes.c_int * 3),
        ("depth", ctypes.c_int),
        ("features", ctypes.c_int),
        ("first", ctypes.c_void_p),
        ("kernels", ctypes.c_void_p),
        ("biases", ctypes.c_void_p),
        ("last", ctypes.c_void_p),
        ("last_bias", ctypes.c_float),
    )


class WinogradEngine:
    """Runs on `threads` threads of the CPU, whose number does not change a bit.

    `precision` is what it came to. A batch is computed one FOV after the other. Raises InputError where the
    CPU or the network is not such as it takes, or where it was not compiled.
    """

    name = "winograd"

    def __init__(self, model: Artifact, network: Network, precision: str, threads: int) -> None:
        self.precision, self._library = _choose(libraries(network), network, precision)
        weights = read_weights(model.path, network)
        # The C code only has their addresses.
        self._arrays = _prepared(weights, network, self.precision)
        addresses = {name: array.ctypes.data for name, array in self._arrays.items()}
        last_bias = float(weights["conv_lom/bias"][0])
        fov = (ctypes.c_int * 3)(*network.fov)
        self._network = _Network(fov, network.depth, network.features, **addresses, last_bias=last_bias)
        activations = self._library.ffn_activations_bytes(ctypes.byref(self._network))
        self._threads = threads
        self._memory = [_aligned(activations), _aligned(activations)]
        self._memory.append(_aligned(self._library.ffn_scratch_bytes() * threads))

    def predict(self, fovs: np.ndarray) -> np.ndarray:
        """See Engine."""
        # of any other shape the C code would read what is not there
        fovs = np.ascontiguousarray(fovs, np.float32).reshape(-1, *self._network.fov, 2)
        update = np.empty((*fovs.shape[:-1], 1), np.float32)
        memory = [array.ctypes.data for array in self._memory]
        for fov, to in zip(fovs, update):
            self._library.ffn_update(
                ctypes.byref(self._network), fov.ctypes.data, to.ctypes.data, *memory, self._threads
            )
        return update


def libraries(network: Network) -> dict[str, ctypes.CDLL]:
    """The compiled code by the precisions in which this CPU can compute `network`; empty: not at all."""
    if network.features not in WIDTHS:
        return {}
    loaded = {name: _load(name) for name, needed in CPU_FEATURES.items() if needed <= cpu_flags()}
    return {name: library for name, library in loaded.items() if library}


@lru_cache
def cpu_flags() -> frozenset[str]:
    """The features of this CPU as Linux names them; none on other systems."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return frozenset()
    return frozenset(next((line.split(":")[1] for line in lines if line.startswith("flags")), "").split())


def _choose(available: dict[str, ctypes.CDLL], network: Network, wanted: str) -> tuple[str, ctypes.CDLL]:
    if not available:
        raise InputError(
            "inference.engine is 'winograd', which needs a CPU with AVX-512, a C compiler when it is set up "
            f"and a network of {WIDTHS[0]} or {WIDTHS[1]} features (network.features is {network.features})"
        )
    precision = wanted if wanted in available else next(iter(available))
    if wanted not in (precision, "auto"):
        log.warning("this CPU does not compute in %s; the network runs in %s", wanted, precision)
    return precision, available[precision]


@lru_cache
def _load(precision: str) -> ctypes.CDLL | None:
    """What setup.py made of winograd.c; None where that failed, or where OpenMP's library is missing."""
    found = importlib.util.find_spec(f"pipeline.inference.engines._winograd_{precision}")
    if found is None:
        return None
    try:
        library = ctypes.CDLL(found.origin)
    except OSError as error:
        log.warning("%s; the network runs without it", error)
        return None
    pointer, size = ctypes.c_void_p, ctypes.c_size_t
    library.ffn_activations_bytes.argtypes, library.ffn_activations_bytes.restype = [pointer], size
    library.ffn_scratch_bytes.argtypes, library.ffn_scratch_bytes.restype = [], size
    library.ffn_update.argtypes, library.ffn_update.restype = [*[pointer] * 6, ctypes.c_int], None
    return library


def _prepared(weights: dict[str, np.ndarray], network: Network, precision: str) -> dict[str, np.ndarray]:
    """The weights as `struct network` wants them, by the names of its fields."""
    names = [f"conv{i}_{part}" for i in range(network.depth) for part in "ab"]
    kernels = np.stack([transformed(weights[f"{name}/kernel"]) for name in names[1:]])
    if precision == "bfloat16":
        # Two successive input features lie side by side.
        pairs = kernels.reshape(*kernels.shape[:2], -1, 2, network.features)
        kernels = pairs.swapaxes(-1, -2).astype(ml_dtypes.bfloat16)
    return {
        "first": _aligned_copy(weights["conv0_a/kernel"]),
        "kernels": _aligned_copy(kernels),
        "biases": _aligned_copy(np.stack([weights[f"{name}/bias"] for name in names])),
        "last": _aligned_copy(weights["conv_lom/kernel"]),
    }


def transformed(kernel: np.ndarray) -> np.ndarray:
    """A kernel (3, 3, 3, in, out) at the 125 points of the transform, (125, in, out) float32.

    The points are in the order in which they are used: z varies fastest, then x.
    """
    g = KERNEL_TRANSFORM
    points = np.einsum("ai,bj,ck,ijkmn->bcamn", g, g, g, kernel.astype(np.float64), optimize=True)
    return points.reshape(-1, *kernel.shape[3:]).astype(np.float32)


def _aligned(size: int) -> np.ndarray:
    """`size` bytes, all zero, at an address as the C code wants it."""
    memory = np.zeros(size + ALIGNMENT, np.uint8)
    offset = -memory.ctypes.data % ALIGNMENT
    return memory[offset : offset + size]


def _aligned_copy(array: np.ndarray) -> np.ndarray:
    copy = _aligned(array.nbytes).view(array.dtype).reshape(array.shape)
    copy[...] = array
    return copy
