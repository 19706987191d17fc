"""Whether labels fit the image where they are taken to lie: objects end where an image shows it.

What says it is the cross-correlation of the borders between objects with the detail of the image, in a block
in the middle of the labels. Where they fit it has its peak at no shift. If it has none there, and one by far
higher at another shift, or with the labels turned or mirrored, that is told.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import permutations, product

import numpy as np
from numpy.typing import NDArray
from scipy import fft, ndimage

from pipeline.checkup.drawn import is_soon_read
from pipeline.geometry import Box, Triple, triple
from pipeline.volumes import Volume
from pipeline.volumes.labels import LabelVolume

SIDES = (24, 160, 160)
SIDE_OF_CUBES = 72
"""Of the block that is looked at, as far as the labels reach; a cube where they are as long along y or x as
along z, so that these can be one for the other."""

LEAST_SIDE = 8
DETAIL = 15
"""Voxels, in a section: brightness that changes over more of them is no membrane."""

NEAR = (1, 3, 3)
"""By so many voxels labels may be drawn beside what is seen."""

CLEAR = 9.0
"""Standard deviations of the whole correlation: peaks of labels that fit have more."""

FAR_BETTER = 1.5
"""Told if elsewhere the peak is more than so many times as high as it is where the labels are."""

NOWHERE = 5.0
MANY_VOXELS, MANY_BORDERS = 200_000, 0.02
"""Told if in a block of so many voxels, of which so large a part are borders, there is no higher peak: that
of dense labels that fit has one of 30."""


def doubts_of_fit(image: Volume, labels: LabelVolume) -> list[str]:
    """What makes one doubt that the labels lie on the image as they are read. Raises InputError."""
    block = _middle(labels.box)
    if min(block.shape) < LEAST_SIDE or not image.box.contains(block):
        return []
    if not all(is_soon_read(volume, block) for volume in (image, labels)):
        return []
    ids, grey = labels.read(block), image.read(block).astype(np.float32)
    detail = fft.rfftn(grey - ndimage.uniform_filter(grey, (1, DETAIL, DETAIL)))
    as_read = _peaks(detail, ids)
    if as_read is None or as_read.near > max(CLEAR, as_read.highest / FAR_BETTER):
        return []
    moved = f"moved by {as_read.shift} voxels (z, y, x)"
    tried = [(as_read.highest, moved, ": is an offset in another unit? set data.labels_box")]
    for said, turned in _turned(ids, labels.shape):
        found = _peaks(detail, turned)
        tried.append((found.near if found else 0.0, said, ""))
    best, said, mend = max(tried)
    if best < max(CLEAR, FAR_BETTER * as_read.near):
        is_nowhere = block.size >= MANY_VOXELS and as_read.borders > MANY_BORDERS and as_read.near < NOWHERE
        return ["objects end where the image shows nothing: are they of this image?"] if is_nowhere else []
    return [f"{said} they fit the image far better{mend}"]


@dataclass(frozen=True)
class _Peaks:
    """Of a correlation, in its standard deviations."""

    near: float
    """No further away than NEAR."""
    highest: float
    shift: Triple
    """Where that is."""
    borders: float
    """The part of the voxels."""


def _peaks(detail: NDArray[np.complex64], ids: NDArray[np.uint64]) -> _Peaks | None:
    """Those of the correlation of the borders between `ids` with the image's detail, given as its spectrum;
    None where there is no border, or no detail."""
    borders = np.zeros(ids.shape, np.float32)
    for axis in (1, 2):
        here, next_one = (np.take(ids, range(a, ids.shape[axis] - 1 + a), axis) for a in (0, 1))
        ends, marked = np.moveaxis(here != next_one, axis, 0), np.moveaxis(borders, axis, 0)
        marked[1:] += ends
        marked[:-1] += ends
    if not borders.any():
        return None
    along = fft.irfftn(detail * np.conj(fft.rfftn(borders - borders.mean())), s=ids.shape)
    spread = along.std()
    if not 0 < spread < np.inf:  # of a blank image, or one with values that float32 hardly has
        return None
    along = np.abs(along) / spread
    shift = triple(
        [
            int(at) if at <= n // 2 else int(at) - n
            for at, n in zip(np.unravel_index(along.argmax(), along.shape), along.shape)
        ]
    )
    near = along[np.ix_(*(range(-far, far + 1) for far in NEAR))].max()
    return _Peaks(float(near), float(along.max()), shift, float(np.mean(borders != 0)))


def _turned(ids: NDArray[np.uint64], whole: Triple) -> Iterator[tuple[str, NDArray[np.uint64]]]:
    """The ids with axes in other orders, and mirrored, and what that is called; such as leave labels of shape
    `whole` the shape they have."""
    for order, flips in product(permutations(range(3)), product((False, True), repeat=3)):
        if triple([whole[axis] for axis in order]) != whole or (order == (0, 1, 2) and not any(flips)):
            continue
        said = [] if order == (0, 1, 2) else [f"with {_named(order)} for what is read as z, y, x"]
        mirrored = [axis for axis, flip in zip("zyx", flips) if flip]
        said += [f"mirrored along {' and '.join(mirrored)}"] if mirrored else []
        yield ", ".join(said), np.flip(ids.transpose(order), np.flatnonzero(flips))


def _named(order: tuple[int, ...]) -> str:
    return ", ".join("zyx"[axis] for axis in np.argsort(order))


def _middle(box: Box) -> Box:
    """A block in the very middle of a box, so that it lies there also where the box is turned."""
    sides = (SIDE_OF_CUBES,) * 3 if box.shape[0] in box.shape[1:] else SIDES
    shape = [n if n <= side else side - (n - side) % 2 for n, side in zip(box.shape, sides)]
    return Box.of_shape(
        triple(shape), triple([a + (n - m) // 2 for a, n, m in zip(box.start, box.shape, shape)])
    )
