"""Write a box of a run's segmentation, or of any volume, as HDF5, OME-Zarr or TIFF.

python workflows/export.py runs/demo all demo.zarr
python workflows/export.py runs/demo 0:64,0:250,0:250 part.h5:seg --agglomerated
python workflows/export.py runs/demo all filled.zarr --fill image
python workflows/export.py precomputed://gs://bucket/em 0:100,0:512,0:512 em.tif --volume-mip 1
"""

from __future__ import annotations

import sys
from pathlib import Path

if not __package__:  # a script: this program's packages before what PYTHONPATH has under their names
    sys.path[0] = str(Path(__file__).parents[1])

from collections.abc import Iterator
from dataclasses import replace
from enum import Enum
from typing import Annotated

import numpy as np
import typer
from rich.console import Console
from rich.progress import Progress

from pipeline.agglomerated import refuse_of_another
from pipeline.errors import InputError
from pipeline.evaluation.filling import fill_block
from pipeline.export import FilledVolume, Part, fill_along_image, part_of, written_by
from pipeline.geometry import Box
from pipeline.inference.seed_mask import seed_mask
from pipeline.results.agglomerated_ids import read_agglomerated_ids
from pipeline.results.parts import has_part
from pipeline.results.unreadable import is_there
from pipeline.run_files import ALIGN_CONFIG_NAME, CONFIG_NAME, RunFiles
from pipeline.run_folder import Run
from pipeline.settings.resolve import with_sections
from pipeline.settings.run_file import read_config
from pipeline.viewing.agglomerated import AgglomeratedVolume
from pipeline.volumes import Choice, Volume, open_image, open_volume
from pipeline.volumes.absence import Absence, absence
from pipeline.volumes.frame import size_text
from workflows.command_line import QuietOption, kept_run_file, start
from workflows.signals import stop_on_signals
from workflows.volume_options import choice_of, numbers

WHOLE = "all"


class IdType(str, Enum):
    """The integers that ids may be written as."""

    UINT8 = "uint8"
    UINT16 = "uint16"
    UINT32 = "uint32"
    UINT64 = "uint64"


class FillBy(str, Enum):
    """Which segment a voxel without one is given."""

    IMAGE = "image"
    DISTANCE = "distance"


def export(
    source: Annotated[
        str,
        typer.Argument(
            metavar="RUN_OR_VOLUME",
            help="The folder of a run or of `ffn align`, or a volume, named as in a run file.",
        ),
    ],
    box: Annotated[
        str,
        typer.Argument(metavar="BOX", help=f"Z0:Z1,Y0:Y1,X0:X1, or `{WHOLE}`; after `--` if it is -1:..."),
    ],
    out: Annotated[
        str,
        typer.Argument(metavar="OUT", help="A new file: FILE.h5 or FILE.h5:DATASET, FOLDER.zarr, FILE.tif."),
    ],
    agglomerated: Annotated[
        bool, typer.Option("--agglomerated", help="Of a run, the ids that agglomeration gives.")
    ] = False,
    fill: Annotated[
        FillBy | None,
        typer.Option(
            help="Of a run, give blank voxels a segment too: by a watershed of its image, or the nearest."
        ),
    ] = None,
    dtype: Annotated[
        IdType | None,
        typer.Option(
            help="Write ids as these integers; one that does not fit is an error, and nothing written."
        ),
    ] = None,
    voxel_size: Annotated[
        str | None, typer.Option(metavar="Z,Y,X", help="In nm; goes before what the volume's file says.")
    ] = None,
    volume_origin: Annotated[
        str | None, typer.Option(metavar="Z,Y,X", help="Where the volume's first voxel lies, in voxels.")
    ] = None,
    volume_axes: Annotated[
        str | None, typer.Option(metavar="AXES", help="Names of its stored axes in their order, such as xyz.")
    ] = None,
    volume_mip: Annotated[int | None, typer.Option(min=0, help="Its level; the finest is 0.")] = None,
    volume_channel: Annotated[int | None, typer.Option(min=0, help="Its channel; the first is 0.")] = None,
    quiet: QuietOption = False,
) -> None:
    """Write a box of a run's segmentation, or of any volume, as HDF5, OME-Zarr or TIFF, by OUT's ending.

    Voxel size and place go along. It reads block by block, so any size will do; OUT appears when it is whole,
    and no file is overwritten.
    """
    stop_on_signals()
    output = written_by(out)
    output.refuse_present()
    choice = replace(
        choice_of(
            "volume", volume_origin, volume_axes, volume_mip, numbers(voxel_size, float, "--voxel-size")
        ),
        channel=volume_channel,
        lacks=(),
    )
    volume = _opened(source, choice, agglomerated)
    if fill is not None:
        volume = _filled(source, volume, fill, choice)
    part = output.fit(part_of(volume, _box(box), None if dtype is None else np.dtype(dtype.value)))
    screen = Console(stderr=True, markup=False, highlight=False, soft_wrap=True)
    made_by = {"write", *["agglomerate"] * agglomerated, *["downsample"] * bool(volume_mip)}
    gone = absence(volume, part.box)
    for line in [*_earlier(Path(source), made_by), *_doubts(part, gone)]:
        screen.print(f"WARNING: {line}")
    with Progress(console=screen, transient=True, disable=quiet or not screen.is_terminal) as progress:
        task = progress.add_task("writing", total=part.box.size)
        for voxels in output.written(part):
            progress.advance(task, voxels)
    if part.missing_voxels and gone.looked_at < gone.chunks:  # of many chunks a sample was looked at before
        empty = " or hold nothing but the fill value" if gone.may_be_empty else ""
        screen.print(f"WARNING: {part.missing_voxels:,} voxels of {part.box} are missing{empty}; they are 0")
    was = "" if part.dtype == volume.dtype else f" (stored as {volume.dtype}; all values fit)"
    told = f"{part.box} (z, y, x), {size_text(part.voxel_size_nm)}, {part.dtype}{was}"
    console = Console(markup=False, highlight=False, soft_wrap=True)
    console.print(f"{output.uri}: {output.format}, {told}")
    if fill is not None and isinstance(volume, FilledVolume):
        console.print(
            f"filled by {fill.value}: {volume.filled:,} of {volume.blank:,} blank voxels, "
            f"{volume.filled / part.box.size:.1%} of the box; {volume.blank - volume.filled:,} stay 0"
        )


def _opened(source: str, choice: Choice, agglomerated: bool) -> Volume:
    """The volume, or that of the run or alignment in this folder. Raises InputError."""
    folder = Path(source)
    if not is_there(folder / CONFIG_NAME):
        if agglomerated:
            raise InputError(f"--agglomerated is for runs, but {source} is no run's folder: leave it out")
        aligned = RunFiles(folder).aligned_folder if is_there(folder / ALIGN_CONFIG_NAME) else None
        return open_volume(source if aligned is None else f"precomputed://{aligned}", choice)
    run = Run(folder.resolve(), read_config(kept_run_file(folder)))
    if not has_part(run.volume, "info"):
        raise InputError(
            f"run {source} has no segmentation yet: its tiles are not joined; `ffn status` tells more"
        )
    segmentation = open_volume(run.volume_uri, choice)
    if not agglomerated:
        return segmentation
    if not is_there(run.agglomeration_file):
        raise InputError(
            f"run {source} has no agglomerated ids: set agglomeration.enabled and go on with it, or leave "
            "--agglomerated out"
        )
    refuse_of_another(run)
    return AgglomeratedVolume(segmentation, read_agglomerated_ids(run.agglomeration_file))


def _filled(source: str, segmentation: Volume, fill: FillBy, choice: Choice) -> Volume:
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
        stored, filled = fill_block(segmentation.read, block, inside)
        return stored, np.where(allowed(block), filled, stored)

    return FilledVolume(segmentation, by_image if fill is FillBy.IMAGE else by_distance)


def _box(text: str) -> Box | None:
    """None for the whole volume. Raises InputError."""
    try:
        return None if text == WHOLE else Box.parse(text)
    except ValueError as error:
        raise InputError(f"BOX: {error}, or `{WHOLE}`") from None


def _earlier(folder: Path, stages: set[str]) -> Iterator[str]:
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
            f"run {folder} has yet to make anew, all or in part, what is written here: {', '.join(before)} "
            "of an earlier state of it, with other settings or inputs"
        )
    yield from untold


def _doubts(part: Part, gone: Absence) -> Iterator[str]:
    volume = part.volume
    if gone.missing:
        yield f"{volume.uri}: {gone.text('chunks')}; they are 0"
    if volume.voxel_size_nm is None:
        yield f"{volume.uri} does not say how large its voxels are, and --voxel-size is not set"
    if not volume.frame.is_placed:
        yield f"{volume.uri} does not say where it lies: its first voxel is taken for {volume.box.start}"


def main() -> None:
    """Entry point of the script."""
    start(export)


if __name__ == "__main__":
    main()
