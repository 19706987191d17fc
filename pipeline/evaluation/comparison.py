"""Score a segmentation against labels, any two volumes: block by block, in bounded memory."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path

import numpy as np

from pipeline.errors import InputError
from pipeline.evaluation.borders import away_from_borders
from pipeline.evaluation.conventions import BoxCounts
from pipeline.evaluation.counting import count_parts
from pipeline.evaluation.skeletons import Skeletons
from pipeline.evaluation.stage import counted_in, within
from pipeline.evaluation.traced import Traced, trace
from pipeline.geometry import Box, Triple
from pipeline.results.agglomerated_ids import read_agglomerated_ids
from pipeline.run_folder import Run
from pipeline.volumes import Choice, Volume, VoxelSize, open_labels, open_volume
from pipeline.volumes.agglomerated import AgglomeratedVolume
from pipeline.volumes.frame import same_size, size_text
from pipeline.volumes.labelled_sections import LabelledSections, spread_out
from pipeline.volumes.labels import LabelVolume

BLOCK: Triple = (192, 192, 192)
LEAST_PART = 24
"""Side of the smallest parts that are counted apart; of scores of parts are drawn how far the whole's go."""
MANY = 20


@dataclass(frozen=True)
class Comparison:
    """Two volumes that are scored against each other: what is opened, and where."""

    segmentation: str
    truth: str
    segmentation_choice: Choice = field(default_factory=lambda: Choice(option="segmentation"))
    truth_choice: Choice = field(default_factory=lambda: Choice(option="truth"))
    ignored: tuple[int, ...] = ()
    """Truth ids that say "nobody knows", beside those that mean it by themselves."""
    ignore_border_nm: float = 0.0
    """Voxels no further than this from a border of the truth in their section do not count; 0: all do."""
    labelled_sections: tuple[int, ...] | None = None
    """The sections in which the truth is labelled, by their z in the segmentation; None: in all it has."""
    agglomeration: Path | None = None
    """Of a run, by which its segments are one; None: they are as they are stored."""
    labels_of: Run | None = field(default=None, hash=False)
    """The run whose labels are the truth, as far as they count in its own scores; None: `truth` is."""
    title: str = ""
    """What the segmentation is called; "": as it is opened."""

    @property
    def name(self) -> str:
        return self.title or self.segmentation

    def open(self) -> tuple[LabelVolume, LabelVolume]:
        """Segmentation and truth in one frame, uint64; negative ids of a segmentation are read as 0.

        Raises InputError where one cannot be opened, holds no ids, has voxels of another size, or where it
        is unknown how they lie on each other.
        """
        segmentation = ids_of(open_volume(self.segmentation, self.segmentation_choice), "segmentation")
        if self.labels_of is not None:
            truth = open_labels(self.labels_of)
        else:
            own, of_truth = self.segmentation_choice, self.truth_choice
            found = open_truth(segmentation, own, self.truth, of_truth, self.labelled_sections)
            truth = LabelVolume(found, self.ignored)
        if self.agglomeration is not None:
            segmentation = AgglomeratedVolume(segmentation, read_agglomerated_ids(self.agglomeration))
        return LabelVolume(segmentation, all_are_ids=True), truth

    def box(self, wanted: Box | None = None) -> Box:
        """What is scored: `wanted`, or all that both cover. Raises InputError where both do not cover it."""
        segmentation, truth = self.open()
        shared = segmentation.box & truth.box
        if shared.is_empty:
            raise InputError(
                f"segmentation {segmentation.uri} lies at {segmentation.box}, truth {truth.uri} at "
                f"{truth.box}: they share no voxel; set --segmentation-origin or --truth-origin to where "
                "it begins"
            )
        if wanted is not None and not shared.contains(wanted):
            raise InputError(f"box {wanted} reaches outside {shared}, which both volumes cover")
        return wanted or shared

    @property
    def doubts(self) -> list[str]:
        """What is doubtful of how they lie on each other."""
        return [*self._of_place(), *self._of_size()]

    def _of_place(self) -> list[str]:
        """That one says nothing of where it lies, and was put on the other, which is not at 0, 0, 0."""
        if self.labels_of is not None:  # which lie on the image of the run
            return []
        segmentation, truth = _opened(self)
        unplaced = [name for name, volume in _named(segmentation, truth) if not volume.frame.is_placed]
        is_said = self.segmentation_choice.origin or self.truth_choice.origin or self.labelled_sections
        if is_said or len(unplaced) != 1 or truth.frame.origin == (0, 0, 0):
            return []
        return [
            f"the {unplaced[0]} does not say where it lies, and is put on the other, at {truth.box}: if it "
            f"lies elsewhere, set --{unplaced[0]}-origin"
        ]

    def _of_size(self) -> list[str]:
        """Because --voxel-size goes before their files."""
        own, of_truth = (volume.frame.stated_nm for volume in _opened(self))
        if own is None or of_truth is None or same_size(own, of_truth):
            return []
        return [
            f"by their files voxels of the segmentation are of {size_text(own)}, those of the truth of "
            f"{size_text(of_truth)} (z, y, x), which --voxel-size takes for one size: if the files are "
            "right, choose levels of one size with --segmentation-mip, --truth-mip"
        ]

    def read_counted_truth(self, box: Box) -> np.ndarray:
        """The truth's ids, (z, y, x) uint64, 0 where voxels do not count. Raises InputError."""
        ids, counted = _opened(self)[1].read(box), self.counted_in(box)
        return ids if counted is None else np.where(counted, ids, 0)

    def counted_in(self, box: Box) -> np.ndarray | None:
        """Which voxels of a box count, (z, y, x) bool; None: all. Raises InputError."""
        if self.labels_of is not None:
            return counted_in(self.labels_of, box)
        if not self.ignore_border_nm:
            return None
        truth, size = _opened(self)[1], self._voxel_size_nm
        return away_from_borders(truth, box, self.ignore_border_nm, size, "set --voxel-size")

    def trace_truth(self, box: Box) -> tuple[Skeletons, Traced]:
        """Skeletons of the truth's objects in a box. Raises InputError, also where voxels have no size, or
        where objects are labelled in single sections."""
        truth = _opened(self)[1]
        if isinstance(truth.source, LabelledSections):
            raise InputError(
                "--skeletons-from-truth: where some sections alone are labelled, objects are labelled in "
                "pieces, along which nothing can be measured: leave it out, or name --skeletons that were "
                "traced"
            )
        if self._voxel_size_nm is None:
            raise InputError(f"{self.truth} does not say how large its voxels are: set --voxel-size")
        ids, counted = truth.read(box), within(self.labels_of, box) if self.labels_of else None
        return trace(ids if counted is None else np.where(counted, ids, 0), box, self._voxel_size_nm)

    @property
    def _voxel_size_nm(self) -> VoxelSize | None:
        return _opened(self)[0].voxel_size_nm

    def count(self, box: Box, workers: int = 1) -> Iterator[list[BoxCounts]]:
        """For each of `blocks` of the box the counts of its parts; in order.

        `workers` processes count; memory grows with them and not with the box.
        """
        part = part_shape(box)
        work = [(self, block, box, part) for block in blocks(box)]
        if workers == 1 or len(work) == 1:
            yield from map(_count_parts, work)
            return
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(min(workers, len(work)), mp_context=context) as pool:
            yield from pool.map(_count_parts, work)


def blocks(box: Box) -> list[Box]:
    """Disjoint boxes that together are the box, each counted by one process."""
    return box.parts(BLOCK)


def part_shape(box: Box) -> Triple:
    """The largest of LEAST_PART times 1, 2, 4 ... of which there are many in the box, else the smallest.

    So there are never very many: all their tables are in memory.
    """
    whole, side = Box.of_shape(box.shape), LEAST_PART
    while whole.count_blocks((2 * side,) * 3) >= MANY:
        side *= 2
    return (side,) * 3


def _count_parts(work: tuple[Comparison, Box, Box, Triple]) -> list[BoxCounts]:
    comparison, block, box, part = work
    segmentation, truth = _opened(comparison)
    return count_parts(segmentation, truth, block, box, block.parts(part), comparison.counted_in(block))


@lru_cache(maxsize=1)
def _opened(comparison: Comparison) -> tuple[LabelVolume, LabelVolume]:
    """Kept: a process counts many blocks."""
    return comparison.open()


def open_truth(
    segmentation: Volume,
    choice: Choice,
    truth: str,
    truth_choice: Choice,
    sections: tuple[int, ...] | None = None,
) -> Volume:
    """The truth in one frame with a segmentation, which was opened by its `choice` and is moved where that is
    what is known; `sections` as in `Comparison`. Raises InputError as `Comparison.open` does."""
    sizes, slices = segmentation.voxel_size_nm, None if sections is None else len(sections)
    found = ids_of(open_volume(truth, replace(truth_choice, like_nm=sizes, slices=slices)), "truth")
    if sections is not None:
        found = spread_out(found, sections, segmentation, None, "--labelled-sections")
    own, levels = found.voxel_size_nm, _settings("level", choice, truth_choice)
    if sizes and own and not same_size(sizes, own):
        raise InputError(
            f"segmentation {segmentation.uri} has voxels of {size_text(sizes)}, truth {found.uri} of "
            f"{size_text(own)} (z, y, x): choose levels of one size with {', '.join(levels)}"
        )
    if choice.origin is None and truth_choice.origin is None:
        _put_together(segmentation, choice, found, truth_choice)
    if sizes is None:  # they lie voxel on voxel, so what is known of one is true of both
        segmentation.frame = replace(segmentation.frame, voxel_size_nm=own)
    return found


def _settings(name: str, *choices: Choice) -> list[str]:
    """The options that choose this of two volumes."""
    return list(dict.fromkeys(choice.setting(name) for choice in choices))


def ids_of(volume: Volume, what: str) -> Volume:
    """The volume; raises InputError unless it holds ids."""
    if volume.dtype.kind == "b":
        raise InputError(f"{what} {volume.uri} holds booleans: it is a mask; label its components first")
    if volume.dtype.kind not in "iu":
        raise InputError(
            f"{what} {volume.uri} holds {volume.dtype}, which cannot keep ids above "
            f"{'2^53' if volume.dtype.itemsize == 8 else '2^24'} apart; expected integers: save it as uint64"
        )
    if volume.lossy:
        raise InputError(
            f"{what} {volume.uri} is stored as {volume.lossy}, which changes ids: save it losslessly"
        )
    return volume


def _put_together(segmentation: Volume, choice: Choice, truth: Volume, truth_choice: Choice) -> None:
    """Where only one volume, or none, says where it lies, and they have one shape, they lie on each other."""
    if segmentation.frame.is_placed and truth.frame.is_placed:
        return
    if segmentation.shape != truth.shape:
        turned = sorted(segmentation.shape) == sorted(truth.shape)
        axes = ["zyx"[truth.shape.index(n)] for n in segmentation.shape] if turned else []
        raise InputError(
            f"segmentation {segmentation.uri} has shape {segmentation.shape}, truth {truth.uri} has "
            f"{truth.shape}, and {_unplaced(segmentation, truth)}: "
            + (
                f"if what is read as z, y, x is {', '.join(axes)}, name its stored axes so with "
                f"{choice.setting('axes')}"
                if len(set(axes)) == 3
                else f"set {' or '.join(_settings('origin', choice, truth_choice))}"
            )
        )
    known = segmentation if segmentation.frame.is_placed else truth
    other = truth if known is segmentation else segmentation
    other.frame = replace(other.frame, origin=known.frame.origin)


def _unplaced(segmentation: Volume, truth: Volume) -> str:
    unplaced = [name for name, volume in _named(segmentation, truth) if not volume.frame.is_placed]
    if len(unplaced) == 2:
        return "neither says where it lies"
    return f"the {unplaced[0]} does not say where it lies"


def _named(segmentation: Volume, truth: Volume) -> Sequence[tuple[str, Volume]]:
    return ("segmentation", segmentation), ("truth", truth)
