"""Slices of image, truth and segmentation through the middle of a run's volume, in three planes."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from pipeline.geometry import Box, triple
from pipeline.report.colours import colours_of, matched
from pipeline.results.parts import has_part
from pipeline.run_folder import Run
from pipeline.settings.fields import sections_in
from pipeline.volumes import Volume, image_voxel_size_nm, open_image, open_labels, open_volume

MOST_READ = 1600
"""Voxels along an edge of a slice: of a larger volume the middle is shown."""

MOST_PIXELS = 400
"""Along an edge; of a larger slice every second, third, ... voxel is shown."""

OPACITY = 0.55
"""Of colours over the image."""

PLANES = {"yx": 0, "zx": 1, "zy": 2}
"""By the axis that they are across: z, y, x."""


@dataclass(frozen=True)
class Picture:
    """A picture for the page; `facts` is what it shows, with nothing left to guess."""

    file: bytes
    kind: str
    """Of its bytes: `image/jpeg` or `image/png`."""
    width: int
    height: int
    """On the page, in pixels: the voxels' proportions, not their number."""
    alt: str
    facts: dict[str, Any]


def sections(run: Run, has_segments: bool) -> list[dict[str, Any]]:
    """What is to be drawn: the middle planes of the scored box, else of what was segmented.

    Image, truth and, with `has_segments`, segmentation of each, as far as they are there. Raises Unreadable.
    """
    box = run.config.evaluation.box or run.inference_box
    shown = ["image"]
    if run.config.data.labels is not None:
        shown.append("truth")
    if has_segments and has_part(run.volume, "info"):
        shown.append("segmentation")
    found = []
    for plane, axis in PLANES.items():
        section = _middle(box, axis, _labelled(run) if axis == 0 else None)
        at = {"plane": plane, "axis": "zyx"[axis], "at": section.start[axis], "box": str(section)}
        found += [{**at, "shows": shows} for shows in shown]
    return found


def draw_slices(run: Run, wanted: list[dict[str, Any]]) -> list[Picture]:
    """The pictures of `sections`; a segment that is right has its object's colour.

    Raises InputError where a volume cannot be read.
    """
    size = image_voxel_size_nm(run) or (1.0, 1.0, 1.0)
    sources: dict[str, Volume] = {}
    pictures = []
    planes: dict[str, dict[str, np.ndarray]] = {}
    for facts in wanted:
        axis, shows, section = PLANES[facts["plane"]], facts["shows"], Box.parse(facts["box"])
        if shows not in sources:
            sources[shows] = _open(run, shows)
        shown = planes.setdefault(facts["plane"], {})
        shown[shows] = _read(sources[shows], section, axis)
        grey = _grey(shown["image"], run.normalisation)
        drawn = grey if shows == "image" else _over(grey, _coloured(shows, shown))
        rows, columns = (size[i] for i in range(3) if i != axis)
        pictures.append(_picture(drawn, rows, columns, facts))
    return pictures


def _open(run: Run, shows: str) -> Volume:
    if shows == "image":
        return open_image(run)
    if shows == "truth":
        return open_labels(run)
    return open_volume(run.volume_uri)


def _labelled(run: Run) -> Sequence[int] | None:
    """The sections that are labelled, where not all are."""
    sections = run.config.data.labelled_sections
    return None if sections is None else sections_in(sections)


def _middle(box: Box, axis: int, among: Sequence[int] | None = None) -> Box:
    """The plane across `axis` through the middle of a box, at most MOST_READ voxels along an edge.

    Of several, if there are any in the box, the one that is nearest to it.
    """
    middle = middle_of(box, MOST_READ)
    start, stop = list(middle.start), list(middle.stop)
    at = (box.start[axis] + box.stop[axis]) // 2
    there = [one for one in among or () if box.start[axis] <= one < box.stop[axis]]
    start[axis] = min(there, key=lambda one: abs(one - at), default=at)
    stop[axis] = start[axis] + 1
    return Box(triple(start), triple(stop))


def middle_of(box: Box, most: int) -> Box:
    """The box, or its middle where it is longer than `most` voxels."""
    start = [a + max(0, n - most) // 2 for a, n in zip(box.start, box.shape)]
    return Box(triple(start), triple([a + min(n, most) for a, n in zip(start, box.shape)]))


def _read(volume: Volume, section: Box, axis: int) -> np.ndarray:
    """The voxels of a plane, 0 where the volume does not reach; thinned out to at most MOST_PIXELS."""
    there = volume.box & section
    voxels = np.zeros(section.shape, volume.dtype)
    if not there.is_empty:
        voxels[there.slices(section.start)] = volume.read(there)
    flat = voxels.squeeze(axis)
    step = max(1, -(-max(flat.shape) // MOST_PIXELS))
    return flat[::step, ::step]


def _grey(voxels: np.ndarray, normalisation: tuple[float, float]) -> np.ndarray:
    """The image as the network sees it: grey from 2.5 standard deviations below the mean to as many above."""
    mean, stddev = normalisation
    scaled = (voxels.astype(np.float64) - mean) / (5 * stddev) + 0.5
    grey = (255 * scaled.clip(0, 1)).astype(np.uint8)
    return np.repeat(grey[:, :, None], 3, axis=2)


def _coloured(name: str, shown: dict[str, np.ndarray]) -> np.ndarray:
    ids = shown[name].astype(np.uint64)
    unique, index = np.unique(ids, return_inverse=True)
    if name == "segmentation" and "truth" in shown:
        like = matched(ids, shown["truth"].astype(np.uint64))
        top = int(shown["truth"].max(initial=0))
        unique = np.array([like.get(i, i and (i + top) % 2**64) for i in unique.tolist()], np.uint64)
    return colours_of(unique)[index.reshape(ids.shape)]


def _over(grey: np.ndarray, colour: np.ndarray) -> np.ndarray:
    """Colours over the image; where there is none the image shows as it is."""
    mixed = (1 - OPACITY) * grey + OPACITY * colour
    return np.where(colour.any(axis=2, keepdims=True), mixed, grey).astype(np.uint8)


def _picture(drawn: np.ndarray, row_nm: float, column_nm: float, facts: dict[str, Any]) -> Picture:
    file = io.BytesIO()
    Image.fromarray(drawn).save(file, "JPEG", quality=88, subsampling=0)
    height, width = drawn.shape[0] * row_nm, drawn.shape[1] * column_nm
    scale = MOST_PIXELS / max(height, width)
    what = {
        "image": "the image",
        "truth": "the true objects in colours over the image",
        "segmentation": "the segments in colours over the image",
    }[facts["shows"]]
    alt = f"{what}, plane {facts['plane']} at {facts['axis']} {facts['at']}"
    return Picture(
        file.getvalue(),
        "image/jpeg",
        max(1, round(width * scale)),
        max(1, round(height * scale)),
        alt,
        facts,
    )
