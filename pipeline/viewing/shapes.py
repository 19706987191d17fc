"""AgglomeratedShapes: what Neuroglancer draws of agglomerated objects in three dimensions."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from pipeline.export.shapes import StoredShapes
from pipeline.reconciliation import MESHES, SKELETONS, Kind, read_shaped
from pipeline.results.agglomerated_ids import AgglomeratedIds
from pipeline.run_folder import Run
from pipeline.wording import counted

MOST_BYTES = 8 << 20
"""In which the surface of an object is stored: of a larger one a coarser level is drawn."""

INFO: Mapping[str, dict[str, Any]] = {
    MESHES.folder: {"@type": "neuroglancer_legacy_mesh"},
    SKELETONS.folder: {
        "@type": "neuroglancer_skeletons",
        "transform": [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0],
        "vertex_attributes": [{"id": "radius", "data_type": "float32", "num_components": 1}],
    },
}
NAMES = {MESHES.folder: "a mesh", SKELETONS.folder: "a skeleton"}
OF_OBJECT = {MESHES.folder: re.compile(r"(\d+):0"), SKELETONS.folder: re.compile(r"(\d+)")}
"""What files about an object are called; of a surface it is the one that lists the others."""
OF_PART = re.compile(r"(\d+)_(\d+)")
"""The surface of a segment at a level."""


class AgglomeratedShapes:
    """The surfaces and skeletons of objects, each those of all their parts, which a run's volume has of its
    segments; as files of Neuroglancer precomputed, each object with a file of its own.

    A surface is in the format that has one level of detail, in as many files as the object has parts. What
    has no shape has an empty one: a browser waits without end for one that is not there.
    """

    def __init__(self, run: Run, table: AgglomeratedIds, kinds: Sequence[Kind]) -> None:
        self._stored = StoredShapes(run.volume_uri)
        self._table = table
        self._shaped = {kind.folder: read_shaped(run, kind) for kind in kinds}
        self._one_at_a_time = threading.Lock()  # CloudVolume keeps what it has unpacked

    @property
    def folders(self) -> dict[str, str]:
        """How the info file of the volume names them."""
        return {folder: folder for folder in self._shaped}

    @property
    def told(self) -> list[str]:
        """A line for each kind that some of the parts do not have, since they are too small."""
        parts = np.union1d(self._table.base, self._table.agglomerated)
        without = {folder: np.setdiff1d(parts, shaped) for folder, shaped in self._shaped.items()}
        return [
            f"of {counted(len(parts), 'part')} of agglomerated objects {len(gone):,} "
            f"{'is' if len(gone) == 1 else 'are'} too small for {NAMES[folder]}"
            for folder, gone in without.items()
            if len(gone)
        ]

    def file(self, name: str) -> bytes | None:
        """The file of a name below the volume; None where there is none such. Raises InputError."""
        folder, _, file = name.partition("/")
        if folder not in self._shaped:
            return None
        if file == "info":
            return json.dumps(INFO[folder]).encode()
        of_object, of_part = OF_OBJECT[folder].fullmatch(file), OF_PART.fullmatch(file)
        with self._one_at_a_time:
            if of_object:
                made = self._manifest if folder == MESHES.folder else self._skeleton
                return made(int(of_object[1]))
            if of_part and folder == MESHES.folder:
                return self._surface(int(of_part[1]), int(of_part[2]))
        return None

    def _parts(self, of: int, folder: str) -> list[int]:
        """The segments of an object that have a shape."""
        parts, shaped = np.array(self._table.parts(of), np.uint64), self._shaped[folder]
        return parts[np.isin(parts, shaped)].tolist()

    def _manifest(self, of: int) -> bytes:
        """Of which files the surface of an object is."""
        sizes = {part: self._stored.bytes_of_surface(part) for part in self._parts(of, MESHES.folder)}
        levels = range(max(map(len, sizes.values()), default=1))

        def total(level: int) -> int:
            return sum(own[min(level, len(own) - 1)] for own in sizes.values())

        level = next((level for level in levels if total(level) <= MOST_BYTES), levels[-1])
        named = [f"{part}_{min(level, len(own) - 1)}" for part, own in sizes.items()]
        return json.dumps({"fragments": named}).encode()

    def _surface(self, part: int, level: int) -> bytes:
        corners, triangles = self._stored.surface(part, level)
        return b"".join(
            (
                np.uint32(len(corners)).tobytes(),
                corners.astype("<f4").tobytes(),
                triangles.astype("<u4").tobytes(),
            )
        )

    def _skeleton(self, of: int) -> bytes:
        found = [self._stored.skeleton(part) for part in self._parts(of, SKELETONS.folder)]
        nodes, edges, radii = (list(column) for column in zip(*found)) if found else ([], [], [])
        first = np.cumsum([0, *map(len, nodes)])
        edges = [own + start for own, start in zip(edges, first)]
        columns = [("<f4", nodes), ("<u4", edges), ("<f4", radii)]
        counts = np.array([sum(map(len, nodes)), sum(map(len, edges))], "<u4")
        return b"".join(
            [counts.tobytes(), *(own.astype(kind).tobytes() for kind, all_ in columns for own in all_)]
        )
