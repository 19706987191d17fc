"""Which number format the convolutions of a training compute in: all of its ranks, from its first step on."""

from __future__ import annotations

from typing import Literal

import tensorflow as tf

from pipeline.machine.processor import cpu_flags
from pipeline.training.ranks.horovod_ranks import Ranks
from pipeline.training.ranks.job import TrainingJob

CPU_FLAGS = {"avx512_bf16", "amx_bf16"}
"""Either makes bfloat16 convolutions the faster ones: with avx512_bf16, 13 ms instead of 21 a 17^3 FOV."""


def shared_policy(job: TrainingJob, ranks: Ranks) -> str:
    """The Keras dtype policy of all ranks: the checkpoint's or, where there is none, what rank 0 chooses."""
    found = job.checkpoint() if ranks.rank == 0 else None
    chosen = (found and found.precision) or keras_policy(job.run.config.training.precision)
    return ranks.gather(chosen)[0]


def keras_policy(precision: Literal["auto", "float32", "mixed_bfloat16"]) -> str:
    """The Keras dtype policy; "auto" is mixed_bfloat16 where the CPU or a GPU gains from it."""
    if precision != "auto":
        return precision
    gains = bool(tf.config.list_physical_devices("GPU")) or bool(CPU_FLAGS & cpu_flags())
    return "mixed_bfloat16" if gains else "float32"
