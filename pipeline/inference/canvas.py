"""Canvas: flood filling of one block of image, without knowing who runs the network.

The rules are those of Januszewski et al. 2018 as google/ffn's `Canvas.segment_all` applies them.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable
from dataclasses import dataclass

import numpy as np

from pipeline.config import Inference
from pipeline.ffn.flood_rules import logit
from pipeline.geometry import Box, Triple, triple
from pipeline.inference.movement import FaceMaxMovement

UNSEGMENTED = 0
EXCLUDED = -1


class NotFinite(ArithmeticError):  # noqa: N818 - says what happened
    """A network call has left NaN or infinity in the POM."""

    def __init__(self, centre: Triple) -> None:
        super().__init__(f"the network gives NaN or infinity in the FOV centred at {centre}")
        self.centre = centre
        """Of the FOV, z, y, x, counting from the block's first voxel."""


@dataclass(frozen=True)
class Segment:
    """One object found: its id in the segmentation, its size, where and with how many calls it grew."""

    id: int
    voxels: int
    seed: Triple
    calls: int


@dataclass(frozen=True)
class CanvasState:
    """All that a canvas knows between two objects; names as in Canvas."""

    segmentation: np.ndarray
    segments: list[Segment]
    seeds_done: int
    calls: int


class Canvas:
    """The state of segmenting one block: image, POM of the object in hand, and segmentation so far.

    `image` is the normalised (z, y, x) float32 image, `fov` the shape the network sees, `deltas` the
    step of the FOV. `segmentation` is int32: an id per object from 1 on, 0 where nothing was found,
    -1 at seeds that led to nothing. `calls` are the network calls spent on the seeds that are done.
    """

    def __init__(self, image: np.ndarray, fov: Triple, deltas: Triple, settings: Inference) -> None:
        self.segmentation = np.zeros(image.shape, np.int32)
        self.segments: list[Segment] = []
        self.seeds_done = 0
        self.calls = 0
        self._image = image
        # NaN marks voxels that no network call has seen since the seed was set.
        self._pom = np.full(image.shape, np.nan, np.float32)
        self._before = np.empty(fov, np.float32)
        self._logits = np.empty(fov, np.float32)
        self._deltas = deltas
        self._settings = settings
        self._margin = triple([n // 2 for n in fov])
        self._first = self._margin
        self._last = triple([n - 1 - m for n, m in zip(image.shape, self._margin)])
        self._move_threshold = logit(settings.move_threshold)
        self._segment_threshold = logit(settings.segment_threshold)
        self._pad = logit(settings.pad_probability)

    @property
    def state(self) -> CanvasState:
        """The state after the last seed done: what an object in hand changes is the POM alone.

        Taken while `segment` waits for the network or has ended. Arrays are shared, not copied.
        """
        return CanvasState(self.segmentation, self.segments, self.seeds_done, self.calls)

    def restore(self, state: CanvasState) -> None:
        """Take over `state`, of a canvas of the same image and settings; the seeds not done may follow."""
        self.segmentation = state.segmentation
        self.segments = state.segments
        self.seeds_done = state.seeds_done
        self.calls = state.calls

    def settled(self, seeds: np.ndarray) -> np.ndarray:
        """Of each seed on which a FOV can be centred whether it needs no network call any more; (m,) bool.

        `seeds` are all of them in their order, (n, 3) int. Those are settled that were tried, and those in an
        object, that in hand among them as far as it is flooded.
        """
        at = tuple(seeds.T)
        settled = (self.segmentation[at] > UNSEGMENTED) | (self._pom[at] >= self._segment_threshold)
        settled[: self.seeds_done] = True
        fits = (seeds >= self._first) & (seeds <= self._last)
        return settled[fits.all(axis=1)]

    def segment(self, seeds: Iterable[Triple], fov: np.ndarray) -> Generator[None, np.ndarray, None]:
        """Grow one object after the other from `seeds`; a coroutine that asks for network calls.

        Each time it yields, `fov`, a writable float32 array of (z, y, x, 2), holds the image and the
        POM in logits; the caller sends what the network adds to the POM, (z, y, x) float32.
        Canvases that write to different parts of one batch can so be advanced together. Raises
        NotFinite where the POM comes out not finite: that is no answer to whether there is an object.
        """
        for seed in seeds:
            if self._may_start(seed):
                yield from self._segment_at(seed, fov)
            self.seeds_done += 1

    def _may_start(self, seed: Triple) -> bool:
        """Whether the seed is free, and no object is too close to it."""
        if not self._is_open(seed):
            return False
        around = Box.of_shape((1, 1, 1), seed).grow(self._settings.min_boundary_dist)
        if (self.segmentation[around.slices()] > UNSEGMENTED).any():
            self.segmentation[seed] = EXCLUDED
            return False
        return True

    def _is_open(self, position: Triple) -> bool:
        """Whether the FOV fits around `position` and no object holds it yet."""
        (z, y, x), (z0, y0, x0), (z1, y1, x1) = position, self._first, self._last
        fits = z0 <= z <= z1 and y0 <= y <= y1 and x0 <= x <= x1
        return fits and bool(self.segmentation[position] <= UNSEGMENTED)

    def _segment_at(self, seed: Triple, fov: np.ndarray) -> Generator[None, np.ndarray, None]:
        """Flood from `seed` and keep the object if the seed stays in it and it is large enough."""
        reached, calls = yield from self._flood(seed, fov)
        self._keep(seed, reached, calls)
        self.calls += calls
        self._pom[reached.slices()] = np.nan

    def _flood(self, seed: Triple, fov: np.ndarray) -> Generator[None, np.ndarray, tuple[Box, int]]:
        """Flood from `seed`; returns the box outside which the POM is as it was, and the calls."""
        self._pom[seed] = logit(self._settings.seed_probability)
        reached = self._fov_box(seed)
        calls = 0
        movement = FaceMaxMovement(seed, self._deltas, self._move_threshold)
        while (position := movement.pop()) is not None:
            if self._pom[position] < self._move_threshold or not self._is_open(position):
                continue
            if self._pom[seed] < self._move_threshold:
                break
            where = self._fov_box(position)
            logits = yield from self._update_at(where, fov)
            movement.update(position, logits)
            reached = _hull(reached, where)
            calls += 1
        return reached, calls

    def _update_at(self, where: Box, fov: np.ndarray) -> Generator[None, np.ndarray, np.ndarray]:
        """Run the network once and write the new POM; returns it, (z, y, x) float32, valid until the next."""
        pom = self._pom[where.slices()]
        # Worked on in one piece of memory: the POM's rows lie far apart, and the FOV has two values a voxel.
        before, logits = self._before, self._logits
        np.copyto(before, pom)
        np.copyto(logits, before)
        np.copyto(logits, self._pad, where=np.isnan(before))
        fov[..., 0] = self._image[where.slices()]
        fov[..., 1] = logits
        logits += yield
        highest = logits.max()
        # The highest is NaN where any is.
        if not (np.isfinite(highest) and np.isfinite(logits.min())):
            raise NotFinite(triple([a + m for a, m in zip(where.start, self._margin)]))
        # What was once found to be outside stays outside, or objects would merge through weak spots.
        # Voxels seen for the first time are NaN like those once inside, and fmin takes NaN for no limit.
        if highest >= self._move_threshold:
            np.copyto(before, np.nan, where=before >= 0)
            np.fmin(logits, before, out=logits)
        pom[...] = logits
        return logits

    def _keep(self, seed: Triple, reached: Box, calls: int) -> None:
        """Write the object in the POM into the segmentation, or exclude its seed if it is none."""
        labels = self.segmentation[reached.slices()]
        mask = (self._pom[reached.slices()] >= self._segment_threshold) & (labels <= UNSEGMENTED)
        voxels = int(np.count_nonzero(mask))
        if self._pom[seed] < self._move_threshold or voxels < self._settings.min_segment_voxels:
            self.segmentation[seed] = min(self.segmentation[seed], EXCLUDED)
            return
        self.segments.append(Segment(len(self.segments) + 1, voxels, seed, calls))
        labels[mask] = len(self.segments)

    def _fov_box(self, centre: Triple) -> Box:
        (z, y, x), (dz, dy, dx) = centre, self._margin
        return Box((z - dz, y - dy, x - dx), (z + dz + 1, y + dy + 1, x + dx + 1))


def _hull(a: Box, b: Box) -> Box:
    """The smallest box that holds both."""
    z, y, x = (min(p, q) for p, q in zip(a.start, b.start))
    zz, yy, xx = (max(p, q) for p, q in zip(a.stop, b.stop))
    return Box((z, y, x), (zz, yy, xx))
