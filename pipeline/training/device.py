"""On what a rank computes: never on a CPU where a GPU was promised."""

from __future__ import annotations

import socket

import tensorflow as tf

from pipeline.config import Site
from pipeline.errors import InputError
from pipeline.machine import gpus

KINDS = ("GPU", "XPU")
"""TensorFlow's names for them; the second is that of Intel's extension."""


def require_gpu(site: Site) -> None:
    """Raise InputError, which names this host, where the site promises a GPU and TensorFlow finds none."""
    if not site.gpus_per_node or site.train_on_cpus:
        return
    if any(tf.config.list_physical_devices(kind) for kind in KINDS):
        return
    built = {"CUDA": tf.test.is_built_with_cuda(), "ROCm": tf.test.is_built_with_rocm()}
    uses = " and ".join(name for name, has in built.items() if has) or "neither CUDA nor ROCm"
    raise InputError(
        f"a rank on {socket.gethostname()} finds no GPU: site {site.name} has {site.gpus_per_node} a node "
        f"(site.gpus_per_node), drivers show {gpus.usable() or 'none'}, and TensorFlow {tf.__version__} is "
        f"built with {uses}; install one that fits (docs/sites.md), or set site.train_on_cpus=true"
    )
