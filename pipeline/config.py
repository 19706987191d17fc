"""RunConfig: the one validated document that describes a run.

Each section below is one part of the YAML file; its defaults are the only ones there are.
Unknown keys are refused, and the error names the nearest key that exists.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from pipeline.geometry import Triple
from pipeline.settings.fields import BoxField, NaturalTriple, PositiveTriple, Probability, Section

Preset = Literal["best", "balanced", "fast"]
Precision = Literal["auto", "float32", "bfloat16"]


class Phantom(Section):
    """A synthetic EM volume with exact ground truth, made by the run itself."""

    shape: PositiveTriple = (128, 128, 288)
    seed: int = 7
    spacing: Annotated[float, Field(ge=8)] = 22.0
    """Mean distance between the axes of neighbouring processes, in voxels; radii are about half of it."""
    voxel_size_nm: tuple[PositiveFloat, PositiveFloat, PositiveFloat] = (10.0, 10.0, 10.0)


class Data(Section):
    """The volumes. `phantom` as a path stands for the volume that the phantom section describes.

    Paths are `file.h5:dataset`, `precomputed://...`, `zarr://...` or a folder of PNG or TIFF slices;
    relative ones are looked up in `folder`. `folder` may list candidates, `${VARIABLES}` allowed;
    the first that exists is used.
    """

    folder: str | list[str] | None = None
    image: str = "phantom"
    labels: str | None = None
    labels_box: BoxField | None = None
    """The part of the image that the labels cover, if not all of it; their shape must be this box's."""
    voxel_size_nm: tuple[PositiveFloat, PositiveFloat, PositiveFloat] | None = None
    image_mean: float | None = None
    image_stddev: PositiveFloat | None = None
    mip: Annotated[int, Field(ge=0)] = 0
    channel: int | None = None
    axes: str | None = None
    origin: tuple[int, int, int] | None = None
    labels_mip: int | None = None
    labels_channel: int | None = None
    labels_axes: str | None = None
    ignore_labels: tuple[int, ...] = ()
    max_missing: float | None = None
    mask: str | None = None
    tissue_range: tuple[float, float] | None = None
    replace_sections: dict[int, int] = {}
    phantom: Phantom = Phantom()


class Network(Section):
    """Sizes of the flood-filling network (Januszewski et al. 2018); the defaults are the published ones."""

    fov: PositiveTriple = (33, 33, 33)
    deltas: PositiveTriple = (8, 8, 8)
    depth: Annotated[int, Field(ge=1)] = 12
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


class Sampling(Section):
    """How training coordinates are drawn (Januszewski et al. 2018, supplement).

    Every voxel's fraction of same-label voxels within `radius` is quantised by `thresholds`, and
    every class that occurs is drawn equally often.
    """

    radius: PositiveTriple = (24, 24, 24)
    thresholds: tuple[Probability, ...] = (
        0.025, 0.05, 0.075, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9,
    )  # fmt: skip
    min_segment_voxels: PositiveInt = 10_000
    boundary_distance: Annotated[int, Field(ge=0)] = 0
    """Voxels that a coordinate keeps from other segments, along every axis. Where the labels fill the
    membranes too, 1 keeps examples off their middle, where inference never seeds. More leaves out what
    floods come to beside membranes, and they leak: on the phantom 3 gave a filled ARE of 0.59, 1 of 0.18."""
    coordinates: PositiveInt = 20_000


class Training(Section):
    """Training by `ranks` Horovod processes until `fovs` fields of view were seen in all."""

    box: BoxField | None = None
    ranks: PositiveInt = 2
    threads_per_rank: PositiveInt = 1
    batch_size: PositiveInt = 4
    fovs: PositiveInt = 100_000
    learning_rate: PositiveFloat = 1e-3
    rate_scaling: Literal["none", "linear", "sqrt"] = "sqrt"
    warmup_fovs: Annotated[int, Field(ge=0)] = 0
    decay_fovs: Annotated[int, Field(ge=0)] = 0
    fov_moves: Literal["fixed", "max_pred_moves"] = "fixed"
    """Where the FOV goes in an example: to the six faces around its centre, or as it goes in inference."""
    moves_reach: PositiveInt = 1
    """How many deltas the FOV may go from an example's centre, along each axis; beyond 1 it needs
    max_pred_moves. Inference sees the same voxels tens of times: a network that met its own POM a few
    times only spoils it there, and floods leak."""
    examples_in_turn: PositiveInt = 8
    """Examples per place in the batch that take turns. Successive FOVs of one example look alike, and
    steps on them in a row teach little."""
    soft_label: Probability = 0.95
    precision: Literal["auto", "float32", "mixed_bfloat16"] = "auto"
    report_every_steps: PositiveInt = 50
    checkpoint_every_steps: PositiveInt = 500
    sampling: Sampling = Sampling()

    @model_validator(mode="after")
    def _moves_can_reach(self) -> Training:
        if self.moves_reach > 1 and self.fov_moves == "fixed":
            raise ValueError(f"moves_reach is {self.moves_reach}; with fov_moves fixed it can only be 1")
        return self


class Inference(Section):
    """Segmenting by flood filling, tile by tile. Probabilities are those of the POM."""

    box: BoxField | None = None
    tile: PositiveTriple = (256, 256, 256)
    overlap: NaturalTriple = (48, 48, 48)
    preset: Preset | None = None
    """Chooses `deltas` and `precision` where they are left open, as pipeline/settings/presets.py says."""
    deltas: PositiveTriple | None = None
    """Step of the FOV; None: as in training. Larger ones make fewer calls and lose little, up to a point."""
    reflect: bool = True
    """Mirror the image by half a FOV at the outer faces of `box` where the volume ends there."""
    move_threshold: Probability = 0.9
    segment_threshold: Probability = 0.6
    pad_probability: Probability = 0.05
    seed_probability: Probability = 0.95
    min_segment_voxels: PositiveInt = 1000
    min_boundary_dist: NaturalTriple = (1, 1, 1)
    engine: Literal["auto", "winograd", "openvino", "keras"] = "auto"
    """What runs the network. keras uses the backend that the environment variable KERAS_BACKEND names,
    TensorFlow by default; winograd is for CPUs with AVX-512 and networks of 16 or 32 features. auto is keras
    where that finds a GPU, openvino where the CPU has AMX, else winograd, else openvino. A run's summary says
    which."""
    precision: Precision = "auto"
    """winograd is always in float32. auto is float32 with keras too; with openvino it is bfloat16 where the
    CPU computes in it, which is faster, but now and then merges neurons. Where a worker does not have the
    precision that is asked for it takes auto, and a run's summary says so."""
    batch: PositiveInt = 1
    """FOVs in one network call. More than 1 is for GPUs: the workers on one then share its network, and each
    batch has FOVs of several tiles. Best is to have twice as many workers on a GPU: half of them prepare
    FOVs while it computes those of the others. Whose FOVs meet makes no difference to what comes out."""
    checkpoint_every_s: PositiveFloat = 60.0
    """How often a tile's state is saved: about what is lost when its process is killed. The result is the
    same whatever it is. The object in hand is flooded anew, however long it takes."""

    @model_validator(mode="after")
    def _seeds_may_start(self) -> Inference:
        if self.seed_probability < self.move_threshold:
            raise ValueError(
                f"seed_probability {self.seed_probability} is below move_threshold {self.move_threshold}: "
                "no object would be started"
            )
        return self


class Reconciliation(Section):
    """When two segments of overlapping tiles are one object, and how the volume is stored."""

    min_overlap_voxels: PositiveInt = 100
    """Voxels that two segments must share at least."""
    min_overlap_fraction: Probability = 0.5
    """What part of the smaller segment's voxels in the overlap that must be; blank voxels do not count."""
    min_larger_fraction: Probability = 0.3
    """What part of the larger's; lower values mend more false splits and spread more false mergers."""
    chunk: PositiveTriple = (64, 64, 64)
    block: PositiveTriple = (256, 256, 256)
    """Voxels that one writing task covers; a multiple of `chunk`."""

    @model_validator(mode="after")
    def _blocks_hold_whole_chunks(self) -> Reconciliation:
        if any(b % c for b, c in zip(self.block, self.chunk)):
            raise ValueError(f"block {list(self.block)} must be a multiple of chunk {list(self.chunk)}")
        return self


class Evaluation(Section):
    """Scores against the labels, inside `box` (default: all of the inference box that is labelled)."""

    box: BoxField | None = None


class Site(Section):
    """The machine. `name` is a module of site_configs/, which has defaults of its own for some of these;
    `--site` sets it too."""

    name: str = "local"
    workers: PositiveInt = 2
    """Tiles at a time on one node, each segmented by a process with `threads_per_worker` threads."""
    threads_per_worker: PositiveInt = 1
    walltime_s: PositiveInt | None = None
    """How long a block of workers may live; then it is ended and, if there is work left, replaced. None: as
    long as the run, where the machine sets no limit."""
    tile_time_s: PositiveInt = 600
    """How long a tile takes, about: a block with less time left starts no other."""
    account: str | None = None
    """The project that a batch system charges; else the environment variable FFN_ACCOUNT."""
    queue: str | None = None
    """The batch system's queue, partition or QOS; else the environment variable FFN_QUEUE."""
    filesystems: str | None = None
    """Under PBS at ALCF, the file systems that jobs need, such as home:eagle; else FFN_FILESYSTEMS."""
    reservation: str | None = None
    tile_nodes: PositiveInt = 1
    """Nodes of a job that segments tiles; each has `workers` workers."""
    ranks_per_node: PositiveInt | None = None
    """Training ranks on one node; None: one a GPU, where the site knows how many there are. A training
    job takes as many nodes as that makes of `training.ranks`."""
    worker_init: str = ""
    """Shell commands at the start of every job, such as `module load ...`."""
    scheduler_options: tuple[str, ...] = ()
    """More options of the batch system, one an item, as they stand on its command line: `--mail-type=END`."""
    interface: str | None = None
    """The network interface on which nodes reach each other and the driver; None: that of the host names."""
    poll_s: PositiveInt = 30
    """After how many seconds a batch system is asked again what became of the jobs."""
    idle_s: PositiveInt = 30
    """After how many seconds without work a job is given back. Nodes cost; the next job may queue."""


class RunConfig(Section):
    """Everything that decides what a run computes and where."""

    seed: int = 1
    data: Data = Data()
    network: Network = Network()
    training: Training = Training()
    inference: Inference = Inference()
    reconciliation: Reconciliation = Reconciliation()
    evaluation: Evaluation = Evaluation()
    site: Site = Site()

    @model_validator(mode="after")
    def _tiles_fit(self) -> RunConfig:
        tile, overlap, fov = self.inference.tile, self.inference.overlap, self.network.fov
        for axis, t, o, f in zip("zyx", tile, overlap, fov):
            if t < f:
                raise ValueError(f"inference.tile is {t} along {axis}, smaller than the network.fov of {f}")
            if o >= t:
                raise ValueError(
                    f"inference.overlap is {o} along {axis}; it must be less than the inference.tile of {t}"
                )
        return self

    @property
    def trains(self) -> bool:
        """Whether the run trains its network, rather than using a checkpoint."""
        return self.network.checkpoint is None

    @property
    def inference_deltas(self) -> Triple:
        """Step of the FOV in inference, in voxels."""
        return self.inference.deltas or self.network.deltas
