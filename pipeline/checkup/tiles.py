"""Whether a resolved run's tiles can be joined."""

from __future__ import annotations

from pipeline.checkup.finding import Finding, fail, ok, skip, warn
from pipeline.run_folder import Run


def tiles(run: Run) -> Finding:
    """Whether neighbouring tiles share enough voxels to tell which of their segments are one object."""
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
