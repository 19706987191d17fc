"""The compiled code of the network on CPUs: forward.c and backward.c, as setup.py makes them."""

from __future__ import annotations

import ctypes
import importlib.util
import logging
from functools import lru_cache
from pathlib import Path

from pipeline.config import Network
from pipeline.errors import InputError
from pipeline.machine import processor
from pipeline.results.artifacts import file_sha256

MODULE = "pipeline.ffn.winograd._winograd_"
"""With a name of INSTRUCTIONS behind it, what setup.py makes of the C code for these."""

INSTRUCTIONS = {"avx512": {"avx512f"}, "avx2": {"avx2", "fma"}, "neon": {"asimd"}}
"""The best first: what of a CPU they are, as Linux names it. All of them give the same bits."""

FEATURES = range(1, 65)
"""Of the networks that it computes; fewer than 8 take the time of 8, which is less than others take."""

log = logging.getLogger(__name__)

_POINTER, _SIZE, _INT = ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int
_FUNCTIONS: dict[str, tuple[list[type], type | None]] = {
    "ffn_features": ([_INT], _INT),
    "ffn_activations_bytes": ([_POINTER], _SIZE),
    "ffn_scratch_bytes": ([], _SIZE),
    "ffn_update": ([*[_POINTER] * 6, _INT], None),
    "ffn_weights": ([_POINTER], _SIZE),
    "ffn_training_scratch_bytes": ([_POINTER], _SIZE),
    "ffn_parts_bytes": ([_POINTER], _SIZE),
    "ffn_evaluate_kernels": ([*[_POINTER] * 5, _INT], None),
    "ffn_forward": ([*[_POINTER] * 5, _INT], None),
    "ffn_backward": ([*[_POINTER] * 9, _INT], None),
}
"""What is called: the types of its arguments and of what it returns."""


class NetworkStruct(ctypes.Structure):
    """`struct network` of winograd.h."""

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


def library(network: Network) -> ctypes.CDLL | None:
    """The compiled code; None where it is missing, or not for this CPU or for `network`."""
    name = instructions()
    return _load(name) if name and is_for(network) else None


def is_for(network: Network) -> bool:
    """Whether the compiled code computes networks like this one."""
    return network.features in FEATURES and network.normalisation == "none"


def cpu_instructions() -> list[str]:
    """Those of INSTRUCTIONS that this CPU has, the best first."""
    return [name for name, needed in INSTRUCTIONS.items() if needed <= processor.cpu_flags()]


def instructions() -> str | None:
    """The best of those of this CPU for which the code was compiled; None without any."""
    return next((name for name in cpu_instructions() if _load(name)), None)


def library_sha256() -> str:
    """SHA-256 of the compiled code that runs here."""
    found = importlib.util.find_spec(f"{MODULE}{instructions()}")
    assert found is not None
    assert found.origin is not None
    return file_sha256(Path(found.origin))


def required(network: Network, setting: str) -> ctypes.CDLL:
    """As `library`, where it must be there because `setting` asks for it. Raises InputError."""
    found = library(network)
    if found is None:
        raise InputError(
            f"{setting} is 'winograd', which needs a CPU with AVX-512, AVX2 and FMA, or NEON, "
            f"a C compiler when it is set up and a network of up to {FEATURES[-1]} features "
            f"(network.features is {network.features}) without network.normalisation (it is "
            f"{network.normalisation}); auto takes one that works here"
        )
    return found


@lru_cache
def _load(name: str) -> ctypes.CDLL | None:
    """What setup.py made for these instructions.

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
    for function, (arguments, result) in _FUNCTIONS.items():
        called = getattr(library, function)
        called.argtypes, called.restype = arguments, result
    return library
