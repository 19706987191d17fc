"""How much work a resolved run is, in numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pipeline.config import RunConfig
from pipeline.geometry import Tile, Triple
from pipeline.run_folder import Run

BYTES_PER_SEGMENTED_VOXEL = 2.0
"""Room asked for on disk: compressed tiles and the volume took 0.4 on FIB-25; this leaves a margin."""

BYTES_PER_WRITTEN_VOXEL = 1.0
"""What of that is the volume's, by each of its voxels."""

BYTES_PER_PHANTOM_VOXEL = 2.0
BYTES_PER_ALIGNED_VOXEL = 1.5
"""One each, and what is kept of how sections lie on each other."""

BYTES_PER_MESHED_VOXEL = 3.0
BYTES_PER_TRACED_VOXEL = 0.5
"""Of the volume; pieces and what is stored of them took 1.6 and 0.15 on the demo's phantom."""

STORED = 0.25
"""What part of these is stored in the volume, 0.21 and 0.36 there; pieces are the rest."""

NETWORKS_KEPT = 9
"""Of a training: the network, and two checkpoints of it with the means of its weights and the optimiser's two
moments."""

BYTES_BESIDE = 10e6
"""Logs, reports and records, of whatever size the run is."""

CALLS_PER_STEP_VOLUME = 1.3
"""Network calls per prod(deltas) voxels that can be a FOV's centre, at the deltas of the network: measured
1.29 on FIB-25 and 1.2 on the phantom."""

MORE_IN_LONGER_STEPS = 0.7
"""The power of inference.deltas over the network's with which they grow, where FOVs overlap less and more of
them are tried: 1.73 on FIB-25 at deltas of 12 instead of 8."""


@dataclass(frozen=True)
class Plan:
    """What a run will do, in numbers."""

    tiles: int
    passes: int
    """Segmentations of each tile."""
    tile_grid: Triple
    overlap_factor: float
    """Voxels segmented, tile by tile, per voxel of the inference box."""
    network_calls: int
    flops_per_call: int
    bytes_on_disk: int


def plan(run: Run, measured: Mapping[Triple, float] | None = None) -> Plan:
    """Estimate the work of a resolved run.

    `measured` are network calls per prod(deltas) centres of FOVs, by deltas, where they are known.
    """
    config, passes = run.config, run.passes
    tiled = run.grid.tiled_voxels
    return Plan(
        tiles=len(run.grid),
        passes=len(passes),
        tile_grid=run.grid.shape,
        overlap_factor=tiled / run.inference_box.size,
        network_calls=sum(_calls(one, measured or {}) for one in passes),
        flops_per_call=_flops_per_call(config),
        bytes_on_disk=bytes_on_disk(run),
    )


def _calls(run: Run, measured: Mapping[Triple, float]) -> int:
    """Network calls of one segmentation of all tiles."""
    deltas, own = run.config.inference_deltas, run.config.network.deltas
    longer = max(1.0, (math.prod(deltas) / math.prod(own)) ** (1 / 3))
    calls = measured.get(deltas, CALLS_PER_STEP_VOLUME * longer**MORE_IN_LONGER_STEPS)
    return round(calls * _centres(run) / math.prod(deltas))


def centres(run: Run, tile: Tile) -> int:
    """Voxels of one tile, with the context mirrored around it, on which a FOV can be centred."""
    outer, count = run.inference_box, 1
    for axis, fov in enumerate(run.config.network.fov):
        at_faces = (tile.box.start[axis] == outer.start[axis]) + (tile.box.stop[axis] == outer.stop[axis])
        context = at_faces * (fov // 2) if run.config.inference.reflect else 0
        count *= max(1, tile.box.shape[axis] - 2 * (fov // 2) + context)
    return count


def _centres(run: Run) -> int:
    """Voxels, of all tiles together, on which a FOV can be centred."""
    count = 1
    for fov, tiles, tiled in zip(run.config.network.fov, run.grid.shape, run.grid.tiled_lengths):
        margins = 2 * (fov // 2)
        context = margins if run.config.inference.reflect else 0
        count *= max(1, tiled - tiles * margins + context)
    return count


def segmentations_of_a_tile(run: Run) -> int:
    """How many are kept: that of each pass and, where there are several, what these agree on."""
    passes = len(run.passes)
    return 1 if passes == 1 else passes + 1


def bytes_on_disk(run: Run) -> int:
    """At most, about; what goes to a bucket is none of it."""
    return round(sum(bytes_in_folders(run).values()))


def bytes_in_folders(run: Run) -> dict[Path, float]:
    """The same by the folders that hold them, of which each may be a link to another file system."""
    tiled, stored = segmentations_of_a_tile(run) * run.grid.tiled_voxels, run.config.reconciliation
    phantom = math.prod(run.config.data.phantom.shape) if run.uses_phantom else 0
    aligned = run.aligned.size if run.aligned else 0
    shapes = BYTES_PER_MESHED_VOXEL * stored.meshes + BYTES_PER_TRACED_VOXEL * stored.skeletons
    networks = (NETWORKS_KEPT if run.config.trains else 1) + len(run.trials)
    voxels = run.inference_box.size
    volume = (BYTES_PER_WRITTEN_VOXEL + STORED * shapes) * voxels
    pieces = (1 - STORED) * shapes * voxels
    return {
        run.folder: BYTES_BESIDE,
        run.phantom_file.parent: BYTES_PER_PHANTOM_VOXEL * phantom,
        run.aligned_folder: BYTES_PER_ALIGNED_VOXEL * aligned,
        run.model_file.parent: networks * 4 * _weights(run.config),
        run.tiles_folder: BYTES_PER_SEGMENTED_VOXEL * tiled - BYTES_PER_WRITTEN_VOXEL * voxels + pieces,
        run.segmentation_folder: volume if run.config.data.output is None else 0.0,
    }


def _flops_per_call(config: RunConfig) -> int:
    """Multiplications and additions of all convolutions over one FOV."""
    return 2 * _weights(config) * math.prod(config.network.fov)


def _weights(config: RunConfig) -> int:
    """Of all convolutions, without their biases."""
    network = config.network
    kernel = 27 * network.features
    return kernel * 2 + (2 * network.depth - 1) * kernel * network.features + network.features
