"""Put the pieces of segments together, and store them: a file (shard) for many segments."""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path

import numpy as np

from pipeline.reconciliation.shapes.assembly import Piece, levels_of_detail
from pipeline.reconciliation.shapes.cells import Cell, CellGrid
from pipeline.reconciliation.shapes.listing import read_rows
from pipeline.reconciliation.shapes.manifest import multiresolution
from pipeline.reconciliation.shapes.meshes import lattice, mesh_cells, mesh_levels
from pipeline.reconciliation.shapes.pieces import read_pieces
from pipeline.reconciliation.shapes.skeletons import skeleton
from pipeline.reconciliation.shapes.stored import (
    MESHES,
    SKELETONS,
    Kind,
    shape_info,
    shard_name,
    sharding,
    voxel_size_nm,
)
from pipeline.results.artifacts import Artifact, Recipe, Target
from pipeline.results.part_sums import identity_of
from pipeline.results.parts import put
from pipeline.results.records import make
from pipeline.run_folder import Run

VERSIONS = {MESHES: 1, SKELETONS: 4}

SHARDS_PER_FOLDER = 512

DETAIL = 4
"""Of a voxel's shortest side: so long are the finest triangles, more or less. Neuroglancer chooses by it."""


def shard_target(run: Run, kind: Kind, number: int, listing: Artifact) -> Target:
    """The list of the shard's one file; arguments as for `write_shard`.

    Of the listing it depends on the shard's own pieces, and on nothing else. Raises Unreadable.
    """
    settings = {"number": number, "info": shape_info(run, kind)}
    recipe = Recipe(
        f"{kind.folder} shard", VERSIONS[kind], settings, {"pieces": identity_of(listing, [number])}
    )
    name = f"{kind.folder}_{number // SHARDS_PER_FOLDER}/{kind.folder}_{number}.json"
    path = run.reconciliation_folder / "shards" / name
    return Target(path, recipe, parts=run.volume)


def write_shard(run: Run, kind: Kind, number: int, listing: Artifact) -> Artifact:
    """Publish the file of the volume that holds the shapes of all segments of one shard.

    A shard without segments is written too. In memory are all its pieces. Raises InputError.
    """

    def write(path: Path) -> None:
        name = shard_name(run, kind, number)
        content = (_lines if kind == SKELETONS else _surfaces)(run, listing, number)
        path.write_text(json.dumps({name: put(run.volume, name, content)}, indent=1))

    return make(shard_target(run, kind, number, listing), write)


def _surfaces(run: Run, listing: Artifact, number: int) -> bytes:
    """Each segment's manifest, and before it the fragments, which nothing but this names."""
    cells = mesh_cells(run)
    pieces: dict[int, dict[Cell, Piece]] = defaultdict(dict)
    for row, (file, wanted) in read_rows(run, listing, number).items():
        for i, (fragment, goes_on) in read_pieces(file, ("fragment", "goes on"), wanted).items():
            pieces[i][cells[row]] = fragment.tobytes(), bool(goes_on[0])
    size = voxel_size_nm(run)
    cell_nm = [side * length for side, length in zip(CellGrid.of(run).side, size)][::-1]
    contents, sizes = {}, {}
    for i in sorted(pieces):
        levels = levels_of_detail(pieces.pop(i), mesh_levels(run), lattice(run).cell)
        fragments, manifest = multiresolution(levels, cell_nm, DETAIL * min(size))
        contents[i], sizes[i] = fragments + manifest, len(manifest)
    return _shard(run, contents, sizes)


def _lines(run: Run, listing: Artifact, number: int) -> bytes:
    """Each segment's skeleton."""
    pieces: dict[int, list[list[np.ndarray]]] = defaultdict(list)
    for file, wanted in read_rows(run, listing, number).values():
        for i, piece in read_pieces(file, ("nodes", "radii", "edges"), wanted).items():
            pieces[i].append(piece)
    return _shard(run, {i: skeleton(pieces.pop(i), voxel_size_nm(run)) for i in sorted(pieces)})


def _shard(run: Run, contents: dict[int, bytes], sizes: dict[int, int] | None = None) -> bytes:
    """A shard's file; of each content the last so many bytes are what is found under the id."""
    from cloudvolume.datasource.precomputed.sharding import ShardingSpecification  # loads much

    specification = ShardingSpecification.from_dict(sharding(run))
    return specification.synthesize_shard(contents, data_offset=sizes)
