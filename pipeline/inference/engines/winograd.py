"""The network on CPUs, by Winograd's minimal filtering: winograd.c with its weights prepared.

It takes up to 12.7 times fewer products than the convolutions by their definition. Updates differ from those
by 1e-5 (root mean square, in logits), where factors rounded to bfloat16 make 1e-2.
"""

from __future__ import annotations

import ctypes
import importlib.util
import logging
from functools import lru_cache
from pathlib import Path

import numpy as np

from pipeline.config import Network
from pipeline.errors import InputError
from pipeline.ffn.weights import read_weights
from pipeline.machine import processor
from pipeline.results.artifacts import Artifact, file_sha256

MODULE = "pipeline.inference.engines._winograd_"
"""With a name of INSTRUCTIONS behind it, what setup.py makes of winograd.c for these."""

INSTRUCTIONS = {"avx512": {"avx512f"}, "avx2": {"avx2", "fma"}, "neon": {"asimd"}}
"""The best first: what of a CPU they are, as Linux names it. All of them give the same bits."""

FEATURES = range(8, 65)
"""Of the networks that it computes."""

POINTS = (1 / 4, 11 / 16, 9 / 4, 9 / 8)
"""Those of Cook and Toom beside their negatives and infinity; a short tile does without the last.

Rounding does about the least harm at these, as searched with the published network; at 1/4, 5/8, 1, 3/2 and
their negatives it does twice as much.
"""

ALIGNMENT = 64

log = logging.getLogger(__name__)


class _Network(ctypes.Structure):
    """`struct network` of winograd.c."""

    _fields_ = (
        ("fov", ctypes.c_int * 3),
        ("depth", ctypes.c_int),
        ("features", ctypes.c_int),
        ("transforms", ctypes.c_void_p),
        ("first", ctypes.c_void_p),
        ("kernels", ctypes.c_void_p),
        ("biases", ctypes.c_void_p),
        ("last", ctypes.c_void_p),
        ("last_bias", ctypes.c_float),
    )


class WinogradEngine:
    """Runs in float32 on `threads` threads of the CPU, whose number does not change a bit.

    A batch is computed one FOV after the other. Raises InputError where the CPU or the network is not such as
    it takes, or where it was not compiled.
    """

    name = "winograd"
    precision = "float32"

    def __init__(self, model: Artifact, network: Network, precision: str, threads: int) -> None:
        self._library = required(network)
        if precision not in (self.precision, "auto"):
            log.warning("winograd does not compute in %s; the network runs in float32", precision)
        weights = read_weights(model.path, network)
        features = self._library.ffn_features(network.features)
        # The C code only has their addresses.
        self._arrays = _prepared(_widened(weights, features - network.features), network)
        addresses = {name: array.ctypes.data for name, array in self._arrays.items()}
        last_bias = float(weights["conv_lom/bias"][0])
        fov = (ctypes.c_int * 3)(*network.fov)
        self._network = _Network(fov, network.depth, features, **addresses, last_bias=last_bias)
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


def library(network: Network) -> ctypes.CDLL | None:
    """The compiled code; None where it is missing, or not for this CPU or for `network`."""
    name = instructions()
    return _load(name) if name and network.features in FEATURES else None


def cpu_instructions() -> list[str]:
    """Those of INSTRUCTIONS that this CPU has, the best first."""
    return [name for name, needed in INSTRUCTIONS.items() if needed <= processor.cpu_flags()]


def instructions() -> str | None:
    """The best of them for which the code was compiled; None without any."""
    return next((name for name in cpu_instructions() if _load(name)), None)


def library_sha256() -> str:
    """SHA-256 of the compiled code that runs here."""
    found = importlib.util.find_spec(f"{MODULE}{instructions()}")
    assert found is not None
    assert found.origin is not None
    return file_sha256(Path(found.origin))


def required(network: Network) -> ctypes.CDLL:
    """As `library`, where it must be there. Raises InputError."""
    found = library(network)
    if found is None:
        raise InputError(
            "inference.engine is 'winograd', which needs a CPU with AVX-512, AVX2 and FMA, or NEON, "
            f"a C compiler when it is set up and a network of {FEATURES[0]} to {FEATURES[-1]} features "
            f"(network.features is {network.features}); auto takes one that works here"
        )
    return found


@lru_cache
def _load(name: str) -> ctypes.CDLL | None:
    """What setup.py made of winograd.c for these instructions.

    None where that failed, or where OpenMP's library is missing.
    """
    found = importlib.util.find_spec(f"{MODULE}{name}")
    if found is None:
        return None
    try:
        library = ctypes.CDLL(found.origin)
    except OSError as error:
        log.warning("%s; the network runs without it", error)
        return None
    pointer, size = ctypes.c_void_p, ctypes.c_size_t
    library.ffn_features.argtypes, library.ffn_features.restype = [ctypes.c_int], ctypes.c_int
    library.ffn_activations_bytes.argtypes, library.ffn_activations_bytes.restype = [pointer], size
    library.ffn_scratch_bytes.argtypes, library.ffn_scratch_bytes.restype = [], size
    library.ffn_update.argtypes, library.ffn_update.restype = [*[pointer] * 6, ctypes.c_int], None
    return library


def _widened(weights: dict[str, np.ndarray], more: int) -> dict[str, np.ndarray]:
    """The weights of the same network with `more` features, which are zero everywhere."""

    def padding(name: str, ndim: int) -> list[tuple[int, int]]:
        ins = more if ndim > 1 and name != "conv0_a/kernel" else 0
        outs = more if not name.startswith("conv_lom/") else 0
        return [(0, 0)] * (ndim - 2) + [(0, ins), (0, outs)][-ndim:]

    return {name: np.pad(array, padding(name, array.ndim)) for name, array in weights.items()}


def _prepared(weights: dict[str, np.ndarray], network: Network) -> dict[str, np.ndarray]:
    """What `struct network` points to, by the names of its fields."""
    names = [f"conv{i}_{part}" for i in range(network.depth) for part in "ab"]
    return {
        "transforms": _aligned_copy(np.stack([transform(len(POINTS)), transform(len(POINTS) - 1)])),
        "first": _aligned_copy(weights["conv0_a/kernel"]),
        "kernels": _aligned_copy(np.stack([transformed(weights[f"{name}/kernel"]) for name in names[1:]])),
        "biases": _aligned_copy(np.stack([weights[f"{name}/bias"] for name in names])),
        "last": _aligned_copy(weights["conv_lom/kernel"]),
    }


def transform(pairs: int) -> np.ndarray:
    """`struct transform` of winograd.c for the first `pairs` of the points and their negatives, float32.

    Data at a point are weighed by the coefficients of the product of x - q over all other points q. What
    interpolation divides by, the product of p - q, is left to the outputs: so kernels need not know `pairs`.
    """
    points = np.zeros(len(POINTS))
    points[:pairs] = POINTS[:pairs]
    all_pairs, others = np.zeros(len(POINTS)), np.zeros((len(POINTS), len(POINTS)))
    back = np.zeros((2 * len(POINTS) - 1, len(POINTS)))
    squares = points[:pairs] ** 2
    all_pairs[:pairs] = np.poly(squares)[:0:-1]
    for pair, point in enumerate(points[:pairs]):
        of_others = np.delete(squares, pair)
        others[pair, : pairs - 1] = np.poly(of_others)[:0:-1]
        powers = point ** np.arange(2 * pairs - 1)
        back[: 2 * pairs - 1, pair] = powers / (2 * point * np.prod(point**2 - of_others))
    return np.concatenate([points, all_pairs, others.ravel(), back.ravel()]).astype(np.float32)


def transformed(kernel: np.ndarray) -> np.ndarray:
    """The values of a kernel (3, 3, 3, in, out) at the points, (729, in, out) float32.

    Infinity comes first, then each point and its negative. z varies fastest, then x: as they are used.
    """
    signed = np.array([sign * point for point in POINTS for sign in (1, -1)])
    values = np.vstack([[0, 0, 1], signed[:, np.newaxis] ** np.arange(3)])
    at_points = np.einsum("ai,bj,ck,ijkmn->bcamn", *[values] * 3, kernel.astype(np.float64), optimize=True)
    return at_points.reshape(-1, *kernel.shape[3:]).astype(np.float32)


def _aligned(size: int) -> np.ndarray:
    """`size` bytes, all zero, at an address as the C code wants it."""
    memory = np.zeros(size + ALIGNMENT, np.uint8)
    offset = -memory.ctypes.data % ALIGNMENT
    return memory[offset : offset + size]


def _aligned_copy(array: np.ndarray) -> np.ndarray:
    copy = _aligned(array.nbytes).view(array.dtype).reshape(array.shape)
    copy[...] = array
    return copy
