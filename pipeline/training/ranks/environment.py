"""What a Python environment is good for, told from inside it.

`python -m pipeline.training.ranks.environment MODULE...` imports the modules and, as far as they are there,
Keras, TensorFlow and Horovod, and prints an Environment as its last line, in JSON.
"""

from __future__ import annotations

import importlib
import json
import os
import pkgutil
import platform
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from importlib.util import find_spec
from typing import Any

JAX_FOR_GPUS = ("jax_cuda", "jax_rocm")
"""How the names of its plug-ins begin."""


@dataclass(frozen=True)
class Environment:
    """A Python environment in which all that was asked for can be imported."""

    python: str
    versions: Mapping[str, str]
    """By name of the module; those that tell none are left out."""
    gpus_by: Sequence[str]
    """What TensorFlow was built with to use GPUs: CUDA, ROCm."""
    infers_by: Sequence[str]
    """Engines of inference that are installed for GPUs: torch, keras."""
    horovod: Sequence[str]
    """What Horovod was built with: gloo, mpi, nccl."""
    horovod_error: str | None
    """Why Horovod cannot be used with this TensorFlow, if it cannot."""
    lacks: Mapping[str, str] = field(default_factory=dict)
    """Why tensorflow or keras cannot be imported, by name, if one cannot."""

    @classmethod
    def parse(cls, text: str) -> Environment:
        """Read what the program printed; raises ValueError or TypeError when it is something else."""
        return cls(**json.loads(text))


def describe(modules: Sequence[str]) -> Environment:
    """The environment of this process. Raises what an import of `modules` raises."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    imported = {name: importlib.import_module(name) for name in modules}
    lacks = {name: _import(name, imported) for name in ("tensorflow", "keras")}
    gpus_by = {}
    if not lacks["tensorflow"]:
        test = imported["tensorflow"].test
        gpus_by = {"CUDA": test.is_built_with_cuda(), "ROCm": test.is_built_with_rocm()}
    with_tensorflow: dict[str, Any] = {}
    error = _import("horovod", imported) or _import("horovod.tensorflow", with_tensorflow)
    built = [] if error else _built(with_tensorflow["horovod.tensorflow"])
    return Environment(
        python=platform.python_version(),
        versions={n: m.__version__ for n, m in imported.items() if hasattr(m, "__version__")},
        gpus_by=[name for name, has in gpus_by.items() if has],
        infers_by=_engines(any(gpus_by.values())),
        horovod=built,
        horovod_error=error or None,
        lacks={name: why for name, why in lacks.items() if why},
    )


def _import(name: str, imported: dict[str, Any]) -> str:
    """Import a module, into `imported`; returns why it cannot be, if so."""
    try:
        imported[name] = importlib.import_module(name)
    except Exception as found:  # an ImportError, or whatever a library of another build ends in
        return f"{type(found).__name__}: {' '.join(str(found).split())}"
    return ""


def _engines(tensorflow_has_gpus: bool) -> list[str]:
    """The engines whose libraries were built for GPUs."""
    torch = find_spec("torch") and importlib.import_module("torch").version
    torch_has = {name: bool(getattr(torch, name, None)) for name in ("cuda", "hip", "xpu")}
    backends = {
        "tensorflow": tensorflow_has_gpus,
        "jax": any(name.startswith(JAX_FOR_GPUS) for _, name, _ in pkgutil.iter_modules()),
        "torch": any(torch_has.values()),
    }
    found = {
        "torch": torch_has["cuda"] or torch_has["hip"],
        "keras": backends.get(os.environ.get("KERAS_BACKEND", "tensorflow"), False),
    }
    return [name for name, has in found.items() if has]


def _built(horovod: Any) -> list[str]:
    parts = {"gloo": horovod.gloo_built(), "mpi": horovod.mpi_built(), "nccl": horovod.nccl_built()}
    return [name for name, has in parts.items() if has]


if __name__ == "__main__":
    print(json.dumps(asdict(describe(sys.argv[1:]))))
