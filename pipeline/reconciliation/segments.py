"""How large each segment is and where it lies: measured block by block, listed for Neuroglancer."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import cc3d
import fastremap
import h5py
import numpy as np

from pipeline.errors import InputError
from pipeline.geometry import Box, Triple
from pipeline.reconciliation.write import PROPERTIES
from pipeline.results.artifacts import Artifact, Recipe, Target, combined
from pipeline.results.folders import place
from pipeline.results.hdf5_file import reading_hdf5, write_hdf5
from pipeline.results.parts import put, read_part
from pipeline.results.records import make
from pipeline.run_folder import Run
from pipeline.volumes import open_volume

MEASURE_VERSION = 1
LIST_VERSION = 1

MOST_LISTED = 1_000_000
"""Segments, the largest. A browser loads the list as a whole."""

LISTED = re.compile(rb"largest of ([\d,]+) segments are listed")
"""What `as_properties` says where it has not all segments."""

LABEL = b'"segment '
"""With what it has each of them."""


@dataclass(frozen=True)
class Segments:
    """A row a segment, in ascending order of `ids` (uint64); `voxels` int64; `start` and `stop`, int64 of
    (n, 3), z, y, x: the smallest box that holds it."""

    ids: np.ndarray
    voxels: np.ndarray
    start: np.ndarray
    stop: np.ndarray


def segments_target(run: Run, block: Box, written: Artifact) -> Target:
    """The table of the segments of one block; arguments as for `measure_block`."""
    name = "z{:06d}_y{:06d}_x{:06d}.h5".format(*block.start)
    path = place(run.reconciliation_folder / "segments", block.start, name)
    recipe = Recipe("measure", MEASURE_VERSION, {"block": str(block)}, {"segmentation": written.sha256})
    return Target(path, recipe)


def measure_block(run: Run, block: Box, written: Artifact) -> Artifact:
    """Measure the segments of one of `blocks(run)`, which is `written`. Raises InputError."""

    def write(path: Path) -> None:
        labels = open_volume(run.volume_uri).read(block)
        found = measure(labels, block.start)

        def fill(file: h5py.File) -> None:
            for column in fields(Segments):
                file[column.name] = getattr(found, column.name)

        write_hdf5(path, fill)

    return make(segments_target(run, block, written), write)


def measure(labels: np.ndarray, start: Triple) -> Segments:
    """The segments of `labels`, uint64 (z, y, x), whose first voxel is `start`; 0 is none."""
    dense, names = fastremap.renumber(labels, preserve_zero=True)
    ids = np.zeros(1 + int(dense.max()), np.uint64)
    ids[list(names.values())] = list(names)
    found = cc3d.statistics(dense, no_slice_conversion=True)
    ends = found["bounding_boxes"].astype(np.int64).reshape(-1, 3, 2) + np.array(start)[:, np.newaxis]
    order = 1 + np.argsort(ids[1:])
    voxels = found["voxel_counts"].astype(np.int64)
    return Segments(ids[order], voxels[order], ends[order, :, 0], ends[order, :, 1] + 1)


def together(parts: Sequence[Segments]) -> Segments:
    """What disjoint boxes hold together. Each segment is in one row, whatever the order of the boxes."""
    ids, voxels, start, stop = (
        np.concatenate([getattr(part, column.name) for part in parts]) for column in fields(Segments)
    )
    order = np.argsort(ids, kind="stable")
    ids, first = np.unique(ids[order], return_index=True)
    if not len(ids):
        return Segments(ids, voxels, start, stop)
    return Segments(
        ids,
        np.add.reduceat(voxels[order], first),
        np.minimum.reduceat(start[order], first),
        np.maximum.reduceat(stop[order], first),
    )


def properties_target(run: Run, measured: Sequence[Artifact]) -> Target:
    """The list of the file of properties; arguments as for `list_properties`."""
    recipe = Recipe("properties", LIST_VERSION, {"most": MOST_LISTED}, {"segments": combined(measured)})
    return Target(run.reconciliation_folder / "properties.json", recipe, parts=run.volume)


def list_properties(run: Run, measured: Sequence[Artifact]) -> Artifact:
    """Publish the properties of the volume's segments, of all blocks that `measure_block` measured.

    Of more than MOST_LISTED segments the smallest are left out, which the properties say. Raises InputError.
    """

    def write(path: Path) -> None:
        found = together([read_segments(part) for part in measured])
        name, content = f"{PROPERTIES}/info", json.dumps(as_properties(found)).encode()
        path.write_text(json.dumps({name: put(run.volume, name, content)}, indent=1))

    return make(properties_target(run, measured), write)


def as_properties(found: Segments, most: int = MOST_LISTED) -> dict[str, Any]:
    """The segments as Neuroglancer reads them, the largest first; boxes in voxels, start and stop."""
    chosen = np.lexsort((found.ids, -found.voxels))[:most]
    ids = [str(i) for i in found.ids[chosen]]
    of = f" (the {len(ids):,} largest of {len(found.ids):,} segments are listed)"
    told = f"how many voxels it has{of if len(found.ids) > most else ''}"
    ends = [
        _numbers(f"{axis}_{end}", f"{end} of the box that holds it, along {axis}", values[chosen, i])
        for i, axis in enumerate("zyx")
        for end, values in (("start", found.start), ("stop", found.stop))
    ]
    label = {"id": "label", "type": "label", "values": [f"segment {i}" for i in ids]}
    properties = [label, _numbers("voxels", told, found.voxels[chosen]), *ends]
    return {
        "@type": "neuroglancer_segment_properties",
        "inline": {"ids": ids, "properties": properties},
    }


def count_in_volume(run: Run) -> int | None:
    """How many segments the run's volume has, by the list of them that it has once it is whole; None where
    that is not there. Raises Unreadable.

    The list is not parsed: of a million segments that takes seconds and a gigabyte.
    """
    listed = read_part(run.volume, f"{PROPERTIES}/info")
    if listed is None:
        return None
    of_many = LISTED.search(listed)
    return int(of_many[1].replace(b",", b"")) if of_many else listed.count(LABEL)


def _numbers(name: str, description: str, values: np.ndarray) -> dict[str, Any]:
    """Of 32 bits, as Neuroglancer has it; where one is larger all are rounded, which is told."""
    low, high = (int(values.min()), int(values.max())) if len(values) else (0, 0)
    fitting = (t for t in (np.uint32, np.int32) if np.iinfo(t).min <= low and high <= np.iinfo(t).max)
    dtype = np.dtype(next(fitting, np.float32))
    values = values.astype(dtype)
    if dtype.kind == "f":
        description += ", rounded to 7 digits"
    told = {"id": name, "type": "number", "data_type": dtype.name, "description": description}
    return {**told, "values": values.tolist()}


def read_segments(artifact: Artifact) -> Segments:
    """What `measure_block` has measured. Raises InputError."""
    try:
        with reading_hdf5(artifact.path) as file:
            return Segments(*(file[column.name][()] for column in fields(Segments)))
    except (OSError, KeyError) as error:
        raise InputError(
            f"cannot read {artifact.path}: {error}; remove it, and the run makes it again"
        ) from error
