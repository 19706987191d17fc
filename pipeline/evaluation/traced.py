"""Skeletons made from labels by kimimaro (TEASAR), where nobody has traced them by hand."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from importlib.metadata import version
from typing import Any

import numpy as np

from pipeline.errors import InputError
from pipeline.evaluation.skeletons import Skeletons
from pipeline.geometry import Box
from pipeline.tracing import LEAST_VOXELS, TEASAR, kimimaro_or_mend, smoothed
from pipeline.volumes import VoxelSize
from pipeline.wording import counted

MOST_VOXELS = 1 << 29
"""Of a box that is traced: kimimaro holds it whole, with more than 20 bytes a voxel."""


@dataclass(frozen=True)
class Traced:
    """How skeletons came to be: to be read beside every figure that is measured along them."""

    by: str
    """Program and version."""
    box: str
    """Of the labels, in their voxels."""
    voxel_size_nm: VoxelSize
    objects: int
    """Ids in the box, of which those too small have no skeleton."""
    skeletons: int
    least_voxels: int
    parameters: dict[str, float]

    def as_dict(self) -> dict[str, Any]:
        """As a JSON file holds it, with a sentence that says it."""
        return {**asdict(self), "what": self.what}

    @property
    def what(self) -> str:
        """In words."""
        chosen = ", ".join(f"{name} {value:g}" for name, value in self.parameters.items())
        return (
            f"made from the labels in {self.box} by {self.by} ({chosen}; {self.least_voxels:,} voxels at "
            f"least): {self.skeletons:,} of {counted(self.objects, 'object')}"
        )


def trace(labels: np.ndarray, box: Box, voxel_size_nm: VoxelSize) -> tuple[Skeletons, Traced]:
    """One skeleton for every id but 0 of integer labels (z, y, x) of a box, by the id, ascending.

    All parts of an object are of one skeleton, though no edge joins them. Raises InputError where kimimaro is
    not installed, where the box is too large, and where no object is large enough.
    """
    kimimaro = kimimaro_or_mend()
    check_size(box)
    found = kimimaro.skeletonize(
        labels,
        teasar_params=TEASAR,
        anisotropy=voxel_size_nm,
        dust_threshold=LEAST_VOXELS,
        progress=False,
        parallel=1,
    )
    start_nm = np.multiply(box.start, voxel_size_nm)
    skeletons = Skeletons.of(
        [
            (str(label), _nodes(found[label], labels, label, voxel_size_nm) + start_nm, found[label].edges)
            for label in sorted(found)
            if len(found[label].edges)
        ]
    )
    ids = np.unique(labels)
    if not len(skeletons.edges):
        raise InputError(
            f"no skeleton can be made from the labels in {box}: none of "
            f"{counted(np.count_nonzero(ids), 'object')} has {LEAST_VOXELS:,} voxels and a length; "
            "set evaluation.skeletons to others, or to null"
        )
    by = f"kimimaro {version('kimimaro')}"
    return skeletons, Traced(
        by, str(box), voxel_size_nm, np.count_nonzero(ids), len(skeletons.names), LEAST_VOXELS, TEASAR
    )


def _nodes(skeleton: Any, labels: np.ndarray, label: int, voxel_size_nm: VoxelSize) -> np.ndarray:
    """The nodes of an object's skeleton, z, y, x in nm from where the labels begin, each in its object.

    Where smoothing takes one out it stays where it was.
    """
    nodes = skeleton.vertices + np.multiply(voxel_size_nm, 0.5)
    smooth = smoothed(skeleton, nodes, voxel_size_nm)
    voxels = np.clip(np.floor_divide(smooth, voxel_size_nm).astype(np.int64), 0, np.array(labels.shape) - 1)
    is_inside = labels[tuple(voxels.T)] == label
    return np.where(is_inside[:, np.newaxis], smooth, nodes)


def check_size(box: Box) -> None:
    """Raise InputError where a box is too large to be traced at once."""
    if box.size > MOST_VOXELS:
        raise InputError(
            f"skeletons of {box.size:,} voxels of labels ({box}) cannot be made at once: at most "
            f"{MOST_VOXELS:,}; score a smaller box, or make them with igneous and name their folder"
        )
