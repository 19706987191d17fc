"""Write the reconciled segmentation as a Neuroglancer precomputed volume, block by block."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from cloudvolume import CloudVolume

from pipeline import artifacts
from pipeline.artifacts import Artifact, Recipe
from pipeline.geometry import Box, Tile
from pipeline.reconciliation.id_table import read_tile_ids
from pipeline.reconciliation.tile_labels import read_labels
from pipeline.run_folder import Run
from pipeline.volumes import open_image

VERSION = 2
UNKNOWN_VOXEL_SIZE_NM = (1.0, 1.0, 1.0)


def blocks(run: Run) -> list[Box]:
    """The disjoint boxes that together are the inference box, each of whole chunks of the volume.

    Chunks are counted from the volume's first voxel, so only blocks at its end hold cut ones.
    """
    start = run.inference_box.start
    whole = Box.of_shape(run.inference_box.shape)
    return [block.translate(start) for block in whole.blocks(run.config.reconciliation.block)]


def tiles_of_block(run: Run, block: Box) -> list[Tile]:
    """The tiles whose cores hold voxels of the block, in order of index."""
    return [tile for tile in run.grid.intersecting(block) if not (tile.core & block).is_empty]


def create_segmentation(run: Run) -> None:
    """Publish the `info` of the volume at `run.segmentation_folder`, unless it is there already.

    The volume is uint64 over the inference box, its voxel size that of the image (1 nm where unknown).
    A volume of another box or other chunks is removed: its chunks would lie among the new ones.
    """
    text = json.dumps(_info(run), indent=1, sort_keys=True)
    path = run.segmentation_folder / "info"
    if not path.exists() or path.read_text() != text:
        shutil.rmtree(run.segmentation_folder, ignore_errors=True)
        with artifacts.publishing(path) as temporary:
            temporary.write_text(text)


def write_block(run: Run, block: Box, id_table: Artifact, tiles: Mapping[int, Artifact]) -> Artifact:
    """Write the chunks of one of `blocks(run)`; `tiles` holds at least the tiles of `tiles_of_block`.

    The volume must have been created. Blocks may be written in any order and at the same time; each chunk
    file appears whole or not at all, and equal input gives equal bytes. The artifact is a JSON object: of
    every chunk file its size and SHA-256. Raises InputError when a tile's file cannot be read.
    """
    involved = tiles_of_block(run, block)

    def write(path: Path) -> None:
        labels = assemble(block, involved, id_table, tiles)
        path.write_text(json.dumps(_write_chunks(run, block, labels), indent=1))

    path = run.reconciliation_folder / "blocks" / "z{:06d}_y{:06d}_x{:06d}.json".format(*block.start)
    recipe = Recipe(
        "write",
        VERSION,
        {"block": str(block), "info": _info(run)},
        {"id table": id_table.sha256, **{str(t.box): tiles[t.index].sha256 for t in involved}},
    )
    done = artifacts.finished(path, recipe)
    if done is not None and not _chunks_are_there(run, path):
        path.unlink(missing_ok=True)
    return artifacts.make(path, recipe, write)


def assemble(
    block: Box, involved: list[Tile], id_table: Artifact, tiles: Mapping[int, Artifact]
) -> np.ndarray:
    """Global ids of the block, uint64 (z, y, x): each voxel's from the tile whose core holds it.

    What that tile left blank stays blank. Filling it from the other tiles, which see it near their edge,
    took the coverage of FIB-25 in 8 tiles from 0.960 to 0.968 and the ARE of both_foreground from 0.075
    to 0.078: what two tiles disagree on is more often wrong.
    """
    labels = np.zeros(block.shape, np.uint64)
    for tile in involved:
        part = tile.core & block
        ids = read_tile_ids(id_table, tile.index)
        labels[part.slices(block.start)] = ids.to_global(read_labels(tile, tiles[tile.index], part))
    return labels


def _info(run: Run) -> dict:
    box = run.inference_box
    size_nm = open_image(run).voxel_size_nm or UNKNOWN_VOXEL_SIZE_NM
    return CloudVolume.create_new_info(
        num_channels=1,
        layer_type="segmentation",
        data_type="uint64",
        encoding="compressed_segmentation",
        resolution=[int(n) if n == int(n) else n for n in reversed(size_nm)],
        voxel_offset=box.start[::-1],
        volume_size=box.shape[::-1],
        chunk_size=run.config.reconciliation.chunk[::-1],
    )


def _write_chunks(run: Run, block: Box, labels: np.ndarray) -> dict[str, dict]:
    """Let CloudVolume write the chunks aside, and publish each in the volume."""
    with tempfile.TemporaryDirectory() as folder:
        # Not gzipped: depending on the library its header holds the time of writing, and a plain
        # file server cannot tell a browser that a chunk has to be unpacked.
        aside = CloudVolume(f"file://{folder}", info=_info(run), compress=False, progress=False)
        z, y, x = block.slices()
        aside[x, y, z] = labels.T
        return {
            str(file.relative_to(folder)): _publish_chunk(
                file, run.segmentation_folder / file.relative_to(folder)
            )
            for file in sorted(Path(folder).rglob("*"))
            if file.is_file()
        }


def _publish_chunk(file: Path, path: Path) -> dict:
    with artifacts.publishing(path) as temporary:
        shutil.copyfile(file, temporary)
    return {"size": path.stat().st_size, "sha256": artifacts.file_sha256(path)}


def _chunks_are_there(run: Run, record: Path) -> bool:
    chunks = [
        (run.segmentation_folder / name, of["size"]) for name, of in json.loads(record.read_text()).items()
    ]
    return all(path.exists() and path.stat().st_size == size for path, size in chunks)
