"""The section `network` of a run file: the sizes of the flood-filling network."""

from __future__ import annotations

from pydantic import model_validator

from pipeline.settings.fields import PositiveInt, PositiveTriple, Section


class Network(Section):
    """Sizes of the flood-filling network (Januszewski et al. 2018); the defaults are the published ones."""

    fov: PositiveTriple = (33, 33, 33)
    """The field of view in voxels, z, y, x: what the network sees at once; odd along every axis."""
    deltas: PositiveTriple = (8, 8, 8)
    """How far the field of view moves at a time, z, y, x; at most half of it."""
    depth: PositiveInt = 12
    """Pairs of convolutions, one after another. Time and what can be learned grow with it."""
    features: PositiveInt = 32
    """Channels between convolutions. Time grows with its square."""
    checkpoint: str | None = None
    """A trained network to use instead of training: our own .h5 file or the prefix of a TF1 checkpoint."""

    @model_validator(mode="after")
    def _sizes_fit(self) -> Network:
        if any(f % 2 == 0 for f in self.fov):
            raise ValueError(f"fov {list(self.fov)} must be odd along every axis, to have a centre voxel")
        if any(d > f // 2 for d, f in zip(self.deltas, self.fov)):
            raise ValueError(f"deltas {list(self.deltas)} must be at most half the fov {list(self.fov)}")
        return self
