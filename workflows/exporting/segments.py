"""What a table says of segments beside their size: which object each is a part of, and which true one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from pipeline.errors import InputError
from pipeline.evaluation.comparison import ids_of, open_truth
from pipeline.evaluation.smells import smells_of_one
from pipeline.export.segment_table import SegmentTable
from pipeline.geometry import Box
from pipeline.results.unreadable import is_there
from pipeline.run_files import CONFIG_NAME
from pipeline.run_folder import Run
from pipeline.settings.run_file import read_config
from pipeline.volumes import Choice, Volume
from pipeline.volumes.labels import LabelVolume
from workflows.command_line import kept_run_file
from workflows.exporting.volumes import agglomerated_ids


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


def refuse_truth_elsewhere(table: SegmentTable, box: Box) -> None:
    """Raise InputError where the truth has no voxel in the box of which the `table` will be."""
    truth = table.truth
    if truth is not None and (truth.box & box).is_empty:
        raise InputError(
            f"--truth {truth.uri} lies at {truth.box}, and what is written at {box}: they share no voxel; "
            "set --truth-origin to where it begins"
        )
