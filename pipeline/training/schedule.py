"""The learning rate over a training: scaled with the ranks, warmed up, in cycles, decayed.

Scaling rules as studied by Dong et al., "Scaling Distributed Training of Flood-Filling Networks
on HPC Infrastructure for Brain Mapping" (arXiv 1905.06236).
"""

from __future__ import annotations

import math

from pipeline.config import Training

CYCLE_LOW = 0.1
"""Part of its full height to which the rate falls in a cycle."""


def target_rate(training: Training) -> float:
    """The rate after warm-up: base x ranks ('linear'), base x sqrt(ranks) ('sqrt') or base ('none')."""
    factor = {"none": 1.0, "linear": float(training.ranks), "sqrt": math.sqrt(training.ranks)}
    return training.learning_rate * factor[training.rate_scaling]


def learning_rate(training: Training, fovs_seen: int) -> float:
    """The rate of the step that follows after `fovs_seen` FOVs over all ranks.

    It rises linearly to the target over the first `warmup_fovs`, and falls to 0 along half a
    cosine over the last `decay_fovs` (or what the warm-up leaves of `fovs`, as with schedule cosine). Cycles
    (Smith, "Cyclical learning rates", WACV 2017) go down and up in straight lines.
    """
    rate = target_rate(training)
    if fovs_seen < training.warmup_fovs:
        step = training.ranks * training.batch_size
        return rate * min(1.0, (fovs_seen + step) / training.warmup_fovs)
    rate *= _of_cycle(training, fovs_seen - training.warmup_fovs)
    decay_fovs = training.fovs if training.schedule == "cosine" else training.decay_fovs
    decay_start = max(training.warmup_fovs, training.fovs - decay_fovs)
    decay = min(decay_fovs, training.fovs - decay_start)
    if fovs_seen <= decay_start or decay <= 0:
        return rate
    progress = min(1.0, (fovs_seen - decay_start) / decay)
    return rate * (1 + math.cos(math.pi * progress)) / 2


def _of_cycle(training: Training, fovs: int) -> float:
    """Part of the full height so many FOVs after the warm-up."""
    if training.cycle_fovs is None:
        return 1.0
    into = fovs % training.cycle_fovs / training.cycle_fovs
    return CYCLE_LOW + (1 - CYCLE_LOW) * abs(1 - 2 * into)
