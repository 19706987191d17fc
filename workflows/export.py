"""Write a box of a run's segmentation, or of any volume, as HDF5, OME-Zarr or TIFF; its segments as a table,
CSV, and shapes as OBJ or SWC.

python workflows/export.py runs/demo all demo.zarr
python workflows/export.py runs/demo 0:64,0:250,0:250 part.h5:seg --agglomerated
python workflows/export.py runs/demo all filled.zarr --fill image
python workflows/export.py runs/demo all segments.csv --truth traced.h5:labels
python workflows/export.py runs/demo all neurons.obj --segments 12,57
python workflows/export.py precomputed://gs://bucket/em 0:100,0:512,0:512 em.tif --volume-mip 1
"""

from __future__ import annotations

import sys
from pathlib import Path

if not __package__:  # a script: this program's packages before what PYTHONPATH has under their names
    sys.path[0] = str(Path(__file__).parents[1])

from dataclasses import replace
from enum import Enum
from typing import Annotated

import numpy as np
import typer
from rich.progress import Progress

from pipeline.errors import InputError
from pipeline.export import ChosenVolume, part_of, written_by
from pipeline.geometry import Box
from pipeline.volumes import Choice
from pipeline.volumes.absence import absence
from pipeline.volumes.frame import size_text
from pipeline.wording import counted
from workflows.command_line import QuietOption, start
from workflows.exporting import SHAPES
from workflows.exporting.volumes import FillBy, doubts, earlier_told, filled, opened
from workflows.output import PlainConsole
from workflows.signals import stop_on_signals
from workflows.volume_options import choice_of, numbers

WHOLE = "all"
TABLE = ".csv"
NO_CHOICE = Choice(option="volume", lacks=())
LARGEST_IN_SPREADSHEETS = 10**15 - 1


class IdType(str, Enum):
    """The integers that ids may be written as."""

    UINT8 = "uint8"
    UINT16 = "uint16"
    UINT32 = "uint32"
    UINT64 = "uint64"


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
        typer.Argument(
            metavar="OUT",
            help="A new file: FILE.h5, FILE.h5:DATASET, FOLDER.zarr, FILE.tif, FILE.csv, FILE.obj, FILE.swc",
        ),
    ],
    agglomerated: Annotated[
        bool, typer.Option("--agglomerated", help="Of a run, the ids that agglomeration gives.")
    ] = False,
    segments: Annotated[
        str | None, typer.Option(metavar="ID,ID,...", help="These alone; all else becomes 0.")
    ] = None,
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
    truth: Annotated[
        str | None,
        typer.Option(metavar="VOLUME", help="Of a table: which of its objects is each segment most of?"),
    ] = None,
    truth_origin: Annotated[
        str | None, typer.Option(metavar="Z,Y,X", help="Where the truth's first voxel lies, in voxels.")
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
    and no file is overwritten. As CSV a table of the segments is written: how large each is, and where. As
    OBJ or SWC a run's surfaces or skeletons of some segments are written.
    """
    stop_on_signals()
    ids = _ids(segments)
    console = PlainConsole(highlight=False, soft_wrap=True)
    screen = PlainConsole(stderr=True, highlight=False, soft_wrap=True)

    def warn(doubt: str) -> None:
        screen.print(f"WARNING: {doubt}")

    size = numbers(voxel_size, float, "--voxel-size")
    choice = replace(
        choice_of("volume", volume_origin, volume_axes, volume_mip, size), channel=volume_channel, lacks=()
    )
    _refuse_unfit(out, truth, truth_origin, dtype)
    if out.lower().endswith(SHAPES):
        from workflows.exporting.shapes import export_shapes  # loads SciPy

        if (box, fill, dtype, choice) != (WHOLE, None, None, NO_CHOICE):
            raise InputError(
                f"{out} holds no voxels: BOX is `{WHOLE}`, and --segments and --agglomerated alone choose "
                "what is written"
            )
        console.print(export_shapes(Path(source), Path(out), ids, agglomerated, warn))
        return
    output = written_by(out)
    output.refuse_present()
    volume = opened(source, choice, agglomerated)
    if fill is not None:
        volume = filler = filled(source, volume, fill, choice)
    table = output.table
    if table is not None:
        from workflows.exporting.segments import refuse_truth_elsewhere, with_columns, with_shapes

        of_truth = choice_of("truth", truth_origin, size=size, lacks=("level", "axes", "channel"))
        volume = with_columns(table, Path(source), volume, choice, truth, of_truth, agglomerated, warn)
        with_shapes(table, Path(source), agglomerated, _why_of_others(box, fill, size))
    if ids:
        if volume.dtype.kind not in "iu":
            raise InputError(f"--segments is for ids, but {source} holds {volume.dtype}: leave it out")
        volume = chosen = ChosenVolume(volume, ids)
    part = output.fit(part_of(volume, _box(box), None if dtype is None else np.dtype(dtype.value)))
    if table is not None:
        refuse_truth_elsewhere(table, part.box)
    is_joined = agglomerated or (table is not None and table.agglomerated is not None)
    made_by = {"write", *["agglomerate"] * is_joined, *["downsample"] * bool(volume_mip)}
    made_by |= set() if table is None else table.made_by
    gone = absence(volume, part.box)
    for line in [*earlier_told(Path(source), made_by), *doubts(part, gone)]:
        warn(line)
    with Progress(console=screen, transient=True, disable=quiet or not screen.is_terminal) as progress:
        task = progress.add_task("writing", total=part.box.size)
        for voxels in output.written(part):
            progress.advance(task, voxels)
    if part.missing_voxels and gone.looked_at < gone.chunks:  # of many chunks a sample was looked at before
        empty = " or hold nothing but the fill value" if gone.may_be_empty else ""
        warn(f"{part.missing_voxels:,} voxels of {part.box} are missing{empty}; they are 0")
    if ids and chosen.absent:
        warn(f"nowhere in {part.box}: segments {', '.join(map(str, sorted(chosen.absent)))}")
    was = "" if part.dtype == volume.dtype else f" (stored as {volume.dtype}; all values fit)"
    told = f"{part.box} (z, y, x), {size_text(part.voxel_size_nm)}"
    if table is None:
        console.print(f"{output.uri}: {output.format}, {told}, {part.dtype}{was}")
    else:
        console.print(f"{output.uri}: {output.format}, {counted(table.count, 'segment')} in {told}")
        for line in table.lacking:
            console.print(f"without {line}")
        if table.largest_id > LARGEST_IN_SPREADSHEETS:
            warn(
                f"the largest id is {table.largest_id}, and spreadsheets round what has more than 15 digits: "
                "have them take ids for text"
            )
    if fill is not None:
        console.print(
            f"filled by {fill.value}: {filler.filled:,} of {filler.blank:,} blank voxels, "
            f"{filler.filled / part.box.size:.1%} of the box; {filler.blank - filler.filled:,} stay 0"
        )


def _refuse_unfit(out: str, truth: str | None, truth_origin: str | None, dtype: IdType | None) -> None:
    """Raise InputError where an option is for another kind of file."""
    is_table = out.lower().endswith(TABLE)
    if truth is not None and not is_table:
        raise InputError(f"--truth is for tables of segments (.csv), but {out} is none: leave it out")
    if truth_origin is not None and truth is None:
        raise InputError(
            "--truth-origin says where --truth lies, which is not set: set it, or leave this out"
        )
    if dtype is not None and is_table:
        raise InputError(f"--dtype is for voxels, and {out} holds none: leave it out")


def _why_of_others(box: str, fill: FillBy | None, size: tuple[float, ...] | None) -> str | None:
    """Why a run's shapes are not those of what a table has; None where they are."""
    if box != WHOLE:
        return f"these are of whole segments, and BOX is not `{WHOLE}`"
    if fill is not None:
        return "these are of segments as they are, without --fill"
    return "these are by the run's own voxel size, without --voxel-size" if size else None


def _ids(text: str | None) -> list[int]:
    """`"12,57"` -> [12, 57], each once. Raises InputError."""
    if text is None:
        return []
    try:
        ids = list(dict.fromkeys(int(part) for part in text.split(",")))
    except ValueError:
        ids = [0]
    if min(ids) < 1 or max(ids) > np.iinfo(np.uint64).max:
        raise InputError(f"--segments {text!r}: expected ids, such as 12,57")
    return ids


def _box(text: str) -> Box | None:
    """None for the whole volume. Raises InputError."""
    try:
        return None if text == WHOLE else Box.parse(text)
    except ValueError as error:
        raise InputError(f"BOX: {error}, or `{WHOLE}`") from None


def main() -> None:
    """Entry point of the script."""
    start(export)


if __name__ == "__main__":
    main()
