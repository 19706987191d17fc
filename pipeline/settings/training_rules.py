"""Which settings of `training` cannot go together."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipeline.settings.training import Training

RANDOM_IN_AVERAGE = 0.01
"""How much random weights may count in an average of weights that is published."""


def contradictions(training: Training) -> Iterator[str]:
    """What is wrong, and how to mend it, a sentence each; none where all is well."""
    yield from _of_floods(training)
    yield from _of_optimizer(training)
    yield from _of_average(training)
    yield from _of_engine(training)
    yield from _of_choice(training)
    yield from _of_shares(training)
    yield from _of_coordinates(training)
    yield from _of_rates(training)


def _of_floods(t: Training) -> Iterator[str]:
    if t.reach > 1 and t.fov_moves != "max_pred_moves":
        yield f"moves_reach is {t.moves_reach}; with fov_moves {t.fov_moves} it can only be 1"
    if not t.pad_probability < t.move_threshold <= t.seed_probability:
        yield (
            f"pad_probability {t.pad_probability}, move_threshold {t.move_threshold} and "
            f"seed_probability {t.seed_probability} must ascend, or floods go nowhere, or everywhere"
        )


def _of_optimizer(t: Training) -> Iterator[str]:
    for name, value, owners, needed in (
        ("momentum", t.momentum, {"sgd"}, True),
        ("weight_decay", t.weight_decay, {"adamw", "lamb"}, False),
    ):
        if value is not None and t.optimizer not in owners:
            who = " or ".join(sorted(owners))
            yield f"{name} is {value}; optimizer {t.optimizer} has none: it is of {who}"
        if value is None and needed and t.optimizer in owners:
            yield f"optimizer {t.optimizer} needs {name}, such as 0.9"
    if (t.schedule == "cyclic") != (t.cycle_fovs is not None):
        yield (
            f"schedule is {t.schedule} and cycle_fovs {t.cycle_fovs}: give both cyclic and cycle_fovs, or "
            "neither"
        )


def _of_average(t: Training) -> Iterator[str]:
    steps = math.ceil(t.fovs / (t.ranks * t.batch_size))
    if t.ema is None or t.start_from is not None or t.ema**steps <= RANDOM_IN_AVERAGE:
        return
    most = math.floor(1e4 * RANDOM_IN_AVERAGE ** (1 / steps)) / 1e4
    yield (
        f"ema is {t.ema}, and {t.fovs} fovs are {steps} steps: in the end the random weights of "
        f"the beginning would count {t.ema**steps:.1%}; it can be {most}, or take more fovs"
    )


def _of_engine(t: Training) -> Iterator[str]:
    if t.engine == "winograd" and t.precision == "mixed_bfloat16":
        yield "engine is winograd, which computes in float32, and precision is mixed_bfloat16"


def _of_choice(t: Training) -> Iterator[str]:
    if t.choose_by == "last":
        if t.validation_box is not None:
            yield (
                f"validation_box is {t.validation_box} and choose_by last: set choose_by: segmentation, or "
                "leave validation_box out"
            )
        return
    if t.validation_box is None:
        yield "choose_by is segmentation, which needs a validation_box, of labelled voxels"
    if t.validate_every_fovs >= t.fovs:
        yield (
            f"validate_every_fovs is {t.validate_every_fovs}, not less than fovs, {t.fovs}: there is one "
            "network and no choice; lower it, or set choose_by: last"
        )
    if t.local_steps > 1:
        yield (
            f"local_steps is {t.local_steps}, and choose_by segmentation tries networks in the midst of a "
            "round, where each rank then has weights of its own: set local_steps: 1, or choose_by: last"
        )


def _of_shares(t: Training) -> Iterator[str]:
    if t.shares == "even":
        return
    if t.local_steps > 1:
        yield (
            f"local_steps is {t.local_steps} and shares measured, which weighs gradients that are averaged "
            "in every step: set local_steps: 1, or shares: even"
        )
    for name, value in (("batch_size", t.batch_size), ("examples_in_turn", t.examples_in_turn)):
        if value < 2:
            yield (
                f"shares is measured and {name} 1: no rank could have less than another; raise it, or set "
                "shares: even"
            )


def _of_coordinates(t: Training) -> Iterator[str]:
    coordinates = t.sampling.coordinates
    if t.ranks > coordinates:
        yield f"ranks is {t.ranks}, more than sampling.coordinates, {coordinates}: some would have none"
    if coordinates < 1 + len(t.volumes):
        yield (
            f"sampling.coordinates is {coordinates}; with volumes there are {1 + len(t.volumes)} to draw "
            "from: draw more"
        )
    for number, count in enumerate(t.coordinates_of_volumes):
        if not count:
            where, of = (f"volumes.{number - 1}.", t.volumes[number - 1]) if number else ("", t)
            yield (
                f"{where}weight is {of.weight:g}, and of {coordinates} sampling.coordinates none is drawn "
                "there: nothing of that volume would be learned; raise either, or leave it out"
            )


def _of_rates(t: Training) -> Iterator[str]:
    if t.schedule == "cosine" and t.decay_fovs:
        yield (
            f"decay_fovs is {t.decay_fovs}; with schedule cosine the rate falls from the warm-up on: leave "
            "it out"
        )
    if t.warmup_fovs > t.fovs:
        yield f"warmup_fovs is {t.warmup_fovs}, more than fovs, {t.fovs}: the rate is never reached"
