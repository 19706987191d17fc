"""The volume that a user means, and what is to be told of it."""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum
from pathlib import Path

import numpy as np

from pipeline.agglomerated import refuse_of_another
from pipeline.errors import InputError
from pipeline.evaluation.filling import fill_block
from pipeline.export import FilledVolume, Part, fill_along_image
from pipeline.geometry import Box
from pipeline.inference.seed_mask import seed_mask
from pipeline.results.agglomerated_ids import AgglomeratedIds, read_agglomerated_ids
from pipeline.results.parts import has_part
from pipeline.results.unreadable import is_there
from pipeline.run_files import ALIGN_CONFIG_NAME, CONFIG_NAME, RunFiles
from pipeline.run_folder import Run
from pipeline.settings.resolve import with_sections
from pipeline.settings.run_file import read_config
from pipeline.volumes import Choice, Volume, open_image, open_volume
from pipeline.volumes.absence import Absence
from pipeline.volumes.agglomerated import AgglomeratedVolume
from workflows.command_line import kept_run_file


class FillBy(str, Enum):
    """Which segment a voxel without one is given."""

    IMAGE = "image"
    DISTANCE = "distance"


def opened(source: str, choice: Choice, agglomerated: bool) -> Volume:
    """The volume, or that of the run or alignment in this folder. Raises InputError."""
    folder, run = Path(source), joined_run(source)
    if run is None:
        if agglomerated:
            raise InputError(f"--agglomerated is for runs, but {source} is no run's folder: leave it out")
        aligned = RunFiles(folder).aligned_folder if is_there(folder / ALIGN_CONFIG_NAME) else None
        return open_volume(source if aligned is None else f"precomputed://{aligned}", choice)
    segmentation = open_volume(run.volume_uri, choice)
    return AgglomeratedVolume(segmentation, agglomerated_ids(run)) if agglomerated else segmentation


def joined_run(source: str) -> Run | None:
    """The run in this folder, whose tiles are joined; None where it is no run's. Raises InputError where they
    are not yet joined."""
    folder = Path(source)
    if not is_there(folder / CONFIG_NAME):
        return None
    run = Run(folder.resolve(), read_config(kept_run_file(folder)))
    if not has_part(run.volume, "info"):
        raise InputError(
            f"run {source} has no segmentation yet: its tiles are not joined; `ffn status` tells more"
        )
    return run


def agglomerated_ids(run: Run) -> AgglomeratedIds:
    """Those of the run's segmentation as it is. Raises InputError."""
    if not is_there(run.agglomeration_file):
        raise InputError(
            f"run {run.folder} has no agglomerated ids: set agglomeration.enabled and go on with it, or "
            "leave --agglomerated out"
        )
    refuse_of_another(run)
    return read_agglomerated_ids(run.agglomeration_file)


def filled(source: str, segmentation: Volume, fill: FillBy, choice: Choice) -> FilledVolume:
    """A run's segmentation without its blanks, but for those where no seed may lie. Raises InputError."""
    folder = Path(source)
    if not is_there(folder / CONFIG_NAME):
        raise InputError(f"--fill is for runs, but {source} is no run's folder: leave it out")
    moved = [name for name in ("level", "origin", "axes") if getattr(choice, name)]
    if moved:
        raise InputError(
            f"--fill is for the finest level, at which the image is, and where that lies: leave "
            f"{choice.setting(moved[0])} out"
        )
    run = with_sections(Run(folder.resolve(), read_config(kept_run_file(folder))))
    image, inside = open_image(run), segmentation.box

    def allowed(box: Box) -> np.ndarray:
        where = seed_mask(run, image.read(box), box, image.missing(box))
        return np.ones(box.shape, bool) if where is None else where

    def by_image(block: Box) -> tuple[np.ndarray, np.ndarray]:
        return fill_along_image(segmentation.read, image.read, allowed, block, inside)

    def by_distance(block: Box) -> tuple[np.ndarray, np.ndarray]:
        stored, nearest = fill_block(segmentation.read, block, inside)
        return stored, np.where(allowed(block), nearest, stored)

    return FilledVolume(segmentation, by_image if fill is FillBy.IMAGE else by_distance)


def earlier_told(folder: Path, stages: set[str]) -> Iterator[str]:
    """That what these stages of a run make is of an earlier state, all or in part. Raises InputError."""
    # Parsl takes a second to import
    if not is_there(folder / CONFIG_NAME):
        if is_there(folder / ALIGN_CONFIG_NAME):
            from workflows.planning.align_plan import told_of_volume

            yield from told_of_volume(folder)
        return
    from workflows.planning.earlier import earlier_in
    from workflows.watching.status_view import read_run

    earlier, untold = earlier_in(*read_run(folder))
    before = sorted(stages & earlier.stages)
    if before:
        yield (
            f"run {folder} has yet to make anew, all or in part, what is taken from it: {', '.join(before)} "
            "of an earlier state of it, with other settings or inputs"
        )
    yield from untold


def doubts(part: Part, gone: Absence) -> Iterator[str]:
    """What is not there of a part, or not known of its volume."""
    volume = part.volume
    if gone.missing:
        yield f"{volume.uri}: {gone.text('chunks')}; they are 0"
    if volume.voxel_size_nm is None:
        yield f"{volume.uri} does not say how large its voxels are, and --voxel-size is not set"
    if not volume.frame.is_placed:
        yield f"{volume.uri} does not say where it lies: its first voxel is taken for {volume.box.start}"
