"""What is found in a user's volumes, in numbers and in a line each."""

from __future__ import annotations

import itertools
import os
from collections import Counter
from dataclasses import dataclass

import fastremap
import numpy as np

from pipeline.checkup.drawn import is_drawn_too_thin
from pipeline.checkup.image import describe
from pipeline.errors import InputError
from pipeline.geometry import Box, triple
from pipeline.run_folder import Run
from pipeline.volumes import Volume, labelled_box, open_image, open_labels
from pipeline.volumes.absence import Absence, absence, of_slices
from pipeline.volumes.content import sampled_blocks
from pipeline.volumes.intensity import Intensity, refuse_padded, sample, sample_blocks
from pipeline.volumes.open import is_address, split_scheme
from pipeline.wording import counted, percent

USUAL = 0.8
"""The share of what is labelled by whose objects one tells how large they are."""


def absolute(uri: str) -> str:
    """The uri of a volume that leads to it from every folder; addresses of buckets are that already."""
    if is_address(uri):
        return uri
    scheme, separator, rest = split_scheme(uri)
    path = os.path.abspath(os.path.expanduser(rest if separator else uri))
    return f"{scheme}://{path}" if separator else path


@dataclass(frozen=True)
class Image:
    """The image as it was found."""

    volume: Volume
    intensity: Intensity
    missing: Absence | None
    """None: it is stored as a whole."""

    @property
    def measured(self) -> str:
        """What mean and standard deviation are of."""
        voxels, blocks = self.intensity.voxels, sample_blocks(self.volume, self.volume.box)
        return (
            f"measured on {voxels:,} voxels, {percent(voxels / self.volume.box.size)} of the image, in "
            f"{counted(len(blocks), 'block')} spread over it"
        )

    def lines(self) -> list[str]:
        """What it is, how bright, and what of it is not there."""
        found = self.intensity
        lines = [
            f"image      {describe(self.volume)}",
            f"intensity  mean {found.mean:g}, standard deviation {found.stddev:g}, {found.lowest:g} to "
            f"{found.highest:g}; {self.measured}",
        ]
        return [*lines, f"complete   {self.lacking}"]

    @property
    def lacking(self) -> str:
        """How much of it is missing, in words."""
        if self.missing is None:
            return "stored as a whole"
        noun = f"{'slices' if of_slices(self.volume) else 'chunks'} of the image"
        if self.missing.missing:
            return self.missing.text(noun)
        return f"none of the {self.missing.looked_at:,} {noun} that were looked for is missing"


@dataclass(frozen=True)
class Truth:
    """The labels as they were found; counts are of the part that was looked at."""

    description: str
    box: Box
    """Where they lie in the image: where something is labelled, if all of it was looked at."""
    objects: int
    labelled: float
    looked_at: float
    """The share of the voxels."""
    boundary_distance: int
    """That training can keep: the one asked for, or 0."""
    usual: int
    """Four fifths of what is labelled are of objects of so many voxels or more."""
    sections: tuple[int, ...]
    """Those that are labelled, if all of it was looked at."""

    @property
    def are_single(self) -> bool:
        """Whether single sections are labelled, none beside another."""
        return len(self.sections) > 1 and min(b - a for a, b in itertools.pairwise(self.sections)) > 1

    def line(self) -> str:
        looked = "all of it" if self.looked_at == 1 else f"the {percent(self.looked_at)} that was looked at"
        found = f"{counted(self.objects, 'object')}, {self.labelled:.1%} of the voxels labelled in {looked}"
        return f"truth      {self.description}; {found}"


def look_at_image(run: Run) -> Image:
    """Open the image that the run names, and sample it. Raises InputError, where it is blank too."""
    volume = open_image(run)
    found = sample(volume, volume.box)
    if found is None:
        raise InputError(
            f"image {volume.uri} is blank: wherever it was looked at it has one value, or nothing is stored; "
            "is it another dataset or level (--set data.mip=N)?"
        )
    if run.config.data.image_mean is None or run.config.data.image_stddev is None:
        refuse_padded(found, volume.uri, volume.box)
    return Image(volume, found, None if volume.chunk is None else absence(volume, volume.box))


def look_at_truth(run: Run, boundary_distance: int) -> Truth:
    """Open the labels that the run names, and count a sample of them. Raises InputError."""
    labels, box = open_labels(run), labelled_box(run)
    blocks = [block for block in (b & box for b in sampled_blocks(labels)) if not block.is_empty]
    blocks = blocks or sample_blocks(labels, box)  # of labels much larger than the image none may meet it
    objects, voxels, labelled, extents = Counter[int](), 0, 0, list[Box]()
    sections = set[int]()
    for block in blocks:
        read = labels.read_filled(block)
        ids, counts = fastremap.unique(read, return_counts=True)
        objects.update(dict(zip(ids[ids != 0].tolist(), counts[ids != 0].tolist())))
        voxels += block.size
        extents += _extent(read, block)
        drawn = labels.read(block) != 0
        labelled += np.count_nonzero(drawn)
        sections.update((np.flatnonzero(drawn.any(axis=(1, 2))) + block.start[0]).tolist())
    extent = Box.around(extents) if extents and voxels == box.size else box
    description = describe(labels, labels.stored_dtype)
    if extent != box:
        description += f", in which labels lie in {extent} alone"
    kept = 0 if is_drawn_too_thin(labels, extent, boundary_distance) else boundary_distance
    sizes = np.sort(list(objects.values()) or [0])[::-1]
    usual = int(sizes[np.argmax(np.cumsum(sizes) >= USUAL * sizes.sum())])
    found = tuple(sorted(sections)) if voxels == box.size else ()
    return Truth(description, extent, len(objects), labelled / voxels, voxels / box.size, kept, usual, found)


def _extent(ids: np.ndarray, block: Box) -> list[Box]:
    """The smallest box of what is labelled in a block of labels; none where nothing is."""
    labelled = [np.flatnonzero((ids != 0).any(axis=axes)) for axes in ((1, 2), (0, 2), (0, 1))]
    if not len(labelled[0]):
        return []
    first = Box(triple([int(n[0]) for n in labelled]), triple([int(n[-1]) + 1 for n in labelled]))
    return [first.translate(block.start)]
