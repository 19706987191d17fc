"""How fast tiles become one volume, and whether it is the one that they were cut from; the last line is JSON.

    python benchmarks/reconciliation.py --voxels 100000000

The truth is a cube of a phantom's processes, cut into supervoxels of about --segment-voxels, again and again,
mirrored and with other ids each time; every twentieth is blank. It is cut into overlapping tiles with ids of
their own, as inference leaves them, in a run folder of its own. Then the project's own tasks are timed, on
processes that have been started: evidence of every tile, groups, the merge, every block of the volume.
`segments` are those of all tiles, `objects` those of the volume. `cpu_s` is of the processor alone, in all
processes; `peak_mib` is of the largest process, `merge_*` of the one that merges. `equal` says whether
CloudVolume reads the truth, but for the names of its objects.
"""

from __future__ import annotations

import json
import multiprocessing
import resource
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import product
from pathlib import Path
from typing import Annotated, Any, ParamSpec

import cc3d
import fastremap
import h5py
import numpy as np
import typer
from cloudvolume import CloudVolume
from scipy.spatial import cKDTree

from pipeline import reconciliation
from pipeline.config import RunConfig
from pipeline.geometry import Box, Tile, Triple, triple
from pipeline.machine.processor import processor
from pipeline.results.artifacts import Artifact, file_sha256, publishing
from pipeline.results.hdf5_file import write_hdf5
from pipeline.run_folder import Run
from pipeline.synthetic import Phantom
from workflows.command_line import start

SIDE = 160
SPACING = 22.0
TILE, OVERLAP = (128, 128, 128), (32, 32, 32)
BLOCK: Triple = (256, 256, 256)
P = ParamSpec("P")
BLANK = 20
"""One object of so many is blank."""
CUT_IN = 1 / 2.2
"""Cells for an object: each is cut by the membranes in it, into about so many pieces."""


def benchmark(
    voxels: Annotated[int, typer.Option(help="About how many: so many whole cubes.")] = 100_000_000,
    workers: Annotated[int, typer.Option(help="Processes that work on tiles and blocks.")] = 2,
    segment_voxels: Annotated[int, typer.Option(help="About how many voxels an object has.")] = 1000,
) -> None:
    """Reconcile made-up tiles and say how fast that was, and whether the truth came back."""
    with tempfile.TemporaryDirectory(prefix="reconciliation-") as folder:
        run = make_run(Path(folder), cubes_of(voxels), segment_voxels)
        with _pool(workers) as pool:
            tiles = dict(zip(range(len(run.grid)), pool.map(partial(write_tile, run), run.grid)))
        found = reconcile(run, tiles, workers)
        with _pool(workers) as pool:
            pairs = list(pool.map(partial(_pairs, run), run.inference_box.blocks(BLOCK)))
    print(json.dumps({"processor": processor(), "workers": workers, **found, "equal": is_one_to_one(pairs)}))


def cubes_of(voxels: int) -> Triple:
    """How many cubes along each axis are about so many voxels; cut ones would be of objects in pieces."""
    count = voxels / SIDE**3
    side = max(1, round(count ** (1 / 3)))
    return max(1, round(count / side**2)), side, side


def make_run(folder: Path, cubes: Triple, segment_voxels: int) -> Run:
    """A run over so many cubes; the one of which the truth consists lies in its folder."""
    np.save(folder / "cube.npy", make_cube(segment_voxels))
    with h5py.File(folder / "image.h5", "w") as file:
        file["raw"] = np.zeros((1, 1, 1), np.uint8)
    document = {
        "data": {"image": f"{folder}/image.h5:raw", "voxel_size_nm": (8, 8, 8)},
        "inference": {
            "box": str(Box.of_shape(triple([n * SIDE for n in cubes]))),
            "tile": TILE,
            "overlap": OVERLAP,
        },
        "reconciliation": {"min_overlap_voxels": 1, "block": BLOCK},
    }
    return Run(folder, RunConfig.model_validate(document))


def make_cube(segment_voxels: int) -> np.ndarray:
    """Objects of one piece each, uint32 (z, y, x): a phantom's processes, cut where cells around random
    points meet."""
    shape = (SIDE,) * 3
    processes = Phantom(shape, seed=7, spacing=SPACING).labels(Box.of_shape(shape)).astype(np.uint64)
    count = max(1, round(CUT_IN * SIDE**3 / segment_voxels))
    points = np.random.default_rng(7).uniform(0, SIDE, (count, 3))
    voxels = np.indices(shape, np.float32).reshape(3, -1).T
    cells = cKDTree(points).query(voxels)[1].astype(np.uint64).reshape(shape)
    pieces = cc3d.connected_components(processes * np.uint64(count) + cells, connectivity=26)
    return np.where(pieces % BLANK, pieces, 0).astype(np.uint32)


def truth(run: Run, box: Box) -> np.ndarray:
    """The objects there, uint64 (z, y, x): each is of one piece."""
    cube = np.load(run.folder / "cube.npy", mmap_mode="r")
    most, cubes = int(cube.max()) + 1, [n // SIDE for n in run.inference_box.shape]
    labels = np.zeros(box.shape, np.uint64)
    for number, place in enumerate(product(*map(range, cubes))):
        whole = Box.of_shape((SIDE,) * 3, (place[0] * SIDE, place[1] * SIDE, place[2] * SIDE))
        part = whole & box
        if not part.is_empty:
            mirrored = cube[tuple(slice(None, None, -1 if n % 2 else 1) for n in place)]
            ids = mirrored[part.slices(whole.start)].astype(np.uint64)
            labels[part.slices(box.start)] = np.where(ids, ids + np.uint64(number * most), 0)
    return labels


def write_tile(run: Run, tile: Tile) -> Artifact:
    """Publish a tile of the truth under ids of its own, as inference does."""
    labels, _ = fastremap.renumber(truth(run, tile.box))
    path = run.tile_file(tile)
    settings = {"chunks": (64, 64, 64), "compression": "gzip", "compression_opts": 1, "track_times": False}
    with publishing(path) as temporary:
        write_hdf5(
            temporary,
            lambda file: file.create_dataset("segmentation", data=labels.astype(np.uint32), **settings),
        )
    return Artifact(str(path), file_sha256(path))


@dataclass(frozen=True)
class Done:
    """What a task has made, and what of its process it took."""

    artifact: Artifact
    cpu_s: float
    peak_mib: int


def reconcile(run: Run, tiles: dict[int, Artifact], workers: int) -> dict[str, Any]:
    """All tasks from evidence to blocks; what they took."""
    with _pool(workers) as pool, _pool(1) as head:
        list(pool.map(_peak_mib, range(workers)))
        head.submit(_peak_mib).result()
        began = time.perf_counter()
        evidence = list(pool.map(partial(_evidence, run, tiles), run.grid))
        found = [done.artifact for done in evidence]
        joined = list(pool.map(partial(_group, run, found), reconciliation.groups(run)))
        merging = time.perf_counter()
        groups = [done.artifact for done in joined]
        merged = head.submit(_measured, reconciliation.merge, run, groups).result()
        writing = time.perf_counter()
        reconciliation.create_volume(run)
        written = list(pool.map(partial(_block, run, merged.artifact, tiles), reconciliation.blocks(run)))
        seconds = time.perf_counter() - began
    with h5py.File(merged.artifact.path, "r") as file:
        segments, objects = len(file["local_ids"]), int(file["global_ids"][:].max(initial=0))
    steps = {"evidence": evidence, "join": joined, "merge": [merged], "write": written}
    cpu_s = {step: sum(done.cpu_s for done in tasks) for step, tasks in steps.items()}
    return {
        "voxels": run.inference_box.size,
        "tiles": len(run.grid),
        "segments": segments,
        "objects": objects,
        "seconds": round(seconds, 2),
        "voxels_per_s": round(run.inference_box.size / seconds),
        "cpu_s": {step: round(of, 2) for step, of in cpu_s.items()},
        "cpu_ns_a_voxel": round(1e9 * sum(cpu_s.values()) / run.inference_box.size, 1),
        "merge_s": round(writing - merging, 2),
        "merge_peak_mib": merged.peak_mib,
        "peak_mib": max(done.peak_mib for tasks in steps.values() for done in tasks),
    }


def is_one_to_one(pairs: Sequence[np.ndarray]) -> bool:
    """Whether each object of the truth has one id and each id one object, and what is blank is blank."""
    true, found = np.unique(np.concatenate(pairs), axis=0).T
    one_to_one = all(len(np.unique(side)) == len(side) for side in (true, found))
    return one_to_one and bool(((true == 0) == (found == 0)).all())


def _pairs(run: Run, box: Box) -> np.ndarray:
    """The pairs of ids, (n, 2), that truth and volume have at the same voxels; all ids are below 2^32."""
    volume = CloudVolume(f"file://{run.segmentation_folder}", progress=False)
    z, y, x = box.slices()
    written = np.asarray(volume[x, y, z])[..., 0].T
    packed = fastremap.unique(truth(run, box) << np.uint64(32) | written)
    return np.stack([packed >> np.uint64(32), packed & np.uint64(2**32 - 1)], axis=1)


def _evidence(run: Run, tiles: dict[int, Artifact], tile: Tile) -> Done:
    return _measured(reconciliation.find_evidence, run, tile, tiles)


def _group(run: Run, evidence: list[Artifact], group: tuple[int, ...]) -> Done:
    return _measured(reconciliation.gather, run, group, [evidence[index] for index in group])


def _block(run: Run, id_table: Artifact, tiles: dict[int, Artifact], block: Box) -> Done:
    return _measured(reconciliation.write_block, run, reconciliation.levels(run)[0], block, id_table, tiles)


def _measured(task: Callable[P, Artifact], *args: P.args, **kwargs: P.kwargs) -> Done:
    began = time.process_time()
    artifact = task(*args, **kwargs)
    return Done(artifact, time.process_time() - began, _peak_mib())


def _peak_mib(_: int = 0) -> int:
    """Of this process until now."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def _pool(workers: int) -> ProcessPoolExecutor:
    return ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn"))


if __name__ == "__main__":
    start(benchmark)
