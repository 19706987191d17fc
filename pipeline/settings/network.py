"""The section `network` of a run file: the sizes of the flood-filling network."""

from __future__ import annotations

from pydantic import model_validator

from pipeline.settings.fields import PositiveInt, PositiveTriple, Section


class Network(Section):
    """Sizes of the flood-filling network (Januszewski et al. 2018); the defaults are the published ones."""

    fov: PositiveTriple = (33, 33, 33)
    deltas: PositiveTriple = (8, 8, 8)
    depth: PositiveInt = 12
    features: PositiveInt = 32
    checkpoint: str | None = None
    """A trained network to use instead of training: our own .h5 file or the prefix of a TF1 checkpoint."""

    @model_validator(mode="after")
    def _sizes_fit(self) -> Network:
        if any(f % 2 == 0 for f in self.fov):
            raise ValueError(f"fov {list(self.fov)} must be odd along every axis, to have a centre voxel")
        if any(d > f // 2 for d, f in zip(self.deltas, self.fov)):
            raise ValueError(f"deltas {list(self.deltas)} must be at most half the fov {list(self.fov)}")
        return self
