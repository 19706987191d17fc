"""Whether labels are such as an object in three dimensions can be learned from.

What is 0 counts as no object. Where that is only not labelled, training teaches the network to stop there.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import fastremap
import numpy as np

from pipeline.errors import InputError
from pipeline.ffn.patch import patch_radius
from pipeline.geometry import Box
from pipeline.run_folder import Run
from pipeline.training.unknown import labels_to_draw_from
from pipeline.volumes import Volume, open_mask
from pipeline.volumes.absence import of_slices
from pipeline.volumes.labelled_sections import LabelledSections
from pipeline.volumes.labels import LabelVolume
from pipeline.wording import counted

SECTIONS = 16
SIDE, MOST_BLOCKS = 64, 48
SIDE_OF_SLICES, MOST_OF_SLICES = 512, 3
"""Where each block may mean that its sections are decoded whole."""

GOES_ON = 0.3
"""A smaller part of the labelled voxels, if only that has the same id in the next section, is told: where
objects are labelled in three dimensions it is more than one half, also where sections are thick."""

MOSTLY_NOTHING = 0.5
"""A larger share of the voxels looked at that is 0 is told: membranes are a fifth of tissue, hardly more."""

BACKGROUND = 0.6
"""A larger share of the voxels looked at that has one id is told."""

LOST = 0.2
"""A larger part of what is labelled, if it is of objects too small to learn from, is told."""

ROOM = 0.2
"""A smaller part of a side of the training box, if examples are centred there alone, is told."""

MOST_COUNTED = 2**26
"""Voxels, with all that is decoded for them, whose objects are counted before a run, in a few seconds."""

NOT_LABELLED = (
    "what is only not labelled there counts as no object: give it an id of its own, by data.ignore_labels, "
    "or leave it out by data.loss_mask"
)


def doubts_of_training(run: Run, labels: LabelVolume, box: Box) -> list[str]:
    """What makes one doubt that much is learned from the labels in a training box. Raises InputError."""
    needed = _needed(labels, box, run.config.training.sampling.boundary_distance)
    blocks = _blocks(labels, box, needed)
    return [
        *(_along_z(run, blocks, labels) or _of_some_objects(run, blocks)),
        *_thin(run, blocks, labels, needed),
        *_apart(run, labels, box),
        *_room(run, box),
        *_objects(run, labels, box),
    ]


def is_drawn_too_thin(labels: LabelVolume, box: Box, boundary_distance: int) -> bool:
    """Whether no object that was looked at goes on through so many sections that a voxel keeps the distance.

    Then no example can be centred anywhere. Raises InputError.
    """
    needed = _needed(labels, box, boundary_distance)
    return _too_thin(_blocks(labels, box, needed), labels, needed)


def _needed(labels: LabelVolume, box: Box, boundary_distance: int) -> int:
    """Labelled sections that an object must have around an example; beyond the box nothing is asked of it.

    Between two of them it goes on.
    """
    sections = labelled_in(labels, box)
    if sections is None:
        return min(2 * boundary_distance + 1, box.shape[0])
    gaps = [b - a for a, b in itertools.pairwise(sections)]
    return min(1 + -(-2 * boundary_distance // min(gaps, default=1)), len(sections))


def labelled_in(labels: LabelVolume, box: Box) -> list[int] | None:
    """The labelled sections of a box; None where all may be."""
    if not isinstance(labels.source, LabelledSections):
        return None
    return [z for z in labels.source.drawn if box.start[0] <= z < box.stop[0]]


def _apart(run: Run, labels: LabelVolume, box: Box) -> list[str]:
    """Labelled sections of which no FOV sees two."""
    sections, fov = labelled_in(labels, box), run.config.network.fov[0]
    if sections is not None and len(sections) == 1:
        return [f"section {sections[0]} alone is labelled: how objects go on is not learned; label others"]
    widest = max((b - a for a, b in itertools.pairwise(sections or [])), default=0)
    if widest < fov:
        return []
    return [
        f"there are up to {counted(widest - 1, 'section')} between two that are labelled, and a network.fov "
        f"of {fov} along z does not show both: how objects go on is hardly learned there; label "
        "sections between"
    ]


def _blocks(labels: LabelVolume, box: Box, sections: int) -> list[np.ndarray]:
    """Stored ids of some blocks of a few labelled sections, so many at least, spread over the box."""
    labels, box = labels.drawn_in(box)
    side, most = (SIDE_OF_SLICES, MOST_OF_SLICES) if of_slices(labels) else (SIDE, MOST_BLOCKS)
    return [
        labels.read_stored(block) for block in box.spread_blocks((max(SECTIONS, sections), side, side), most)
    ]


def _too_thin(blocks: Sequence[np.ndarray], labels: LabelVolume, sections: int) -> bool:
    """Whether of the objects in the blocks, if there are any, none goes on through so many sections."""
    found = False
    for ids in blocks:
        through = ~labels.is_unlabelled(ids)
        found |= bool(through.any())
        for _ in range(sections - 1):
            ids, through = ids[1:], through[:-1] & (ids[:-1] == ids[1:])
        if through.any():
            return False
    return found


def _thin(run: Run, blocks: Sequence[np.ndarray], labels: LabelVolume, needed: int) -> list[str]:
    """Objects in which no voxel is far enough from what is not the object."""
    if not _too_thin(blocks, labels, needed):
        return []
    distance = run.config.training.sampling.boundary_distance
    return [
        f"no object that was looked at goes on through {needed} sections, as many as an example "
        f"needs by training.sampling.boundary_distance = {distance}: set it to 0"
    ]


def _of_some_objects(run: Run, blocks: Sequence[np.ndarray]) -> list[str]:
    """Whether so much is 0 that it may be objects that nobody has labelled; membranes are less."""
    nothing = sum(np.count_nonzero(ids == 0) for ids in blocks) / sum(ids.size for ids in blocks)
    if nothing <= MOSTLY_NOTHING or run.config.data.loss_mask is not None:
        return []
    return [f"{nothing:.0%} of what was looked at is 0: are only some objects labelled? {NOT_LABELLED}"]


def _along_z(run: Run, blocks: Sequence[np.ndarray], labels: LabelVolume) -> list[str]:
    """Whether the labels are of objects in three dimensions."""
    looked_at, go_on, end = 0, 0, 0
    for ids in blocks:
        here, after = ids[:-1], ids[1:]
        counts = ~labels.is_unlabelled(here) & ~labels.is_ignored(after)
        looked_at += np.count_nonzero(counts)
        go_on += np.count_nonzero(counts & (here == after))
        end += np.count_nonzero(counts & (after == 0))
    if go_on >= GOES_ON * looked_at:
        return []
    following = "next section" if run.config.data.labelled_sections is None else "next labelled section"
    found = f"only {go_on / looked_at:.0%} of the labelled voxels have the same id in the {following}"
    if 2 * end > looked_at - go_on:
        if run.config.data.loss_mask is not None:  # which leaves out what is not labelled
            return []
        return [
            f"{found}, most others none: are single sections labelled? set data.labelled_sections to these: "
            "what is not labelled between them counts as no object else"
        ]
    return [
        f"{found}: are sections labelled each by itself? A network learns objects that go on through them"
    ]


def _room(run: Run, box: Box) -> list[str]:
    """Axes along which examples, whose patches lie in the box whole, are all centred in its middle."""
    radius, doubts = patch_radius(run.config.network, run.config.training.reach), []
    for axis, length, r in zip("zyx", box.shape, radius):
        centred = length - 2 * r
        if centred < ROOM * length:
            doubts.append(
                f"examples can be centred on {centred} of {length} voxels of training.box along {axis}, as "
                f"their patch is {2 * r + 1}: lower network.fov, network.deltas or training.moves_reach, or "
                "label more"
            )
    return doubts


def _objects(run: Run, labels: LabelVolume, box: Box) -> list[str]:
    """How many objects are too small to be trained on, where that is much of what is labelled and counts.

    Nothing where labels or loss mask are too large to be read before a run. Raises InputError where there is
    no other object.
    """
    if not all(is_soon_read(volume, box) for volume in (labels, open_mask(run, "loss_mask")) if volume):
        return []
    least = run.config.training.sampling.min_segment_voxels
    ids, counts = fastremap.unique(labels_to_draw_from(run)(box), return_counts=True)
    sizes = counts[ids != 0]
    large, labelled = sizes >= least, sizes.sum()
    if not large.any():
        mask = run.config.data.loss_mask
        within, or_mask = (
            ("", "") if mask is None else (" where data.loss_mask is not 0", f", or mend {mask}")
        )
        raise InputError(
            f"data.labels {labels.uri}: in training.box {box}{within} is no object of "
            f"training.sampling.min_segment_voxels = {least} or more voxels, the largest has "
            f"{sizes.max(initial=0)}: set it lower{or_mask}"
        )
    lost = sizes[~large].sum() / labelled
    if lost <= LOST:
        return []
    return [
        f"{np.count_nonzero(~large):,} of {len(sizes):,} objects, {lost:.0%} of what is labelled, have fewer "
        f"than training.sampling.min_segment_voxels = {least} voxels in training.box: none of them is learned"
    ]


def is_soon_read(volume: Volume, box: Box) -> bool:
    """Whether a box of a volume is read in a few seconds."""
    decoded = volume.count_chunks(box) * math.prod(volume.chunk or ())
    return not volume.is_remote and max(box.size, decoded) <= MOST_COUNTED


def background(ids: np.ndarray, counts: np.ndarray, labelled: np.ndarray) -> list[str]:
    """One id, of several, that most voxels have: of `ids` and their `counts`, those that are `labelled`."""
    of_labelled = np.where(labelled, counts, 0)
    share = float(of_labelled.max() / counts.sum())
    if share <= BACKGROUND or np.count_nonzero(labelled) == 1:
        return []
    return [
        f"id {ids[of_labelled.argmax()]} is {share:.0%} of the voxels: if it is the background it should be "
        "0, and if it says that nobody has labelled them, data.ignore_labels should name it"
    ]
