"""What a table says of segments beside their size: which object each is a part of, and which true one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from pipeline.errors import InputError
from pipeline.evaluation.comparison import ids_of, open_truth
from pipeline.evaluation.smells import smells_of_one
from pipeline.export.segment_table import SegmentTable
from pipeline.export.shape_sizes import CABLE, SURFACE, ShapeSizes
from pipeline.export.shapes import StoredShapes
from pipeline.geometry import Box
from pipeline.reconciliation import MESHES, SKELETONS, Kind, kinds, read_shaped
from pipeline.results.bucket import Bucket
from pipeline.results.unreadable import is_there
from pipeline.run_files import CONFIG_NAME
from pipeline.run_folder import Run
from pipeline.settings.run_file import read_config
from pipeline.viewing.run_layers import STORED
from pipeline.volumes import Choice, Volume
from pipeline.volumes.labels import LabelVolume
from workflows.command_line import kept_run_file
from workflows.exporting.shapes import SETTING
from workflows.exporting.volumes import agglomerated_ids

MEASURED = {SKELETONS: CABLE, MESHES: SURFACE}
"""Columns, by the shapes that they are measured on."""


def with_columns(
    table: SegmentTable,
    source: Path,
    volume: Volume,
    choice: Choice,
    truth: str | None,
    truth_choice: Choice,
    agglomerated: bool,
    warn: Callable[[str], None],
) -> Volume:
    """The ids of the volume that `source` is, uint64; negative ones are 0. Gives the `table` its columns.

    That of agglomerated ids is for a run that has them, unless `volume` is of those. `warn` is given what is
    to be doubted of it. Raises InputError, also where the volume or the truth holds no ids.
    """
    ids_of(volume, "volume")
    if truth is not None:
        table.truth = LabelVolume(open_truth(volume, choice, truth, truth_choice))
    ids = LabelVolume(volume, all_are_ids=True)
    if not is_there(source / CONFIG_NAME):
        for line in smells_of_one(ids, "volume"):
            warn(line)
    elif not agglomerated:
        run = Run(source.resolve(), read_config(kept_run_file(source)))
        if is_there(run.agglomeration_file):
            try:
                table.agglomerated = agglomerated_ids(run)
            except InputError as error:
                warn(f"there is no column agglomerated_id: {error}")
    return ids


def with_shapes(table: SegmentTable, source: Path, agglomerated: bool, of_others: str | None) -> None:
    """Gives the `table` of a run columns for what its skeletons and surfaces measure.

    `of_others` says why those of the run are not those of what is in the table, None where they are. Columns
    that are not there are named in `lacking`, with why. Raises InputError.
    """
    if not is_there(source / CONFIG_NAME):
        return
    run = Run(source.resolve(), read_config(kept_run_file(source)))
    shaped: dict[Kind, np.ndarray] = {}
    for kind, columns in MEASURED.items():
        why = of_others or (None if kind in kinds(run) else f"{SETTING[kind]} is false")
        if isinstance(run.volume, Bucket):
            why = why or f"{run.volume} is asked for each by itself, which takes long"
        try:
            shaped |= {} if why else {kind: read_shaped(run, kind)}
        except InputError as error:
            why = str(error)
        if why:
            table.lacking.append(f"{', '.join(columns)}: {why}")
    if shaped:
        table.made_by = {STORED[kind] for kind in shaped}
        parts = agglomerated_ids(run).objects() if agglomerated else {}
        table.shapes = ShapeSizes(
            StoredShapes(run.volume_uri), shaped.get(SKELETONS), shaped.get(MESHES), parts
        )


def refuse_truth_elsewhere(table: SegmentTable, box: Box) -> None:
    """Raise InputError where the truth has no voxel in the box of which the `table` will be."""
    truth = table.truth
    if truth is not None and (truth.box & box).is_empty:
        raise InputError(
            f"--truth {truth.uri} lies at {truth.box}, and what is written at {box}: they share no voxel; "
            "set --truth-origin to where it begins"
        )
