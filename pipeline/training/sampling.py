"""Coordinates to centre training examples on, balanced over how much the object fills its surroundings."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.errors import InputError
from pipeline.ffn.patch import patch_radius
from pipeline.geometry import Box, Triple
from pipeline.results.artifacts import Artifact, Recipe, Target
from pipeline.results.records import make
from pipeline.run_folder import Run
from pipeline.training.draws import VERSION, draw_coordinates
from pipeline.training.unknown import labels_to_draw_from
from pipeline.volumes import open_image


def coordinates_target(run: Run) -> Target:
    """The run's file of training coordinates."""
    config = run.config
    settings: dict[str, Any] = {
        "seed": config.seed,
        "patch_radius": patch_radius(config.network, config.training.reach),
        "training": {
            "box": str(config.training.box),
            "sampling": config.training.sampling.model_dump(mode="json"),
        },
    }
    inputs = dict[str, str]()
    for number, one in enumerate(run.trained_on):
        of = f" of training.volumes.{number - 1}" if number else ""
        inputs[f"labels{of}"] = one.identities["labels"]
        if "loss_mask" in one.identities:
            inputs[f"loss_mask{of}"] = one.identities["loss_mask"]
        if number:
            settings.setdefault("volumes", []).append(str(one.config.training.box))
    if len(run.trained_on) > 1:
        settings["weights"] = _weights(run)
    recipe = Recipe("sample", VERSION, settings, inputs)
    return Target(run.coordinates_file, recipe)


def sample_coordinates(run: Run) -> Artifact:
    """Draw `training.sampling.coordinates` voxels, every class that occurs in a volume equally often.

    The file is an (N, 3) int32 `.npy` of z, y, x in the image's voxels, in random order; with
    `training.volumes` it is (N, 4), the number of the volume before them, 0 for the run's own. It depends on
    the seed, the labels, the boxes, the weights and the sampling settings alone. Raises InputError
    when no labelled voxel of a large enough segment lies where a whole patch fits.
    """

    def write(path: Path) -> None:
        drawn = [_draw_in(one, number, count) for number, (one, count) in enumerate(_shares(run))]
        coordinates = drawn[0] if len(drawn) == 1 else _mixed(drawn, run.config.seed)
        with open(path, "wb") as file:
            np.save(file, coordinates)

    return make(coordinates_target(run), write)


def _draw_in(run: Run, number: int, count: int) -> np.ndarray:
    """So many coordinates in a run's own volume, which is that of this number among all."""
    config, box = run.config, run.config.training.box
    assert box is not None, "a resolved configuration has a training box"
    radius = patch_radius(config.network, config.training.reach)
    sampling = config.training.sampling.model_copy(update={"coordinates": count})
    try:
        return draw_coordinates(labels_to_draw_from(run), box, radius, sampling, config.seed, number)
    except InputError as error:
        mask = config.data.loss_mask
        masked = f"; where data.loss_mask {mask} is 0 nothing counts" if mask else ""
        raise type(error)(f"{_volume_named(number)}{error}{masked}") from None


def _volume_named(number: int) -> str:
    """The beginning of what is said of a volume; of the run's own it needs none."""
    return f"training.volumes.{number - 1}: " if number else ""


def _shares(run: Run) -> list[tuple[Run, int]]:
    """The volumes that are trained on, each with the coordinates that are drawn in it, by the weights."""
    return list(zip(run.trained_on, run.config.training.coordinates_of_volumes, strict=True))


def _weights(run: Run) -> list[float]:
    training = run.config.training
    return [training.weight, *(volume.weight for volume in training.volumes)]


def _mixed(drawn: list[np.ndarray], seed: int) -> np.ndarray:
    """The coordinates of all volumes in random order, each with its volume's number before it."""
    numbered = np.concatenate([np.insert(part, 0, number, axis=1) for number, part in enumerate(drawn)])
    return np.random.default_rng(np.random.SeedSequence([seed, VERSION, len(drawn)])).permutation(numbered)


def read_coordinates(run: Run, path: Path) -> tuple[np.ndarray, int]:
    """The coordinates in the file of `sample_coordinates` to train on, and how many are left out.

    They are (N, 4), volume, z, y, x. Left out are those whose patch touches what is missing of the image: a
    network would learn from black. Raises InputError where fewer than one a rank stay, and where none of a
    volume does.
    """
    coordinates, ranks = np.load(path), run.config.training.ranks
    if coordinates.shape[1] == 3:
        coordinates = np.insert(coordinates, 0, 0, axis=1)
    radius = patch_radius(run.config.network, run.config.training.reach)
    clear = np.ones(len(coordinates), bool)
    for number, one in enumerate(run.trained_on):
        box, own = one.config.training.box, coordinates[:, 0] == number
        assert box is not None, "a resolved configuration has a training box"
        clear[own] = clear_of(open_image(one).missing(box), coordinates[own, 1:], radius)
        if own.any() and not clear[own].any():
            raise InputError(
                f"{_volume_named(number)}training.box {box}: around each of {np.count_nonzero(own):,} "
                "coordinates the image is missing in part: nothing would be learned there; complete the "
                "image, or choose another box"
            )
    kept = np.count_nonzero(clear)
    if kept < min(ranks, len(clear)):
        raise InputError(
            f"training.box {run.config.training.box}: around {len(clear) - kept:,} of {len(clear):,} "
            f"coordinates the image is missing in part, which leaves fewer than training.ranks, {ranks}; "
            "complete the image, or choose another box"
        )
    return coordinates[clear], len(clear) - kept


def clear_of(gaps: Sequence[Box], coordinates: np.ndarray, radius: Triple) -> np.ndarray:
    """Of each of some coordinates, (N, 3), whether the patch of `radius` around it touches none of `gaps`."""
    clear = np.ones(len(coordinates), bool)
    for gap in gaps:
        near = gap.grow(radius)
        clear &= ~((coordinates >= near.start) & (coordinates < near.stop)).all(axis=1)
    return clear
