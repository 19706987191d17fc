"""The section `training` of a run file."""

from __future__ import annotations

import itertools
from typing import Annotated, Literal

from pydantic import Field, model_validator

from pipeline.settings.fields import (
    NUMBER,
    BoxField,
    NaturalInt,
    PositiveFinite,
    PositiveInt,
    PositiveTriple,
    Probability,
    Section,
)


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


class Training(Section):
    """Training by `ranks` Horovod processes until `fovs` fields of view were seen in all."""

    box: BoxField | None = None
    """Where the network learns; None: all that is labelled."""
    ranks: PositiveInt = 2
    """Processes that train together, each on examples of its own."""
    threads_per_rank: PositiveInt = 1
    """Threads of each."""
    batch_size: PositiveInt = 4
    """Examples of one step of one rank."""
    local_steps: PositiveInt = 1
    """Steps between two averagings. 1: the gradients of all ranks are averaged in every step. More: each rank
    learns by itself between them, and weights are averaged; ranks wait less for one that is late."""
    fovs: PositiveInt = 100_000
    """In all: a training that has ended goes on where this is raised later."""
    start_from: str | None = None
    """A trained network whose weights are the first ones, instead of random ones: our own .h5 file, such as
    another run's model/ffn.h5, or the prefix of a TF1 checkpoint."""
    learning_rate: PositiveFinite = 1e-3
    """Of Adam, at its full height, before `rate_scaling`."""
    rate_scaling: Literal["none", "linear", "sqrt"] = "sqrt"
    """By what the rate is multiplied: the number of ranks (linear), its root, or nothing."""
    warmup_fovs: NaturalInt = 0
    """Over the first so many fields of view the rate rises to its full height."""
    decay_fovs: NaturalInt = 0
    """Over the last so many fields of view the rate falls to 0, along half a cosine."""
    fov_moves: Literal["fixed", "max_pred_moves"] = "fixed"
    """Where the FOV goes in an example: to the six faces around its centre, or as it goes in inference."""
    moves_reach: PositiveInt = 1
    """How many deltas the FOV may go from an example's centre, along each axis; beyond 1 it needs
    max_pred_moves. Inference sees the same voxels tens of times: a network that met its own POM a few
    times only spoils it there, and floods leak."""
    examples_in_turn: PositiveInt = 8
    """Examples per place in the batch that take turns. Successive FOVs of one example look alike, and
    steps on them in a row teach little."""
    soft_label: Annotated[float, Field(gt=0.5, lt=1), NUMBER] = 0.95
    """The probability that the network is to give inside an object; outside it is 1 less this."""
    precision: Literal["auto", "float32", "mixed_bfloat16"] = "auto"
    """auto is mixed_bfloat16 where the CPU of rank 0, or a GPU, gains from it; all ranks have the same, and a
    training that goes on keeps it."""
    report_every_steps: PositiveInt = 50
    """Steps between two lines of logs/training.jsonl."""
    checkpoint_every_steps: PositiveInt = 500
    """Steps between two checkpoints, at most what is lost when a rank is. New examples are begun at each, so
    the weights depend on it."""
    sampling: Sampling = Sampling()

    @model_validator(mode="after")
    def _moves_can_reach(self) -> Training:
        if self.moves_reach > 1 and self.fov_moves == "fixed":
            raise ValueError(f"moves_reach is {self.moves_reach}; with fov_moves fixed it can only be 1")
        return self

    @model_validator(mode="after")
    def _every_rank_has_work(self) -> Training:
        coordinates = self.sampling.coordinates
        if self.ranks > coordinates:
            raise ValueError(
                f"ranks is {self.ranks}, more than sampling.coordinates, {coordinates}: some would have none"
            )
        if self.warmup_fovs > self.fovs:
            raise ValueError(
                f"warmup_fovs is {self.warmup_fovs}, more than fovs, {self.fovs}: the rate is never reached"
            )
        return self
