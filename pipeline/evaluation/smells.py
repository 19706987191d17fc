"""What makes a score smell of a mistake in what was compared, and the likely one."""

from __future__ import annotations

from itertools import combinations, permutations

import numpy as np

from pipeline.evaluation.contingency import ContingencyTable
from pipeline.evaluation.scores import variation_of_information
from pipeline.geometry import Box, Triple, triple
from pipeline.volumes import Volume
from pipeline.volumes.absence import absence
from pipeline.volumes.id_between import id_between
from pipeline.volumes.labels import LabelVolume
from pipeline.wording import LIKE_A_MASK

SIDE = 160
"""Voxels along each axis of the part that is looked at: the middle of what is scored."""
FAR_BETTER = 0.6
"""Told if a mistake put right would leave less than this part of the VOI."""
BAD_BITS = 1.0
"""A VOI below this is too good to look for what is wrong."""
MOSTLY = 0.6
FEW_LABELLED = 0.05
SHORT_RUN = 2.5
"""Ids of objects run on for more voxels along x than this; grey values do not."""
MANY_IDS = 10


def smells(segmentation: LabelVolume, truth: LabelVolume, box: Box) -> list[str]:
    """What is doubtful about comparing the two in `box`, most of it seen in its middle. Raises InputError."""
    gaps = [*_gaps(segmentation, "segmentation", box), *_gaps(truth, "truth", box)]
    return [*gaps, *_in_the_middle(segmentation, truth, _middle(box))]


def smells_of_one(volume: LabelVolume, what: str) -> list[str]:
    """What is doubtful of a volume of ids by itself, as seen in its middle. Raises InputError."""
    middle = _middle(volume.box)
    return [*_negative(volume.read_stored(middle), what), *_of_one(volume.read(middle), what)]


def _in_the_middle(segmentation: LabelVolume, truth: LabelVolume, middle: Box) -> list[str]:
    ids, labels = segmentation.read(middle), truth.read(middle)
    found = [
        *_negative(segmentation.read_stored(middle), "segmentation"),
        *_of_one(ids, "segmentation"),
        *_of_one(labels, "truth"),
    ]
    if not labels.any():
        return [*found, f"no voxel of the truth is labelled in {middle}"]
    if np.mean(labels != 0) < FEW_LABELLED:
        found.append(f"{np.mean(labels != 0):.1%} of the truth is labelled in {middle}")
    if not ids.any():
        return [*found, f"the segmentation is blank in {middle}"]
    if np.array_equal(ids, truth.read_stored(middle)):
        return [*found, "the two are the same, id by id: is the truth compared with itself?"]
    bits = _bits(ids, labels)
    if bits > BAD_BITS and not found:
        found = _turned(ids, labels, bits) or _displaced(ids, labels, bits) or _unmapped(ids, labels)
    return found


def _gaps(volume: Volume, what: str, box: Box) -> list[str]:
    """What of a volume is not stored."""
    found = absence(volume, box)
    unknown = what == "truth" and not volume.may_be_empty
    counts = "what lies there counts in no score" if unknown else "they count as 0"
    return [f"{found.text(f'chunks of the {what}')}; {counts}"] if found.missing else []


def _negative(stored: np.ndarray, what: str) -> list[str]:
    """Several negative ids of a segmentation; a single one is background."""
    negative = stored[stored < 0]
    if not negative.size or (negative == negative[0]).all():
        return []
    return [
        f"{negative.size / stored.size:.1%} of the {what} has negative ids, which are read as 0: if "
        "they are ids above 2^63, save it as uint64"
    ]


def _of_one(ids: np.ndarray, what: str) -> list[str]:
    """What is doubtful of a volume by itself."""
    found, counts = np.unique(ids, return_counts=True)
    counts, found = counts[found != 0], found[found != 0]
    if not len(found):
        return []
    if len(found) == 1 and counts[0] < 0.99 * ids.size:
        is_one = f"the {what} has one id in its middle, {found[0]}"
        return [f"{is_one}: {LIKE_A_MASK}; label the components of what is inside objects first"]
    if len(found) > MANY_IDS and _mean_run(ids) < SHORT_RUN:
        return [f"the {what}'s ids change with almost every voxel: is it an image, or a probability?"]
    told = []
    if counts.max() > MOSTLY * ids.size:
        told.append(
            f"id {found[counts.argmax()]} is {counts.max() / ids.size:.0%} of the {what}: is it the "
            "background, which should be 0?"
        )
    between = id_between([ids])
    if between is not None:
        told.append(
            f"id {between} lies wherever two objects of the {what} touch: if it is the membrane between them "
            "it should be 0" + (f"; --ignore {between} leaves it out" if what == "truth" else "")
        )
    return [*told, *_cut(found, what)]


def _cut(ids: np.ndarray, what: str) -> list[str]:
    """Ids that do not look as if anybody had given them: numbers are given from 1 on, or have 64 bits."""
    values = ids.astype(np.uint64)
    if len(ids) < MANY_IDS:
        return []
    for bits, name in ((53, "float64"), (24, "float32")):
        rounded = values[values > 2**bits]
        if len(rounded) >= MANY_IDS and not (rounded % 2).any():
            return [
                f"all ids of the {what} above 2^{bits} are even: they went through {name}, which joins some"
            ]
    if values.max() < 2**32 and np.median(values) > 2**30:
        return [f"the ids of the {what} are spread over 32 bits: ids of 64 bits that were cut join objects"]
    return []


def _turned(ids: np.ndarray, labels: np.ndarray, bits: float) -> list[str]:
    """Another order of the axes, such as leaves the middle its shape, or mirrored."""
    orders = [order for order in permutations(range(3)) if ids.transpose(order).shape == ids.shape]
    flips = [axes for number in (1, 2, 3) for axes in combinations(range(3), number)]
    turned = {order: ids.transpose(order) for order in orders[1:]}
    mirrored = {axes: np.flip(ids, axes) for axes in flips}
    tried = {
        **{_order_said(order): _bits(there, labels) for order, there in turned.items()},
        **{_mirrored_said(axes): _bits(there, labels) for axes, there in mirrored.items()},
    }
    (how, mend), best = min(tried.items(), key=lambda one: one[1])
    if best > FAR_BETTER * bits:
        return []
    return [f"{how} the segmentation fits far better (VOI {best:.2f} bits instead of {bits:.2f}): {mend}"]


def _order_said(order: tuple[int, ...]) -> tuple[str, str]:
    axes = ", ".join("zyx"[axis] for axis in np.argsort(order))
    return (
        "with its axes in another order",
        f"what is read as z, y, x is {axes}; name its stored axes so with --segmentation-axes",
    )


def _mirrored_said(axes: tuple[int, ...]) -> tuple[str, str]:
    along = " and ".join("zyx"[axis] for axis in axes)
    return f"mirrored along {along}", "write one of the two the other way round"


def _displaced(ids: np.ndarray, labels: np.ndarray, bits: float) -> list[str]:
    """Another place: where the borders of objects fit best."""
    from skimage.registration import phase_cross_correlation

    borders = [_borders(volume).astype(np.float32) for volume in (labels, ids)]
    shift: Triple = triple([round(float(n)) for n in phase_cross_correlation(*borders)[0]])
    if not any(shift) or any(2 * abs(n) > side for n, side in zip(shift, ids.shape)):
        return []
    whole = Box.of_shape(triple(list(ids.shape)))
    moved = whole & whole.translate(shift)
    there = _bits(ids[moved.translate(triple([-n for n in shift])).slices()], labels[moved.slices()])
    if there > FAR_BETTER * bits:
        return []
    return [
        f"moved by {shift} voxels (z, y, x) the segmentation fits far better (VOI {there:.2f} bits instead "
        f"of {bits:.2f}): is an offset ignored? set --segmentation-origin"
    ]


def _unmapped(ids: np.ndarray, labels: np.ndarray) -> list[str]:
    """Labels much finer than what they are compared with, and within it."""
    table = ContingencyTable.count(labels, ids).labelled.segmented
    voi = variation_of_information(table)
    if voi.split is None or voi.merge is None or voi.merge < BAD_BITS or voi.split > voi.merge / 4:
        return []
    labels_each = len(table.truth) / len(np.unique(table.segmentation))
    if labels_each < 3:
        return []
    return [
        f"a segment holds {labels_each:.0f} labels on average, and these lie in it whole: it merges much, or "
        "the labels are supervoxels, without the table that joins them (`transforms` beside NeuroProof's "
        "`stack`)"
    ]


def _middle(box: Box) -> Box:
    """The middle of a box: at most SIDE voxels along each axis."""
    shape = triple([min(SIDE, n) for n in box.shape])
    return Box.of_shape(shape, triple([a + (n - m) // 2 for a, n, m in zip(box.start, box.shape, shape)]))


def _bits(ids: np.ndarray, labels: np.ndarray) -> float:
    """VOI where both are labelled, in bits; infinite where nothing is."""
    voi = variation_of_information(ContingencyTable.count(labels, ids).labelled.segmented)
    return float("inf") if voi.split is None or voi.merge is None else voi.split + voi.merge


def _borders(ids: np.ndarray) -> np.ndarray:
    """Voxels whose next one along some axis has another id."""
    border = np.zeros(ids.shape, bool)
    for axis in range(3):
        ahead = np.take(ids, range(1, ids.shape[axis]), axis)
        behind = np.take(ids, range(ids.shape[axis] - 1), axis)
        np.moveaxis(border, axis, 0)[:-1] |= np.moveaxis(ahead != behind, axis, 0)
    return border


def _mean_run(ids: np.ndarray) -> float:
    """Voxels along x until the id changes, where there is one."""
    inside = (ids[..., 1:] != 0) & (ids[..., :-1] != 0)
    changes = np.count_nonzero((ids[..., 1:] != ids[..., :-1]) & inside)
    return float(np.count_nonzero(inside)) / changes if changes else float("inf")
