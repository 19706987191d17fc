"""Presets: named answers to "how fast, and how good?" for inference."""

from __future__ import annotations

from typing import Literal

from pipeline.geometry import Triple, triple

Preset = Literal["best", "balanced", "fast"]

DELTA_SCALES: dict[Preset, float] = {"best": 1.0, "balanced": 1.25, "fast": 1.5}
"""By preset, the step of the FOV in inference as a multiple of the one that the network was trained with.

For the published network deltas of 8, 10 and 12. Nothing else was found to trade quality for speed well: a
FOV larger than in training ruins the segmentation, and bfloat16, which is as good, is used wherever a CPU
computes in it. Figures are in the README, "Benchmarks: inference".
"""


def preset_deltas(preset: Preset, deltas: Triple, fov: Triple) -> Triple:
    """The step of the FOV that a preset means for a network trained with `deltas`: at most half the FOV."""
    scale = DELTA_SCALES[preset]
    return triple([max(d, min(int(d * scale), f // 2)) for d, f in zip(deltas, fov)])
