"""The section `inference` of a run file."""

from __future__ import annotations

from typing import Literal

from pydantic import model_validator

from pipeline.settings.fields import (
    BoxField,
    NaturalTriple,
    PositiveFinite,
    PositiveInt,
    PositiveTriple,
    Probability,
    Section,
)

Preset = Literal["best", "balanced", "fast"]
SeedOrder = Literal["forward", "reverse"]
Precision = Literal["auto", "float32", "tensorfloat32", "bfloat16", "float16"]


class Pass(Section):
    """One of several segmentations of every tile; what is left open is as `inference` says."""

    seed_order: SeedOrder | None = None
    deltas: PositiveTriple | None = None
    checkpoint: str | None = None
    """Another trained network of the same sizes, as network.checkpoint names one."""


class Inference(Section):
    """Segmenting by flood filling, tile by tile. Probabilities are those of the POM."""

    box: BoxField | None = None
    """What is segmented; None: the whole image."""
    tile: PositiveTriple = (256, 256, 256)
    """Voxels, z, y, x, that one worker segments at a time: about 65 bytes of its memory each."""
    overlap: NaturalTriple = (48, 48, 48)
    """Voxels, z, y, x, that neighbouring tiles share, by which their segments are joined."""
    preset: Preset | None = None
    """Chooses `deltas` and `precision` where they are left open, as pipeline/settings/presets.py says."""
    deltas: PositiveTriple | None = None
    """Step of the FOV; None: as in training. Larger ones make fewer calls and lose little, up to a point."""
    seed_order: SeedOrder = "forward"
    """In which seeds are tried: in ascending z, y, x, or the last first. Where objects leak into each other
    the first one takes all, so two orders are wrong in different places."""
    passes: tuple[Pass, ...] = ()
    """Two or more ways in which every tile is segmented, such as [{}, {seed_order: reverse}]; what they
    all have as one is one object, and pieces below min_segment_voxels are dropped. Each costs as many network
    calls as a segmentation alone. None: one segmentation, by the settings here."""
    reflect: bool = True
    """Mirror the image by half a FOV at the outer faces of `box` where the volume ends there."""
    move_threshold: Probability = 0.9
    """What is reached where the FOV may be centred next, and at the seed of whatever is an object. Where
    training has this, pad_probability or seed_probability set and inference has not, it is the same here."""
    segment_threshold: Probability = 0.6
    """What is reached by the voxels of an object."""
    pad_probability: Probability = 0.05
    """What the network is shown where it has not been."""
    seed_probability: Probability = 0.95
    """What the network is shown at a seed, at first."""
    min_segment_voxels: PositiveInt = 1000
    """What has fewer is no object."""
    min_boundary_dist: NaturalTriple = (1, 1, 1)
    """Voxels that a seed keeps from objects that are there, along every axis; at most half the FOV."""
    engine: Literal["auto", "winograd", "openvino", "torch", "keras"] = "auto"
    """What runs the network. torch is for GPUs, and is installed beside this program; keras uses the backend
    that the environment variable KERAS_BACKEND names, TensorFlow by default; winograd is for CPUs with
    AVX-512, AVX2 or NEON and networks of up to 64 features. auto is torch where that finds a GPU, else keras
    where that does, else winograd, else openvino, which is also taken where the CPU has AMX and precision is
    bfloat16. The first worker that segments pins it and the precision for the whole run; written out, they
    are the same settings."""
    precision: Precision = "auto"
    """auto is tensorfloat32 on GPUs that have it, else float32; winograd is always in float32. bfloat16 is
    faster, but now and then merges neurons. float16 rounds as finely as tensorfloat32 and is faster, but
    holds no number above 65504: a tile in which one arises ends with an error. Where the first worker does
    not have the precision that is asked for it takes auto, and a run's summary says so."""
    batch: PositiveInt = 1
    """FOVs in one network call. More than 1 is for GPUs: the workers on one then share its network, and each
    batch has FOVs of several tiles. Best is to have twice as many workers on a GPU: half of them prepare
    FOVs while it computes those of the others. Whose FOVs meet makes no difference to what comes out."""
    checkpoint_every_s: PositiveFinite = 60.0
    """How often the state of a tile, or of a block of decision points, is saved: about what is lost when its
    process is killed. The result is the same whatever it is. The object or point in hand is flooded anew."""

    @model_validator(mode="after")
    def _seeds_may_start(self) -> Inference:
        if self.seed_probability < self.move_threshold:
            raise ValueError(
                f"seed_probability {self.seed_probability} is below move_threshold {self.move_threshold}: "
                "no object would be started"
            )
        return self

    @model_validator(mode="after")
    def _passes_are_several(self) -> Inference:
        if len(self.passes) == 1:
            raise ValueError(
                "passes has one entry, and a consensus is of two or more: leave it out, or add one"
            )
        return self

    @model_validator(mode="after")
    def _pad_is_outside(self) -> Inference:
        for name, threshold in (("segment", self.segment_threshold), ("move", self.move_threshold)):
            if self.pad_probability >= threshold:
                raise ValueError(
                    f"pad_probability {self.pad_probability} must be below {name}_threshold {threshold}: "
                    "what the network has not seen would count as inside"
                )
        return self
