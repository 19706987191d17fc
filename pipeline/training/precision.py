"""What computes the network of a training, and in which number format."""

from __future__ import annotations

from typing import Literal

import tensorflow as tf

from pipeline.config import Network, Training
from pipeline.ffn.winograd.compiled import library, required
from pipeline.machine.processor import cpu_flags
from pipeline.training.ranks.horovod_ranks import Ranks
from pipeline.training.ranks.job import TrainingJob

CPU_FLAGS = {"avx512_bf16", "amx_bf16"}
"""Either makes TensorFlow faster in bfloat16: with avx512_bf16, 13 ms instead of 21 a 17^3 FOV."""


def shared_policy(job: TrainingJob, ranks: Ranks) -> str:
    """The Keras dtype policy of all ranks: the checkpoint's or, where there is none, what rank 0 chooses."""
    found = job.checkpoint() if ranks.rank == 0 else None
    config = job.run.config
    chosen = (found and found.precision) or keras_policy(config.training, config.network)
    return ranks.gather(chosen)[0]


def keras_policy(training: Training, network: Network) -> Literal["float32", "mixed_bfloat16"]:
    """The Keras dtype policy; "auto" is mixed_bfloat16 where TensorFlow computes and gains from it."""
    if training.precision != "auto":
        return training.precision
    gains = _has_gpu() or bool(CPU_FLAGS & cpu_flags())
    return "mixed_bfloat16" if gains and not uses_winograd(training, network, "float32") else "float32"


def uses_winograd(training: Training, network: Network, policy: str) -> bool:
    """Whether the compiled code computes the network and its gradient here, and not TensorFlow.

    Raises InputError where that is asked for and cannot be.
    """
    if training.engine == "winograd":
        required(network, "training.engine")
    if training.engine == "auto":
        return policy == "float32" and library(network) is not None and not _has_gpu()
    return training.engine == "winograd"


def _has_gpu() -> bool:
    return bool(tf.config.list_physical_devices("GPU"))
