"""Whether the shapes of segments that a run asks for can be made."""

from __future__ import annotations

from pipeline.checkup.finding import Finding, ok, skip, warn
from pipeline.reconciliation.shapes.skeletons import OTHERWISE
from pipeline.reconciliation.shapes.stored import MESHES, SKELETONS, kinds
from pipeline.reconciliation.shapes.surface import zmesh_or_mend
from pipeline.run_folder import Run
from pipeline.tracing import kimimaro_or_mend
from pipeline.volumes import image_voxel_size_nm


def shapes(run: Run) -> Finding:
    """Whether the libraries are there, and the size of voxels is known. Raises InputError."""
    asked = kinds(run)
    if not asked:
        return skip("reconciliation.meshes and .skeletons are false")
    if MESHES in asked:
        zmesh_or_mend()
    if SKELETONS in asked:
        kimimaro_or_mend(OTHERWISE)
    found = " and ".join(kind.folder for kind in asked) + " of segments will be made"
    if image_voxel_size_nm(run) is None:
        return warn(f"{found}, of voxels of 1 nm: the image's are unknown", "set data.voxel_size_nm")
    return ok(found)
