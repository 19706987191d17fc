"""What there is to see of a run: its volumes, and the places where it is wrong; of its state alone."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pipeline.agglomerated import refuse_of_another
from pipeline.errors import InputError
from pipeline.reconciliation import MESHES, SKELETONS, Kind, kinds, read_shaped
from pipeline.results.agglomerated_ids import read_agglomerated_ids
from pipeline.results.bucket import Bucket
from pipeline.results.parts import has_part, read_part
from pipeline.results.unreadable import is_there
from pipeline.run_folder import Run
from pipeline.settings.corrections import read_corrections
from pipeline.viewing.decisions import Decisions
from pipeline.viewing.layers import Shown
from pipeline.viewing.links import run_key
from pipeline.viewing.shapes import AgglomeratedShapes
from pipeline.viewing.tiles import TileVolume
from pipeline.viewing.worst_points import conflict_points, lost_run_points, told_of_more, worst_points
from pipeline.volumes import Choice, Volume, VoxelSize, open_image, open_labels, open_volume
from pipeline.volumes.absence import absence
from pipeline.volumes.agglomerated import AgglomeratedVolume

if TYPE_CHECKING:
    from pipeline.report.earlier import Earlier

MOST_IN_3D = 30
"""Segments that are drawn in three dimensions as soon as a scene opens: more would hide each other."""

MOST_CORRECTIONS = 1000
"""That a scene has: browsers take addresses of a megabyte."""

STORED = {MESHES: "store meshes", SKELETONS: "store skeletons"}
"""The stages that put shapes into the volume."""


def layers_of_run(run: Run, earlier: Earlier | None = None) -> Shown:
    """Image, segmentations and truth of a run, whatever of them is there; tiles while there is no more.

    What is of an earlier state of the run, as far as `earlier` says, is left out, which is told.
    """
    shown = Shown(run.folder.name, run_key(run))
    gone: frozenset[str] = earlier.stages if earlier else frozenset()
    image = None if "render" in gone else shown.add_if_there("image", "image", partial(open_image, run))
    is_complete = False
    if "write" not in gone:
        left = earlier.left_of("write") if earlier else 0
        is_complete = _add_segmentation(shown, run, gone, left)
    for folder in _other_segmentations(run):
        shown.add_if_there(folder.name, "segmentation", partial(open_volume, f"precomputed://{folder}"))
    if not is_complete and run.config.inference.box is not None:
        _add_tiles(shown, run, image.voxel_size_nm if image else None, earlier)
    if run.config.data.labels is not None:
        shown.add_if_there("truth", "segmentation", partial(_truth, run, image))
    else:
        shown.lacking.append("no truth: data.labels is not set")
    if "worst" not in gone:
        shown.worst = shown.or_told(worst_points, run.worst_file) or []
    if "run length" not in gone:
        shown.lost_runs = shown.or_told(lost_run_points, run.run_length_file) or []
    if "conflicts" not in gone:
        shown.conflicts = shown.or_told(conflict_points, run.conflicts_file) or []
    for layer, count, file, points in (
        ("worst", "errors", run.worst_file, shown.worst),
        ("conflicts", "conflicts", run.conflicts_file, shown.conflicts),
    ):
        if points:
            shown.lacking += shown.or_told(told_of_more, file, layer, count, len(points)) or []
    _add_corrections(shown, run)
    if earlier is not None:
        shown.lacking += earlier.told()
        drawn = [stage for stage in _in_the_volume(run) if stage in gone and "write" not in gone]
        if drawn:
            shown.lacking.append(f"but a browser has these from the segmentation itself: {', '.join(drawn)}")
    return shown


def _add_segmentation(shown: Shown, run: Run, gone: frozenset[str], left: int) -> bool:
    """The run's segmentation, base and agglomerated, if it is there: whether it is complete. Of its blocks so
    many are `left` to be written."""
    if not shown.or_told(has_part, run.volume, "info"):
        shown.lacking.append("no segmentation: the tiles are not yet joined")
        return False
    bucket = run.volume if isinstance(run.volume, Bucket) else None
    found = shown.add_if_there("segmentation", "segmentation", partial(open_volume, run.volume_uri), bucket)
    if found is None:
        return False
    largest = shown.or_told(largest_shaped, run) if gone.isdisjoint(_in_the_volume(run)) else None
    shown.in_3d["segmentation"] = largest or []
    if "agglomerate" not in gone and is_there(run.agglomeration_file):
        shown.or_told(_add_agglomeration, shown, run, found, largest or [])
    shown.or_told(_tell_of_coarser, shown, run)
    if left:
        shown.lacking.append(
            f"the segmentation is not complete: {left:,} of its blocks are yet to be written"
        )
        return False
    return shown.or_told(_is_complete, shown, found) or False


def _add_agglomeration(shown: Shown, run: Run, segmentation: Volume, largest: Sequence[int]) -> None:
    """The layer of agglomerated ids, and the points at which it was decided. Raises InputError."""
    add_agglomerated(shown, run, "agglomerated", segmentation, largest)
    found = Decisions.of(run)
    shown.joined, shown.not_joined = found.joined, found.not_joined
    shown.lacking += found.told


def _add_corrections(shown: Shown, run: Run) -> None:
    """Those that the run has, for what is saved of a scene to have them too."""
    path = run.config.reconciliation.corrections
    if path is None:
        return
    found = shown.or_told(read_corrections, Path(path), shown.voxel_size_nm)
    if found is not None and len(found) <= MOST_CORRECTIONS:
        shown.corrections = found
        return
    many = f"the {len(found):,} corrections of the run are too many: " if found else ""
    shown.lacking.append(f"{many}joins and cuts lack what {path} has")


def _in_the_volume(run: Run) -> list[str]:
    """Stages whose results a browser takes from the volume itself, as that names them: what is earlier of
    them is seen, and told. Shapes that a run has no more are files that nothing names."""
    return ["downsample", "properties", *(STORED[kind] for kind in kinds(run))]


def _truth(run: Run, image: Volume | None) -> Volume:
    """The labels, voxel on voxel of the image, whatever size their file says. Raises InputError."""
    truth = open_labels(run)
    if image is not None:
        truth.frame = replace(truth.frame, voxel_size_nm=image.voxel_size_nm)
    return truth


def _other_segmentations(run: Run) -> list[Path]:
    """The folders of precomputed volumes in the run folder whose name begins so, beside the run's own."""
    found = {info.parent for info in run.folder.glob("segmentation*/info")}
    return sorted(found - {run.segmentation_folder}, key=lambda folder: folder.name)


def _is_complete(shown: Shown, segmentation: Volume) -> bool:
    """Whether no chunk is missing, by a sample of them where there are many; else how many are is told."""
    gone = absence(segmentation, segmentation.box)
    if gone.missing:
        shown.lacking.append(f"the segmentation is not complete: {gone.text('chunks')}")
    return not gone.missing


def _tell_of_coarser(shown: Shown, run: Run) -> None:
    """Tell of levels that are not whole: from afar a browser shows one of them alone. Raises InputError."""
    listed = read_part(run.volume, "info")
    scales = json.loads(listed)["scales"] if listed else []
    gone = [str(level) for level in range(1, len(scales)) if not _is_whole(run, level)]
    if gone:
        lack = "level {} lacks" if len(gone) == 1 else "levels {} lack"
        levels = lack.format(" and ".join(gone))
        shown.lacking.append(f"seen from afar the segmentation is not complete: {levels} chunks")


def _is_whole(run: Run, level: int) -> bool:
    try:
        volume = open_volume(run.volume_uri, Choice(level=level))
    except InputError:  # nothing of it is stored
        return False
    return not absence(volume, volume.box).missing


def _drawn_kinds(run: Run) -> list[Kind]:
    """The kinds of shapes that the volume has. Raises Unreadable."""
    return [kind for kind in kinds(run) if has_part(run.volume, f"{kind.folder}/info")]


def largest_shaped(run: Run) -> list[int]:
    """The largest segments, the largest first, of which the volume has all the kinds of shapes that it has.

    A browser waits without end for the mesh of a segment that has none.
    """
    shown = _drawn_kinds(run)
    if not shown:
        return []
    shaped = set.intersection(*(set(read_shaped(run, kind).tolist()) for kind in shown))
    listed = read_part(run.volume, "segment_properties/info")
    try:
        ids = map(int, json.loads(listed)["inline"]["ids"] if listed else [])  # as `as_properties` lists them
    except (ValueError, KeyError, TypeError):
        raise InputError(f"{run.volume}: segment_properties/info is no list of segments") from None
    return list(islice((i for i in ids if i in shaped), MOST_IN_3D))


def add_agglomerated(shown: Shown, run: Run, name: str, segmentation: Volume, largest: Sequence[int]) -> None:
    """The run's segmentation under agglomerated ids as a layer, with shapes where there are `largest_shaped`.

    Raises InputError.
    """
    refuse_of_another(run)
    table = read_agglomerated_ids(run.agglomeration_file)
    shapes = AgglomeratedShapes(run, table, _drawn_kinds(run)) if largest else None
    shown.add(name, "segmentation", AgglomeratedVolume(segmentation, table), shapes=shapes)
    shown.lacking += shapes.told if shapes else []
    objects = table.of(np.array(largest, np.uint64)).tolist()
    shown.in_3d[name] = list(dict.fromkeys(objects))


def _add_tiles(shown: Shown, run: Run, size_nm: VoxelSize | None, earlier: Earlier | None) -> None:
    tiles = TileVolume(run, size_nm, earlier.fingerprints if earlier else frozenset())
    finished = sum(map(tiles.is_finished, run.grid))
    told = f"{finished:,} of {len(run.grid):,} tiles are finished"
    if finished:
        shown.add("tiles", "segmentation", tiles)
        told += "; each has ids of its own"
    shown.lacking.append(told)
