"""The aligned volume: every voxel looked up once in the tiles, through one map."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from scipy.ndimage import map_coordinates

from pipeline.geometry import Box
from pipeline.results.artifacts import Artifact, Recipe, Target
from pipeline.results.parts import put
from pipeline.results.records import make
from pipeline.run_files import RunFiles
from pipeline.sections.group import groups_of, read_mesh, read_places
from pipeline.sections.mesh import Mesh
from pipeline.sections.picture import SectionPicture
from pipeline.sections.stack import Stack, dump, load
from pipeline.sections.tiles import TileSection

VERSION = 2

ROWS_AT_ONCE = 256
"""Of a section in a block: some ten numbers of eight bytes are worked out for each pixel."""

EVERY = 8
"""Pixels between the places at which the map is worked out; it is smooth, and linear between them."""

Montages = Mapping[int, tuple[TileSection, Artifact]]
"""By section, its tiles and its montage."""


def blocks(stack: Stack) -> list[Box]:
    """The disjoint boxes of whole chunks that together are the volume."""
    return stack.box.parts(stack.config.volume.block)


def sections_of(stack: Stack, block: Box) -> list[int]:
    """The sections of a block that are there."""
    return [z for z in stack.sections if block.start[0] <= z < block.stop[0]]


def groups_of_block(stack: Stack, block: Box) -> list[int]:
    """Numbers of the groups whose relaxation decides about a block."""
    return sorted({number for z in sections_of(stack, block) for number in groups_of(stack, z)})


def info_target(stack: Stack) -> Target:
    """The list of what describes the volume: its `info`."""
    recipe = Recipe("aligned volume", VERSION, {"info": _info(stack)}, {})
    return Target(stack.file("volume", "volume.json"), recipe, parts=stack.volume_folder)


def create_aligned(stack: Stack) -> Artifact:
    """Publish the `info` of the volume: uint8, one level, coordinates those of the table's pixels."""

    def write(path: Path) -> None:
        info = json.dumps(_info(stack), indent=1) + "\n"
        dump(path, {"info": put(stack.volume_folder, "info", info.encode())})

    return make(info_target(stack), write)


def aligned_target(
    stack: Stack, block: Box, montages: Montages, placed: Artifact, groups: Mapping[int, Artifact]
) -> Target:
    """The list of the files of one block; arguments as for `render_block`."""
    inputs = {"places": placed.sha256}
    inputs |= {f"group {number}": one.sha256 for number, one in groups.items()}
    for z, (section, montage) in montages.items():
        inputs |= {f"montage {z}": montage.sha256, **{tile.name: tile.stamp for tile in section.tiles}}
    settings = {
        "block": str(block),
        "scale": _info(stack)["scales"][0],
        "groups": [list(stack.groups[number]) for number in groups],
        "overlap": stack.config.alignment.group_overlap,
    }
    path = RunFiles(stack.folder).aligned_block_file(block)
    return Target(path, Recipe("render", VERSION, settings, inputs), parts=stack.volume_folder)


def render_block(
    stack: Stack, block: Box, montages: Montages, placed: Artifact, groups: Mapping[int, Artifact]
) -> Artifact:
    """Write the chunks of one of `blocks(stack)`, of the sections of `sections_of` and the groups of
    `groups_of_block`.

    Montage, affine map and bending are put together to one map, so that pixels are interpolated once. Lost
    sections, and what no tile shows, are 0; other voxels are at least 1.
    """

    def write(path: Path) -> None:
        voxels = np.zeros(block.shape, np.uint8)
        places = read_places(placed)
        for z, (section, montage) in montages.items():
            mesh = read_mesh(stack, z, places[z], groups)
            picture = SectionPicture(section, load(montage))
            voxels[z - block.start[0]] = rendered(picture, mesh, block)
        dump(path, _write_chunks(stack, block, voxels))

    return make(aligned_target(stack, block, montages, placed, groups), write)


def rendered(picture: SectionPicture, mesh: Mesh, block: Box) -> np.ndarray:
    """The part of a section that is in a block, uint8 (y, x)."""
    (_, y, x), (_, height, width) = block.start, block.shape
    rows, columns = np.arange(0, height + EVERY, EVERY), np.arange(0, width + EVERY, EVERY)
    nodes = np.stack(np.meshgrid(rows + y, columns + x, indexing="ij"), axis=-1).reshape(-1, 2)
    sources = mesh.undone(nodes.astype(float)).T.reshape(2, len(rows), len(columns))
    values = np.zeros((height, width), np.uint8)
    for top in range(0, height, ROWS_AT_ONCE):
        part = values[top : top + ROWS_AT_ONCE]
        fine = np.indices(part.shape, dtype=np.float64)
        fine[0] += top
        coordinates = np.stack([map_coordinates(source, fine / EVERY, order=1) for source in sources])
        found, there = picture.sample(coordinates, order=3)
        part[there] = np.clip(np.round(found[there]), 1, 255)
    return values


def _info(stack: Stack) -> dict[str, Any]:
    resolution = [int(n) if n == int(n) else n for n in stack.config.tiles.voxel_size_nm[::-1]]
    scale = {
        "encoding": "raw",
        "chunk_sizes": [list(stack.config.volume.chunk[::-1])],
        "key": "_".join(map(str, resolution)),
        "resolution": resolution,
        "voxel_offset": list(stack.box.start[::-1]),
        "size": list(stack.box.shape[::-1]),
    }
    return {"num_channels": 1, "type": "image", "data_type": "uint8", "scales": [scale]}


def _write_chunks(stack: Stack, block: Box, voxels: np.ndarray) -> dict[str, dict[str, Any]]:
    found = {}
    for chunk in block.parts(stack.config.volume.chunk):
        z, y, x = (f"{a}-{b}" for a, b in zip(chunk.start, chunk.stop))
        name = f"{_info(stack)['scales'][0]['key']}/{x}_{y}_{z}"
        # x, y, z in Fortran's order is z, y, x in C's
        content = np.ascontiguousarray(voxels[chunk.slices(block.start)]).tobytes()
        found[name] = put(stack.volume_folder, name, content)
    return found
