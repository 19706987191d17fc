"""What of a machine and its packages decides the bytes of a tile, beside the settings."""

from __future__ import annotations

import os
import platform
from collections import Counter
from collections.abc import Iterable, Mapping
from importlib import metadata

from pipeline.machine import processor

INSTRUCTIONS = ("avx2", "avx512f", "avx512_bf16", "amx_bf16")
"""Of a CPU, as Linux names them: libraries compute in other ways, and round otherwise, where it has them."""

SEEDING = ("numpy", "scipy", "scikit-image", "edt")

OF_TORCH = ("torch", "nvidia-cudnn-cu12", "nvidia-cudnn-cu13")

OF_BACKEND = {
    "tensorflow": ("tensorflow", "tensorflow-cpu", "tensorflow-rocm"),
    "jax": ("jax", "jaxlib"),
    "torch": OF_TORCH,
}
"""Packages of the backends of Keras, whatever name they were installed by."""


def environment_of(engine: str, precision: str) -> dict[str, str]:
    """What decides the bytes of tiles that this process makes: `engine`, `precision`, `cpu`, versions."""
    has = processor.cpu_flags()
    found = {
        "engine": engine,
        "precision": precision,
        "cpu": " ".join([platform.machine(), *(name for name in INSTRUCTIONS if name in has)]),
        **_versions(SEEDING),
    }
    if engine == "winograd":
        from pipeline.ffn.winograd.compiled import library_sha256

        found["winograd"] = library_sha256()[:12]
    elif engine == "openvino":
        found |= _versions(["openvino"])
    elif engine == "torch":
        found |= {**_versions(OF_TORCH), "gpu": ", ".join(processor.gpus()) or "none"}
    else:
        backend = os.environ.get("KERAS_BACKEND", "tensorflow")
        found |= {"KERAS_BACKEND": backend, **_versions(["keras", *OF_BACKEND.get(backend, ())])}
        found["gpu"] = ", ".join(processor.gpus()) or "none"
    return found


def mixture(environments: Iterable[Mapping[str, str]]) -> str | None:
    """In words, in which environments tiles were made, given that of each; None where all are the same."""
    kinds = Counter(tuple(sorted(environment.items())) for environment in environments)
    if len(kinds) < 2:
        return None
    first = next(iter(kinds))
    differs = {name for kind in kinds for name, _ in {*kind} ^ {*first}}
    said = []
    for kind, count in kinds.most_common():
        known = ", ".join(f"{name} {value}" for name, value in kind if name in differs)
        said.append(f"{count:,} with {known or 'none of these known'}")
    return f"tiles come from {len(kinds)} environments and may differ in bits: {'; '.join(said)}"


def _versions(packages: Iterable[str]) -> dict[str, str]:
    """The versions of those packages that are installed."""
    found = {}
    for name in packages:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found
