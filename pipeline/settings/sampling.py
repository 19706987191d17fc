"""The section `training.sampling` of a run file."""

from __future__ import annotations

import itertools

from pydantic import model_validator

from pipeline.settings.fields import NaturalInt, PositiveInt, PositiveTriple, Probability, Section


class Sampling(Section):
    """How training coordinates are drawn (Januszewski et al. 2018, supplement).

    Every voxel's fraction of same-label voxels within `radius` is quantised by `thresholds`, and
    every class that occurs is drawn equally often.
    """

    radius: PositiveTriple = (24, 24, 24)
    """Voxels, z, y, x, around a voxel in which same-label voxels are counted."""
    thresholds: tuple[Probability, ...] = (
        0.025, 0.05, 0.075, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9,
    )  # fmt: skip
    """Fractions that part one class from the next; none: there is one class."""
    min_segment_voxels: PositiveInt = 10_000
    """Objects that have fewer in the training box are not trained on."""
    boundary_distance: NaturalInt = 0
    """Voxels that a coordinate keeps from other segments, along every axis. Where the labels fill the
    membranes too, 1 keeps examples off their middle, where inference never seeds. More leaves out what
    floods come to beside membranes, and they leak: on the phantom 3 gave a filled ARE of 0.59, 1 of 0.18."""
    coordinates: PositiveInt = 20_000
    """How many are drawn, for all ranks together."""

    @model_validator(mode="after")
    def _ascends(self) -> Sampling:
        if any(a >= b for a, b in itertools.pairwise(self.thresholds)):
            raise ValueError(f"thresholds {list(self.thresholds)} must ascend")
        return self
