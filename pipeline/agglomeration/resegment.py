"""Flood a small block around each decision point from both of its segments, and compare what comes out."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import edt
import numpy as np

from pipeline.agglomeration.so_far import SoFar
from pipeline.agglomeration.tables import POINT, SCORE, read_table, write_table
from pipeline.agglomeration.targets import checkpoint_file, radius_of, scores_target
from pipeline.config import Agglomeration
from pipeline.errors import InputError
from pipeline.geometry import Box, triple
from pipeline.inference.canvas import NotFinite
from pipeline.inference.engines import Engine
from pipeline.inference.environment import environment_of
from pipeline.inference.pinning import pinned
from pipeline.inference.probe import Flooded, Probe
from pipeline.inference.segmenter import engine_for
from pipeline.inference.tile_input import mirrored
from pipeline.results.artifacts import Artifact, remove
from pipeline.results.records import make
from pipeline.run_folder import Run
from pipeline.volumes import Volume, open_image, open_volume


def resegment(
    run: Run,
    block: Box,
    points: Artifact,
    model: Artifact,
    segmentation: Sequence[Artifact],
    image: Sequence[Artifact] = (),
) -> Artifact:
    """Look at every decision point of a block with the run's engine; a table of SCORE, in their order.

    `segmentation` are the parts of the volume that meet `resegment_reach(run, block)`, `image` blocks
    of the image around the block, where the run makes it of sections. A block that was
    stopped goes on after the last point that its checkpoint has, to the same bytes. Raises InputError when
    volumes cannot be read, and where this machine does not have the engine of the run.
    """
    run = pinned(run)
    target = scores_target(run, block, points, model, segmentation, image)
    environment = environment_of(run.inference.engine, run.inference.precision)
    made_by = {"fingerprint": target.recipe.fingerprint, "environment": json.dumps(environment)}

    def write(path: Path) -> None:
        so_far = SoFar(checkpoint_file(run, block), made_by, run.inference.checkpoint_every_s)
        write_table(path, _scores(run, model, read_table(points, POINT), so_far))

    artifact = make(target, write, environment)
    with suppress(InputError):  # one that stays does no harm
        remove(checkpoint_file(run, block))
    return artifact


def _scores(run: Run, model: Artifact, points: np.ndarray, so_far: SoFar) -> np.ndarray:
    """The rows of SCORE for all rows of POINT."""
    scored, done = np.zeros(len(points), SCORE), so_far.load()
    scored[: len(done)] = done
    if len(done) < len(points):
        at = _Points(run, engine_for(run, model))
        for number in range(len(done), len(points)):
            scored[number] = at.score(points[number])
            so_far.scored(scored[: number + 1], len(points))
    return scored


@dataclass(frozen=True)
class Sides:
    """What a decision point is about, as (z, y, x) bool over the block around it."""

    a: np.ndarray
    b: np.ndarray
    middle: np.ndarray
    """Where both sides are compared: half a FOV from the block's faces, and in the segmented box."""


class _Points:
    """Scores decision points, one after the other."""

    def __init__(self, run: Run, engine: Engine) -> None:
        self._run = run
        self._engine = engine
        self._image = open_image(run)
        self._segmentation: Volume = open_volume(run.volume_uri)

    def score(self, point: np.void) -> tuple:
        """The row of SCORE for a row of POINT."""
        run, radius = self._run, radius_of(self._run)
        block = Box.of_shape((1, 1, 1), triple([int(point[axis]) for axis in "zyx"])).grow(radius)
        labels = self._labels(block)
        a, b = labels == point["a"], labels == point["b"]
        margin = triple([-(f // 2) for f in run.config.network.fov])
        compared, middle = block.grow(margin) & run.inference_box, np.zeros(block.shape, bool)
        middle[compared.slices(block.start)] = True
        config = run.config
        probe = Probe(
            self._normalised(block),
            (labels != 0) & ~a & ~b,
            config.network.fov,
            config.inference_deltas,
            config.inference,
        )
        try:
            found = compare(probe, self._engine, Sides(a, b, middle), config.agglomeration)
        except NotFinite as error:
            raise InputError(
                f"agglomeration at {block}: {error}, counted from its first voxel; look at the image there, "
                "after data.image_mean and image_stddev"
            ) from None
        return (*point.tolist(), *found)

    def _labels(self, block: Box) -> np.ndarray:
        """The segmentation; 0 where there is none."""
        labels, inside = np.zeros(block.shape, np.uint64), block & self._run.inference_box
        labels[inside.slices(block.start)] = self._segmentation.read(inside)
        return labels

    def _normalised(self, block: Box) -> np.ndarray:
        """The image as the network is shown it, mirrored where it ends."""
        inside, (mean, stddev) = block & self._image.box, self._run.normalisation
        image = mirrored(self._image.read(inside), inside, block).astype(np.float32)
        return (image - np.float32(mean)) / np.float32(stddev)


def compare(probe: Probe, engine: Engine, sides: Sides, rules: Agglomeration) -> tuple[float, ...]:
    """Flood from both sides; what SCORE has beyond POINT, in its order.

    Where the first side does not flood enough of both segments nothing can join them any more, and the other
    side is not flooded.
    """
    a, b = sides.a & sides.middle, sides.b & sides.middle
    if not a.any() or not b.any():
        return (0.0,) * 6 + (0,)
    one, calls = _flood(probe, engine, sides.a, a, rules)
    from_a = _shares(one, a, b)
    if min(from_a) < rules.min_recovered or one is None:
        return (0.0, *from_a, 0.0, 0.0, _deleted(one), calls)
    other, more = _flood(probe, engine, sides.b, b, rules)
    from_b = _shares(other, a, b)
    if other is None:
        return (0.0, *from_a, *from_b, _deleted(one), calls + more)
    union = np.count_nonzero((one.mask | other.mask) & sides.middle)
    iou = np.count_nonzero(one.mask & other.mask & sides.middle) / union if union else 0.0
    return (iou, *from_a, *from_b, max(_deleted(one), _deleted(other)), calls + more)


def _flood(
    probe: Probe, engine: Engine, segment: np.ndarray, compared: np.ndarray, rules: Agglomeration
) -> tuple[Flooded | None, int]:
    """Flood from the inside of a segment until enough of it is flooded; the last attempt, and all calls.

    Seeds are voxels far from the segment's faces, the farthest first; each keeps the next ones away.
    """
    distance = edt.edt(segment, black_border=False, parallel=1)
    allowed = np.zeros(segment.shape, bool)
    allowed[probe.centres.slices()] = True
    distance[~allowed] = 0
    flooded, calls = None, 0
    for _ in range(rules.attempts):
        z, y, x = (int(n) for n in np.unravel_index(int(distance.argmax()), distance.shape))
        if not distance[z, y, x]:
            break
        flooded = probe.flood((z, y, x), engine)
        calls += flooded.calls
        if _share(flooded.mask, compared) >= rules.min_recovered:
            break
        around = Box.of_shape((1, 1, 1), (z, y, x)).grow(triple([int(distance[z, y, x]) + 1] * 3))
        distance[(around & Box.of_shape(triple(segment.shape))).slices()] = 0
    return flooded, calls


def _shares(flooded: Flooded | None, a: np.ndarray, b: np.ndarray) -> tuple[float, float]:
    """What part of each segment is flooded."""
    return (0.0, 0.0) if flooded is None else (_share(flooded.mask, a), _share(flooded.mask, b))


def _share(mask: np.ndarray, of: np.ndarray) -> float:
    return float(np.count_nonzero(mask & of) / np.count_nonzero(of))


def _deleted(flooded: Flooded | None) -> float:
    """Deleted voxels over those that are in the object."""
    return 0.0 if flooded is None else flooded.deleted_voxels / max(1, np.count_nonzero(flooded.mask))
