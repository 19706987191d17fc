"""Surfaces and skeletons of chosen segments of a run, written for other programs."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path

import numpy as np

from pipeline.errors import InputError
from pipeline.export.files import new_file, new_folder, refuse_present
from pipeline.export.shapes import StoredShapes, write_obj, write_swc
from pipeline.reconciliation import MESHES, SKELETONS, Kind, kinds, read_shaped, written_voxel_size_nm
from pipeline.results.unreadable import is_there
from pipeline.run_files import CONFIG_NAME
from pipeline.run_folder import Run
from pipeline.settings.run_file import read_config
from pipeline.viewing.run_layers import STORED
from pipeline.volumes.frame import size_text
from workflows.command_line import kept_run_file
from workflows.exporting import OBJ, SWC
from workflows.exporting.volumes import agglomerated_ids, earlier_told

KINDS = {OBJ: MESHES, SWC: SKELETONS}
"""By the ending of a name."""
SETTING = {MESHES: "reconciliation.meshes", SKELETONS: "reconciliation.skeletons"}
"""What has a run make them."""


def export_shapes(
    source: Path, out: Path, ids: Collection[int], agglomerated: bool, warn: Callable[[str], None]
) -> str:
    """Write the shapes of some segments, or agglomerated ones, of the run in a folder; what was written.

    OBJ is one file of all; SWC a file, or of several segments a folder of files. `warn` is given what is to
    be doubted of them, before they are written. Raises InputError.
    """
    if not is_there(source / CONFIG_NAME):
        raise InputError(f"{out.suffix} is for segments of runs, but {source} is no run's folder")
    run, kind = Run(source.resolve(), read_config(kept_run_file(source))), KINDS[out.suffix.lower()]
    if kind not in kinds(run):
        raise InputError(
            f"run {source} makes no {kind.folder}: set {SETTING[kind]} to true and go on with it, which "
            "makes these alone"
        )
    if not ids:
        raise InputError("--segments is not set: name the ids of those to write, such as 12,57")
    refuse_present(out)
    objects, left_out = _objects(run, kind, ids, agglomerated)
    made_by = {"write", STORED[kind], *["agglomerate"] * agglomerated}
    for line in earlier_told(source, made_by):
        warn(line)
    shapes = StoredShapes(run.volume_uri)
    if kind == MESHES:
        with new_file(out) as path:
            write_obj(shapes, objects, path)
    elif len(objects) == 1:
        with new_file(out) as path:
            write_swc(shapes, next(iter(objects.values())), path)
    else:
        with new_folder(out) as folder:
            for name, segments in objects.items():
                write_swc(shapes, segments, folder / f"{name}.swc")
    size = written_voxel_size_nm(run)
    without = f"; {left_out:,} of their parts are too small to have one" if left_out else ""
    named = ", ".join(map(str, objects))
    return f"{out}: {kind.folder} of {named}, in nm, of voxels of {size_text(size)}{without}"


def _objects(
    run: Run, kind: Kind, ids: Collection[int], agglomerated: bool
) -> tuple[Mapping[int, Sequence[int]], int]:
    """Of each id the segments of the volume that have a shape, and how many others it has.

    Raises InputError where one has none.
    """
    shaped, objects = read_shaped(run, kind), {i: [i] for i in ids}
    if agglomerated:
        table = agglomerated_ids(run)
        for i in ids:
            whole = int(table.of(np.array(i, np.uint64)))
            if whole != i:
                raise InputError(f"segment {i} is a part of {whole} once agglomerated: name that")
        objects = {i: table.parts(i) for i in ids}
    there = {i: [s for s in segments if np.isin(s, shaped)] for i, segments in objects.items()}
    without = [str(i) for i, segments in there.items() if not segments]
    if without:
        raise InputError(
            f"the run has no {kind.folder} of {', '.join(without)}: no segment of its volume, or one of "
            f"fewer than {kind.least_voxels:,} voxels"
        )
    return there, sum(map(len, objects.values())) - sum(map(len, there.values()))
