"""The learning rate over a training: scaled with the ranks, warmed up, decayed.

Scaling rules as studied by Dong et al., "Scaling Distributed Training of Flood-Filling Networks
on HPC Infrastructure for Brain Mapping" (arXiv 1905.06236).
"""

from __future__ import annotations

import math

from pipeline.config import Training


def target_rate(training: Training) -> float:
    """The rate after warm-up: base x ranks ('linear'), base x sqrt(ranks) ('sqrt') or base ('none')."""
    factor = {"none": 1.0, "linear": float(training.ranks), "sqrt": math.sqrt(training.ranks)}
    return training.learning_rate * factor[training.rate_scaling]


def learning_rate(training: Training, fovs_seen: int) -> float:
    """The rate of the step that follows after `fovs_seen` FOVs over all ranks.

    It rises linearly to the target over the first `warmup_fovs`, and falls to 0 along half a
    cosine over the last `decay_fovs` (or what the warm-up leaves of `fovs`).
    """
    rate = target_rate(training)
    if fovs_seen < training.warmup_fovs:
        step = training.ranks * training.batch_size
        return rate * min(1.0, (fovs_seen + step) / training.warmup_fovs)
    decay_start = max(training.warmup_fovs, training.fovs - training.decay_fovs)
    decay = min(training.decay_fovs, training.fovs - decay_start)
    if fovs_seen <= decay_start or decay <= 0:
        return rate
    progress = min(1.0, (fovs_seen - decay_start) / decay)
    return rate * (1 + math.cos(math.pi * progress)) / 2
