"""Whether a resolved run's tiles can be segmented, and joined."""

from __future__ import annotations

from pipeline.checkup.finding import Finding, fail, ok, skip, warn
from pipeline.inference.seeds import MIN_DISTANCE
from pipeline.run_folder import Run
from pipeline.wording import counted


def tiles(run: Run) -> Finding:
    """Whether seeds find room in tiles, and neighbours share enough to tell which segments are one."""
    thin = _too_thin(run)
    if thin is not None:
        return thin
    if run.only is not None:
        return skip("only some tiles are segmented, and none are joined")
    inference, fov = run.config.inference, run.config.network.fov
    found = f"{len(run.grid):,} over {run.inference_box}, {list(inference.overlap)} voxels of overlap"
    for axis, count, overlap, f in zip("zyx", run.grid.shape, inference.overlap, fov):
        if count > 1 and overlap == 0:
            return fail(
                f"inference.overlap is 0 along {axis}, with {count} tiles: nothing could be joined",
                f"set it to about {3 * (f // 2)}, one and a half FOVs",
            )
    for axis, count, overlap, f in zip("zyx", run.grid.shape, inference.overlap, fov):
        if count > 1 and overlap <= 2 * (f // 2):
            return warn(
                f"inference.overlap is {overlap} along {axis}: tiles thin out within half a FOV of their "
                "faces, so nowhere are both neighbours whole",
                f"{3 * (f // 2)} would leave half a FOV where they are",
            )
    return ok(found)


def _too_thin(run: Run) -> Finding | None:
    """Tiles in which no seed could lie, even with what is mirrored around them at the outer faces."""
    inference, least = run.config.inference, 2 * MIN_DISTANCE + 1
    sides = zip("zyx", run.grid.shape, inference.tile, run.inference_box.shape, run.config.network.fov)
    for axis, count, tile, whole, f in sides:
        length, mirrored = min(tile, whole), max(0, 3 - count) * (f // 2)
        if length + mirrored * inference.reflect >= least:
            continue
        setting = "inference.tile is" if count > 1 else "what is segmented is"
        mend = f"it takes {least - mirrored * inference.reflect} or more there"
        if not inference.reflect and length + mirrored >= least:
            mend = "set inference.reflect to true, by which the image is mirrored there"
        return fail(
            f"{setting} {counted(length, 'voxel')} along {axis}: seeds keep {MIN_DISTANCE} voxels from all "
            "faces, so nothing would be found",
            mend,
        )
    return None
