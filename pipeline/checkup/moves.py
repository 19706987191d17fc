"""How a training shows its examples, where that may not be what is meant."""

from __future__ import annotations

from itertools import combinations

from pipeline.checkup.finding import Finding, ok, skip, warn
from pipeline.config import Training
from pipeline.run_folder import Run
from pipeline.volumes import image_voxel_size_nm
from pipeline.volumes.frame import size_text

MUCH_LONGER = 1.5
"""Voxels that are longer along one axis than along another by this factor are told, if the two are turned."""


def moves(run: Run) -> Finding:
    """Where the FOV goes in training, whether only because an earlier version began it so, and whether
    examples are turned as the tissue never lies in the image."""
    training = run.config.training
    if not run.config.trains:
        return skip("nothing is trained")
    if run.keeps_moves:
        return warn(
            f"the training in {run.folder} was begun with training.fov_moves {training.fov_moves} and a "
            f"moves_reach of {training.reach}, once the defaults, and goes on so",
            f"write both into the run file, or training.fov_moves: {Training().fov_moves} to train anew",
        )
    found = f"{training.fov_moves}, {training.reach} deltas along each axis"
    turned = _turned_though_unlike(run)
    if turned:
        return warn(
            f"{found}; examples are turned among {turned}, and voxels are "
            f"{size_text(image_voxel_size_nm(run))}",
            "make network.fov and deltas about as many nm along every axis, or set "
            "training.augmentation.turn_z to false",
        )
    return ok(found)


def _turned_though_unlike(run: Run) -> str:
    """The axes that training turns into each other though voxels are much longer along one than another."""
    network, size_nm = run.config.network, image_voxel_size_nm(run)
    if size_nm is None:
        return ""
    alike = list(zip(network.fov, network.deltas))
    axes = range(3) if run.config.training.augmentation.turn_z else (1, 2)
    turned = [(a, b) for a, b in combinations(axes, 2) if alike[a] == alike[b]]
    unlike = [p for p in turned if max(size_nm[a] for a in p) > MUCH_LONGER * min(size_nm[a] for a in p)]
    return " and ".join("zyx"[axis] for axis in sorted({axis for pair in unlike for axis in pair}))
