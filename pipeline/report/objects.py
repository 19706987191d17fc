"""The largest objects of a segmentation, drawn in three dimensions, without a display or a graphics card.

From every pixel a ray goes in until it meets a voxel of an object, which is shaded by the slope of the
blurred object there: no mesh is made, so that it costs seconds whatever the shapes.
"""

from __future__ import annotations

import io
from typing import Any

import fastremap
import numpy as np
from PIL import Image
from scipy import ndimage

from pipeline.geometry import Box
from pipeline.report.colours import colours_of
from pipeline.report.slices import Picture, middle_of
from pipeline.results.parts import has_part
from pipeline.run_folder import Run
from pipeline.volumes import Volume, image_voxel_size_nm, open_volume

MOST_OBJECTS = 10
MOST_READ = 384
"""Voxels along an edge: of a larger volume a box in its middle is drawn."""

MOST_DRAWN = 160
"""Along an edge; of a larger box every second, third, ... voxel is drawn."""

PIXELS = 512
BLUR, MARGIN = 1.5, 4
"""Voxels: standard deviation, and what is around an object when it is blurred."""

TURN, TILT = np.deg2rad(35.0), np.deg2rad(-25.0)
LIGHT = np.array([-0.5, -0.6, 0.62])
"""Where light comes from: from the left, from above, from the viewer; x, y, depth."""

AMBIENT = 0.35


def largest_objects(run: Run) -> dict[str, Any] | None:
    """What is to be drawn: the largest segments of the volume, or of the middle of a large one.

    None where there is no segmentation, or it is empty. Raises InputError where it cannot be read.
    """
    if not has_part(run.volume, "info"):
        return None
    box = middle_of(run.inference_box, MOST_READ)
    found = _largest(_open(run).read(box))
    objects = [{"segment": i, "voxels": n} for i, n in found]
    return {"box": str(box), "objects": objects} if found else None


def draw_objects(run: Run, facts: dict[str, Any]) -> Picture:
    """The picture of `largest_objects`. Raises InputError where the segmentation cannot be read."""
    box, objects = Box.parse(facts["box"]), [found["segment"] for found in facts["objects"]]
    step = max(1, -(-max(box.shape) // MOST_DRAWN))
    size = np.array(image_voxel_size_nm(run) or (1.0, 1.0, 1.0)) * step
    drawn = draw(_open(run).read(box)[::step, ::step, ::step], objects, size)
    file = io.BytesIO()
    Image.fromarray(drawn).save(file, "PNG")
    alt = f"the {len(objects)} largest segments of {box} in three dimensions, each in a colour of its own"
    return Picture(file.getvalue(), "image/png", PIXELS, PIXELS, alt, facts)


def _open(run: Run) -> Volume:
    return open_volume(run.volume_uri)


def draw(ids: np.ndarray, objects: list[int], voxel_size: np.ndarray) -> np.ndarray:
    """The surfaces of some objects of a volume (z, y, x): RGBA, (PIXELS, PIXELS, 4), clear where nothing is.

    `voxel_size` is z, y, x in any unit. The view is from above one corner, in parallel projection.
    """
    wanted = fastremap.mask_except(ids, objects)
    numbers: np.ndarray = fastremap.remap(wanted, {0: 0} | {i: n for n, i in enumerate(objects, 1)})
    to_view = _view()
    reach = np.array(ids.shape) * voxel_size
    width = np.abs(to_view[:2]) @ reach[::-1]  # of the box, as it is seen
    pixel = float(width.max()) / (0.98 * PIXELS)
    hits, number = _march(numbers, to_view, voxel_size, pixel)
    seen = number > 0
    # a slope shrinks along an axis whose voxels are long
    slopes = (_slopes(numbers, hits[seen], number[seen]) / voxel_size)[:, ::-1] @ to_view.T
    slopes /= np.maximum(np.linalg.norm(slopes, axis=1, keepdims=True), 1e-9)
    light = AMBIENT + (1 - AMBIENT) * (slopes @ (LIGHT / np.linalg.norm(LIGHT))).clip(0, 1)
    drawn = np.zeros((PIXELS * PIXELS, 4), np.uint8)
    drawn[seen, :3] = colours_of(np.array(objects, np.uint64))[number[seen] - 1] * light[:, None]
    drawn[seen, 3] = 255
    return drawn.reshape(PIXELS, PIXELS, 4)


def _march(
    numbers: np.ndarray, to_view: np.ndarray, voxel_size: np.ndarray, pixel: float
) -> tuple[np.ndarray, np.ndarray]:
    """Of each pixel the first voxel on its way in that is not 0 (z, y, x), and its value; else 0."""
    hits, number = np.zeros((PIXELS * PIXELS, 3), np.int64), np.zeros(PIXELS * PIXELS, np.int64)
    down, right = np.divmod(np.arange(PIXELS * PIXELS), PIXELS)
    seen = np.stack([right - PIXELS / 2, down - PIXELS / 2], axis=1) * pixel
    at = (seen @ to_view[:2])[:, ::-1] / voxel_size + np.array(numbers.shape) / 2  # in voxels, z, y, x
    inwards = -to_view[2][::-1] * float(voxel_size.min()) / voxel_size
    faces = np.stack([-at / inwards, (numbers.shape - at) / inwards])
    enters, leaves = faces.min(axis=0).max(axis=1), faces.max(axis=0).min(axis=1)  # in steps
    going = np.flatnonzero(enters < leaves)
    steps, left = np.ceil(enters[going]), leaves[going]
    z, y, x = (at[going] + steps[:, None] * inwards).T.astype(np.float32)
    while len(going):
        voxels = [np.minimum(v.astype(np.int32), n - 1) for v, n in zip((z, y, x), numbers.shape)]
        met = numbers[voxels[0], voxels[1], voxels[2]]
        hit = met > 0
        hits[going[hit]] = np.stack([v[hit] for v in voxels], axis=1)
        number[going[hit]] = met[hit]
        steps += 1
        on = ~hit & (steps < left)
        going, steps, left = going[on], steps[on], left[on]
        z, y, x = (v[on] + np.float32(step) for v, step in zip((z, y, x), inwards))
    return hits, number


def _slopes(numbers: np.ndarray, voxels: np.ndarray, number: np.ndarray) -> np.ndarray:
    """Which way the blurred object falls off at some voxels (n, 3) of objects `number`; z, y, x."""
    slopes = np.zeros(voxels.shape)
    for n, where in enumerate(ndimage.find_objects(numbers.astype(np.int32)), 1):
        mine = number == n
        if where is None or not mine.any():
            continue
        blurred = ndimage.gaussian_filter(np.pad(numbers[where] == n, MARGIN).astype(np.float32), BLUR)
        z, y, x = (voxels[mine] - [part.start for part in where] + MARGIN).T
        for axis, (dz, dy, dx) in enumerate(np.eye(3, dtype=int)):
            slopes[mine, axis] = blurred[z - dz, y - dy, x - dx] - blurred[z + dz, y + dy, x + dx]
    return slopes


def _largest(ids: np.ndarray) -> list[tuple[int, int]]:
    """The largest objects and their voxels, the largest first."""
    found, voxels = fastremap.unique(ids, return_counts=True)
    sizes = [(int(i), int(n)) for i, n in zip(found, voxels) if i]
    return sorted(sizes, key=lambda size: (-size[1], size[0]))[:MOST_OBJECTS]


def _view() -> np.ndarray:
    """The rotation from x, y, z to right, down and towards the viewer, as rows."""
    about_y = np.array([[np.cos(TURN), 0, np.sin(TURN)], [0, 1, 0], [-np.sin(TURN), 0, np.cos(TURN)]])
    about_x = np.array([[1, 0, 0], [0, np.cos(TILT), -np.sin(TILT)], [0, np.sin(TILT), np.cos(TILT)]])
    return about_x @ about_y
