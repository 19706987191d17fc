"""What Paintera keeps in N5 that is not read as it lies there: labels of many ids a voxel, and of fragments.

A data set of its own is a group with `painteraData`, in which `data` holds the voxels and
`fragment-segment-assignment`, of labels, which fragments are one segment: https://github.com/saalfeldlab/paintera.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from pipeline.errors import InputError
from pipeline.volumes.address import Where

DATA = "data"
ASSIGNMENT = "fragment-segment-assignment"
Attributes = Mapping[str, Any]


def is_paintera(attributes: Attributes) -> bool:
    """Whether a group with these attributes is a data set of Paintera's."""
    return isinstance(attributes.get("painteraData"), Mapping)


def refuse_unmerged(dataset: Where, uri: str, attributes_of: Callable[[Where], Attributes]) -> None:
    """Raise InputError where ids in the N5 dataset of that folder are not those that Paintera shows."""
    if any(attributes_of(folder).get("isLabelMultiset") for folder in (dataset, dataset.parent)):
        raise InputError(
            f"{uri} holds label multisets of Paintera, of several ids a voxel: write one id a voxel with "
            "`paintera-convert to-scalar --consider-fragment-segment-assignment`"
        )
    for group in dataset.parents[:2]:
        assigned = attributes_of(group / ASSIGNMENT).get("dimensions")
        if is_paintera(attributes_of(group)) and isinstance(assigned, list) and math.prod(assigned):
            raise InputError(
                f"{uri} holds fragments, which {group / ASSIGNMENT} joins to segments: write these "
                "with `paintera-convert to-scalar --consider-fragment-segment-assignment`, or move that away "
                "to read fragments"
            )
