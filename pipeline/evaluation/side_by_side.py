"""Several segmentations against one truth: each is scored where all are, so that scores can be compared."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import and_
from typing import Any

from pipeline.errors import InputError
from pipeline.evaluation.comparison import Comparison
from pipeline.evaluation.nodes import run_length_in
from pipeline.evaluation.skeletons import Skeletons
from pipeline.evaluation.traced import Traced
from pipeline.geometry import Box
from pipeline.volumes import VoxelSize
from pipeline.volumes.frame import same_size, size_text
from pipeline.volumes.labelled_sections import LabelledSections
from pipeline.volumes.labels import LabelVolume


@dataclass(frozen=True)
class Scored:
    """One of them, and where it is scored."""

    comparison: Comparison
    box: Box
    """Covered by it, by the truth and, where they can be compared, by all others."""
    segmented: Box
    """Where skeletons count: what all segmentations cover, with truth or without."""
    doubts: list[str]
    """Why its scores are not those of it alone, or not to be compared."""
    is_comparable: bool = True
    """Whether it is scored in the very voxels in which the others are."""


def side_by_side(comparisons: Sequence[Comparison], wanted: Box | None = None) -> list[Scored]:
    """Where each of some segmentations is scored against their truth: in `wanted`, or as `Scored` says.

    Raises InputError as `Comparison.box` does, and where there is no voxel that all cover.
    """
    volumes, truths = zip(*(comparison.open() for comparison in comparisons))
    boxes = [comparison.box(wanted) for comparison in comparisons]
    wholes = [wanted or volume.box for volume in volumes]
    apart = _of_other_voxels(volumes) or _on_other_places(truths)
    if apart:
        return [
            Scored(comparison, box, whole, [doubt], False)
            for comparison, box, whole, doubt in zip(comparisons, boxes, wholes, apart)
        ]
    shared, segmented = reduce(and_, boxes), reduce(and_, wholes)
    if shared.is_empty:
        places = ", ".join(f"{one.name} in {box}" for one, box in zip(comparisons, boxes))
        raise InputError(
            f"there is no voxel that all segmentations and the truth cover ({places}): score them apart"
        )
    return [
        Scored(comparison, shared, segmented, _cut(box, shared))
        for comparison, box in zip(comparisons, boxes)
    ]


def _of_other_voxels(volumes: Sequence[LabelVolume]) -> list[str]:
    """Of each segmentation why its scores are its own affair, where voxels are of unlike sizes."""
    sizes = [volume.voxel_size_nm for volume in volumes]
    known = [size for size in sizes if size is not None]
    if all(same_size(size, known[0]) for size in known):
        return []
    doubt = "segmentations with other voxels are scored beside it, whose scores cannot be compared with its"
    return [f"voxels are of {size_text(size)}: {doubt}" for size in sizes]


def _on_other_places(truths: Sequence[LabelVolume]) -> list[str]:
    """The same where the truth does not say where it lies, and is put on segmentations at unlike places."""
    if len({_place(truth) for truth in truths}) == 1:
        return []
    return [
        f"the truth does not say where it lies and is taken to be at {truth.box}, as this one, and elsewhere "
        "for others, so that scores cannot be compared: if all segmentations are of one place, set "
        "--segmentation-origin"
        for truth in truths
    ]


def _place(truth: LabelVolume) -> object:
    """What tells where its voxels lie: of sections that are named their z, wherever the volume begins."""
    source = truth.source
    return (source.stamp, source.frame.origin[1:]) if isinstance(source, LabelledSections) else truth.box


def _cut(own: Box, shared: Box) -> list[str]:
    if own == shared:
        return []
    return [
        f"scored in {shared}, which all segmentations cover; this one and the truth share {own}: score it "
        "alone to have all of that"
    ]


def run_lengths(
    scored: Sequence[Scored], traced: Skeletons, merge_threshold_nodes: int
) -> Iterator[dict[str, Any]]:
    """As `run_length_in`, of each along what of some skeletons lies where all are. Raises InputError."""
    for one in scored:
        volume = one.comparison.open()[0]
        size = volume.voxel_size_nm
        counted = None if size is None or one.segmented == volume.box else traced.inside(one.segmented, size)
        yield run_length_in(volume, traced, merge_threshold_nodes, counted)


def run_lengths_along_truth(scored: Sequence[Scored], merge_threshold_nodes: int) -> Iterator[dict[str, Any]]:
    """The same along skeletons that are made from the truth, once where all are scored in one box, with how
    they were made. Raises InputError.
    """
    made: dict[tuple[Box, Box, VoxelSize | None], tuple[Skeletons, Traced]] = {}
    for one in scored:
        volume, truth = one.comparison.open()
        where = one.box, truth.box, volume.voxel_size_nm
        if where not in made:
            made[where] = one.comparison.trace_truth(one.box)
        skeletons, how = made[where]
        yield {**run_length_in(volume, skeletons, merge_threshold_nodes), "traced": how.as_dict()}
