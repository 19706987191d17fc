"""Decide, for the whole volume at once, which segments of which tiles are one object."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from pipeline.config import Reconciliation
from pipeline.errors import InputError
from pipeline.reconciliation.apart import joins_to_keep
from pipeline.reconciliation.clashes import concatenate_clashes, stays_apart
from pipeline.reconciliation.conflicts import Conflicts
from pipeline.reconciliation.evidence import TileEvidence, read_evidence
from pipeline.reconciliation.id_table import IdTable, packed
from pipeline.reconciliation.joining import joins
from pipeline.reconciliation.outcome import Outcome
from pipeline.reconciliation.overlap import concatenate
from pipeline.results.artifacts import Artifact, Recipe, Target, combined
from pipeline.results.records import make
from pipeline.run_folder import Run
from pipeline.volumes import open_image
from pipeline.volumes.absence import refuse_too_much

VERSION = 3


def id_table_target(run: Run, evidence: Sequence[Artifact]) -> Target:
    """The file of the IdTable of the whole volume."""
    settings = run.config.reconciliation.model_dump(mode="json", exclude={"chunk", "block", "mips"})
    recipe = Recipe("merge", VERSION, {"reconciliation": settings}, {"evidence": combined(evidence)})
    return Target(run.id_table_file, recipe)


def merge(run: Run, evidence: Sequence[Artifact]) -> Artifact:
    """Publish the IdTable of the whole volume, and its Outcome, from the evidence of every tile in any order.

    Raises InputError when a file of evidence cannot be read, and when all tiles together lack more of the
    image than data.max_missing allows.
    """

    def write(path: Path) -> None:
        tiles = sorted((read_evidence(e) for e in evidence), key=lambda e: e.tile)
        _refuse_gaps(run, sum(tile.missing_voxels for tile in tiles))
        table = merge_segments(tiles, run.config.reconciliation)
        conflicts = Conflicts.of(concatenate_clashes([tile.clashes for tile in tiles]), table)
        table.write(path, vars(Outcome.of(tiles, table, conflicts)), conflicts.write)

    return make(id_table_target(run, evidence), write)


def _refuse_gaps(run: Run, missing_voxels: int) -> None:
    """Raise InputError where so many voxels of the image are too many to be missing in the inference box."""
    if missing_voxels:
        box = run.inference_box
        what = f"tiles found {missing_voxels:,} voxels of the image missing in inference.box {box}"
        refuse_too_much(missing_voxels / box.size, what, open_image(run), run.config.data)


def merge_segments(evidence: Sequence[TileEvidence], settings: Reconciliation) -> IdTable:
    """Join segments along every overlap that `joins` accepts, and everything so connected.

    Two segments that a tile keeps apart where it sees them side by side are not made one: of the joins by
    which they would be, those go first that share most voxels, and one that would close the chain is left
    out. Global ids are 1, 2, 3 ... in the order of each object's first segment, by tile and local id, so they
    do not depend on the order of `evidence`. Raises InputError unless there is one for each tile 0, 1, 2 ...
    """
    evidence = sorted(evidence, key=lambda e: e.tile)
    if [e.tile for e in evidence] != list(range(len(evidence))):
        raise InputError(f"evidence is of the tiles {[e.tile for e in evidence]}; expected each tile once")
    counts = [len(e.ids) for e in evidence]
    local_ids = np.concatenate([np.zeros(0, np.uint32), *(e.ids for e in evidence)])
    tile_of_node = np.repeat(np.arange(len(evidence)), counts)
    nodes = packed(tile_of_node, local_ids)

    overlaps = concatenate([e.overlaps for e in evidence])
    tile_a = np.repeat([e.tile for e in evidence], [len(e.overlaps) for e in evidence])
    tile_b = np.concatenate([np.zeros(0, np.int64), *(e.neighbour for e in evidence)])
    joined = joins(overlaps, settings)
    a = np.searchsorted(nodes, packed(tile_a[joined], overlaps.a[joined]))
    b = np.searchsorted(nodes, packed(tile_b[joined], overlaps.b[joined]))
    clashes = concatenate_clashes([e.clashes for e in evidence])
    two = [np.searchsorted(nodes, packed(clashes.keeper, ids)) for ids in (clashes.first, clashes.second)]
    apart = np.stack(two, axis=1)[stays_apart(clashes, settings)]
    return IdTable(
        offsets=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        local_ids=local_ids,
        global_ids=_object_numbers(len(nodes), a, b, overlaps.shared[joined], apart),
    )


def _object_numbers(
    nodes: int, a: np.ndarray, b: np.ndarray, shared: np.ndarray, apart: np.ndarray
) -> np.ndarray:
    """Of every node its object, where the joins a-b are made as far as no two nodes in `apart` are one.

    Nearly all objects have nobody in `apart`, and joins are looked at one by one in the others alone.
    """
    number = _component_numbers(nodes, a, b)
    first, second = number[apart].T
    torn = np.isin(number[a], first[first == second])
    if not torn.any():
        return number
    made = np.ones(len(a), bool)
    made[torn] = joins_to_keep(a[torn], b[torn], shared[torn], apart[first == second])
    return _component_numbers(nodes, a[made], b[made])


def _component_numbers(nodes: int, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The component of every node of the graph with edges a-b, numbered from 1 by their first nodes."""
    graph = coo_array((np.ones(len(a), np.int8), (a, b)), shape=(nodes, nodes))
    count, component = connected_components(graph, directed=False)
    first = np.full(count, nodes)
    np.minimum.at(first, component, np.arange(nodes))
    number = np.empty(count, np.uint64)
    number[np.argsort(first)] = np.arange(1, count + 1)
    return number[component]
