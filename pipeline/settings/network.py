"""The section `network` of a run file: the sizes of the flood-filling network."""

from __future__ import annotations

from typing import Any, Literal

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
    normalisation: Literal["none", "layer"] = "none"
    """layer: the features of each voxel are brought to mean 0 and standard deviation 1 before every residual
    module and the last layer, then scaled and shifted as is learned. The compiled code does not compute such
    networks: TensorFlow trains them, and another engine than winograd segments, both more slowly."""
    checkpoint: str | None = None
    """A trained network to use instead of training: our own .h5 file or the prefix of a TF1 checkpoint."""

    @property
    def sizes(self) -> dict[str, Any]:
        """What of these settings decides results, beside the weights; a younger one only where it is used, so
        that what is finished stays."""
        unused = {"normalisation"} if self.normalisation == "none" else set()
        return self.model_dump(mode="json", exclude={"checkpoint", *unused})

    @model_validator(mode="after")
    def _sizes_fit(self) -> Network:
        if any(f % 2 == 0 for f in self.fov):
            raise ValueError(f"fov {list(self.fov)} must be odd along every axis, to have a centre voxel")
        if any(d > f // 2 for d, f in zip(self.deltas, self.fov)):
            raise ValueError(f"deltas {list(self.deltas)} must be at most half the fov {list(self.fov)}")
        return self
