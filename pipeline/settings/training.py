"""The section `training` of a run file."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate, pairwise
from typing import Annotated, Literal

from pydantic import Field, model_validator

from pipeline.ffn.flood_rules import MOVE_THRESHOLD, PAD_PROBABILITY, SEED_PROBABILITY, FloodRules
from pipeline.settings.augmentation import Augmentation
from pipeline.settings.fields import (
    NUMBER,
    BoxField,
    NaturalInt,
    PositiveFinite,
    PositiveInt,
    Probability,
    Section,
)
from pipeline.settings.other_volume import OtherVolume
from pipeline.settings.sampling import Sampling
from pipeline.settings.training_rules import contradictions

Momentum = Annotated[float, Field(ge=0, lt=1), NUMBER]


class Training(Section):
    """Training by `ranks` Horovod processes until `fovs` fields of view were seen in all."""

    box: BoxField | None = None
    """Where the network learns; None: all that is labelled."""
    weight: PositiveFinite = 1.0
    """Of the run's own volume among `volumes`: the coordinates are shared among them by their weights."""
    volumes: tuple[OtherVolume, ...] = ()
    """Others on which the network is trained too, each with `data` like the run's own section, a `box` and a
    `weight`; their voxels should be as large."""
    cache_gib: PositiveFinite = 4.0
    """Memory, in GiB, in which each rank keeps what it reads of the volumes. Boxes that go into it together
    are read at the start; else blocks of 64 voxels a side, or of whole chunks, are read when an example
    needs them, which takes longer where they are not stored in chunks, and the weights differ in their last
    bits."""
    ranks: PositiveInt = 2
    """Processes that train together, each on examples of its own."""
    threads_per_rank: PositiveInt = 1
    """Threads of each. On some CPUs TensorFlow (`engine: keras`) rounds otherwise with another number."""
    batch_size: PositiveInt = 4
    """Examples of one step of one rank."""
    local_steps: PositiveInt = 1
    """Steps between two averagings. 1: the gradients of all ranks are averaged in every step. More: each rank
    learns by itself between them, and weights are averaged; ranks wait less for one that is late."""
    shares: Literal["even", "measured"] = "even"
    """How the FOVs of a step are divided among the ranks. even: batch_size each. measured: a rank that
    needed longer for its FOVs since the last line of the log has fewer of the steps that follow, others
    more, and the gradient is still the mean over all FOVs of a step. That depends on time: with more than
    one rank two trainings by one seed then end in different weights."""
    fovs: PositiveInt = 100_000
    """In all: a training that has ended goes on where this is raised later."""
    start_from: str | None = None
    """A trained network whose weights are the first ones, instead of random ones: our own .h5 file, such as
    another run's model/ffn.h5, or the prefix of a TF1 checkpoint."""
    optimizer: Literal["adam", "adamw", "sgd", "lamb"] = "adam"
    """Keras's. sgd has momentum; lamb is made for very large batches over all ranks."""
    momentum: Momentum | None = None
    """Of sgd, which needs it; 0 is plain gradient descent."""
    weight_decay: PositiveFinite | None = None
    """Of adamw and lamb, apart from the gradient; None: 0.004 with adamw, none with lamb."""
    clip_value: PositiveFinite | None = 0.7
    """What entries of the gradient are cut off at: floods of the first steps can end in huge logits."""
    clip_norm: PositiveFinite | None = None
    """What the length of the whole gradient is brought down to, after `clip_value`."""
    ema: Probability | None = None
    """What is published is the exponential average of the weights over all steps, in which the ones before a
    step count so much, such as 0.999; None: the last weights, whose scores the log has in any case. Random
    weights of the beginning may count 1% in the end, so 0.999 needs 4,600 steps."""
    learning_rate: PositiveFinite = 1e-3
    """Of the optimizer, at its full height, before `rate_scaling`."""
    rate_scaling: Literal["none", "linear", "sqrt"] = "sqrt"
    """By what the rate is multiplied: the number of ranks (linear), its root, or nothing."""
    schedule: Literal["constant", "cosine", "cyclic"] = "constant"
    """Of the rate after the warm-up: at its full height until `decay_fovs` before the end; falling to 0 along
    half a cosine over all that follows; or falling to a tenth and rising again every `cycle_fovs`, until
    `decay_fovs` before the end."""
    cycle_fovs: PositiveInt | None = None
    """Fields of view of one cycle, of schedule cyclic, which needs it."""
    warmup_fovs: NaturalInt = 0
    """Over the first so many fields of view the rate rises to its full height."""
    decay_fovs: NaturalInt = 0
    """Over the last so many fields of view the rate falls to 0, along half a cosine."""
    fov_moves: Literal["fixed", "neighbours", "fixed_window", "max_pred_moves"] = "max_pred_moves"
    """Where the FOV goes in an example: as in inference (max_pred_moves), by which floods leak least; or to
    the six places deltas from its centre along one axis where the POM reaches `move_threshold` (fixed); to
    all 26 along up to three axes (neighbours: google/ffn's fixed); to these also where only a voxel half a
    delta around is reached (fixed_window: for thin processes)."""
    moves_reach: PositiveInt | None = None
    """How many deltas the FOV may go from an example's centre, along each axis; None: 2 with max_pred_moves,
    and 1 with the others, which go no further. Inference sees the same voxels tens of times: a network that
    met its own POM a few times only spoils it there, and floods leak."""
    seed_probability: Probability = SEED_PROBABILITY
    """What the network is shown at an example's centre, at first."""
    pad_probability: Probability = PAD_PROBABILITY
    """What the network is shown where it has not been. Where it, or the two beside it, is set here alone,
    inference has it too; google/ffn's manual now advises 0.5, with a move_threshold of 0.6."""
    move_threshold: Probability = MOVE_THRESHOLD
    """What the POM must reach where the FOV is to be centred next, and what is inside in the metrics."""
    examples_in_turn: PositiveInt = 8
    """Examples per place in the batch that take turns. Successive FOVs of one example look alike, and
    steps on them in a row teach little."""
    epochs: bool = False
    """Show every coordinate once before any comes again, in an order that is drawn anew each time, whatever
    ranks there are; else each example's is drawn from those of its rank, with no regard to the others."""
    soft_label: Annotated[float, Field(gt=0.5, lt=1), NUMBER] = 0.95
    """The probability that the network is to give inside an object; outside it is 1 less this."""
    engine: Literal["auto", "winograd", "keras"] = "auto"
    """What computes the network and its gradient: TensorFlow (keras), or compiled code (winograd) for CPUs
    with AVX-512, AVX2 or NEON, several times as fast, in float32. auto takes the latter where it can and
    TensorFlow finds no GPU. The optimiser is Keras' either way."""
    precision: Literal["auto", "float32", "mixed_bfloat16"] = "auto"
    """auto is float32 by winograd; where TensorFlow computes, mixed_bfloat16 where the CPU of rank 0, or a
    GPU, gains from it. All ranks have the same, and a training that goes on keeps it."""
    report_every_steps: PositiveInt = 50
    """Steps between two lines of logs/training.jsonl."""
    pictures: bool = False
    """With each line of the log a picture of one FOV for TensorBoard, in logs/pictures: image, truth, and the
    POM before and after the step."""
    checkpoint_every_steps: PositiveInt = 4000
    """Steps of a round, after which a checkpoint is saved and new examples are begun, so that the weights
    depend on it. What is under way is cut off: by default each example in turn is given 500 FOVs a round,
    and has 125 at most. A resumed training loses none of it, by `checkpoint_every_s`."""
    checkpoint_every_s: PositiveFinite = 300.0
    """Seconds after which a checkpoint is saved also within a round, with the next line of the log; the
    examples in hand are kept beside it, and the weights are the same whatever it is. Not where local_steps
    is more than 1: every rank has weights of its own meanwhile, and all of a round is lost when a rank is."""
    choose_by: Literal["last", "segmentation"] = "last"
    """Which of the networks that a training comes past is the model: the last; or the one that segments
    `validation_box` best: filled ARE of those that find at least half of what any finds."""
    validation_box: BoxField | None = None
    """Labelled voxels of the run's own volume by which choose_by segmentation chooses, which training may not
    see. They are segmented as one tile, with the run's settings of inference but in one pass."""
    validate_every_fovs: PositiveInt = 20_000
    """Fields of view between two networks that choose_by segmentation tries, beside the last. The ranks start
    anew after each, which takes some ten seconds, and go on while it is tried."""
    sampling: Sampling = Sampling()
    augmentation: Augmentation = Augmentation()

    @model_validator(mode="after")
    def _is_consistent(self) -> Training:
        wrong = "; also: ".join(contradictions(self))
        if wrong:
            raise ValueError(wrong)
        return self

    @property
    def reach(self) -> int:
        """How many deltas the FOV may go from an example's centre, along each axis."""
        return self.moves_reach or (2 if self.fov_moves == "max_pred_moves" else 1)

    @property
    def flood_rules(self) -> FloodRules:
        return FloodRules(self.seed_probability, self.pad_probability, self.move_threshold)

    @property
    def decays(self) -> bool:
        """Whether the rate of a step depends on how many FOVs follow."""
        return bool(self.decay_fovs) or self.schedule == "cosine"

    @property
    def coordinates_of_volumes(self) -> list[int]:
        """How many of `sampling.coordinates` are drawn in the run's own volume, and in each of `volumes`."""
        weights = list(accumulate([0.0, self.weight, *(volume.weight for volume in self.volumes)]))
        ends = [round(weight / weights[-1] * self.sampling.coordinates) for weight in weights]
        return [stop - start for start, stop in pairwise(ends)]

    @property
    def tried_after(self) -> list[int]:
        """The fields of view after which networks are tried, ascending; none where the last one is taken."""
        if self.choose_by == "last":
            return []
        return [*range(self.validate_every_fovs, self.fovs, self.validate_every_fovs), self.fovs]

    @property
    def parts(self) -> Sequence[int | None]:
        """The tasks of a training, each by the FOVs to which it goes; None: to the last one."""
        return self.tried_after or [None]
