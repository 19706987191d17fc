"""LabelledSections: labels that are drawn in some sections, with nothing known between these."""

from __future__ import annotations

import itertools
from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from pipeline.errors import InputError
from pipeline.geometry import Box
from pipeline.settings.fields import sections_text
from pipeline.volumes.replaced_sections import ReplacedSections
from pipeline.volumes.slice_folder import SliceVolume
from pipeline.volumes.volume import Volume
from pipeline.wording import counted

SETTING = "data.labelled_sections"


class LabelledSections(Volume):
    """So many sections from z `start` on, of which section z is number `stored[z]` of `volume`.

    Where nothing is stored of a section it has the largest id of its dtype, which says "not labelled". y and
    x are those of `volume`. Raises InputError, with the `setting` that names them, where a section lies
    outside either.
    """

    def __init__(
        self, volume: Volume, stored: Mapping[int, int], start: int, count: int, setting: str = SETTING
    ) -> None:
        frame = volume.frame
        for z, number in stored.items():
            if not (start <= z < start + count and 0 <= number < volume.shape[0]):
                raise InputError(
                    f"{setting} names section {z}; {volume.uri} has "
                    f"{counted(volume.shape[0], 'section')}, for z {start} to {start + count - 1}, and "
                    f"{len(stored)} are named: name as many as there are, or sections among them"
                )
        shape, origin = (count, *volume.shape[1:]), (start, *frame.origin[1:])
        chunk = None if volume.chunk is None else (1, *volume.chunk[1:])
        format = f"{volume.format}, {counted(len(stored), 'section')} labelled"
        super().__init__(volume.uri, format, shape, volume.dtype, replace(frame, origin=origin), chunk)
        self.source = volume
        self.is_remote = volume.is_remote
        self.may_be_empty = volume.may_be_empty
        self.lossy = volume.lossy
        self._stored_at = dict(stored)
        self.drawn = sorted(stored)

    @property
    def stamp(self) -> str:
        return f"{self.source.stamp} sections {sorted(self._stored_at.items())}"

    @property
    def alone(self) -> LabelledSections:
        """The sections that are stored, one after another, in the place of the first."""
        numbers = [self._stored_at[z] for z in self.drawn]
        first = self.drawn[0]
        alone = LabelledSections(self.source, dict(enumerate(numbers, first)), first, len(numbers))
        alone.frame = replace(self.frame, origin=(first, *self.frame.origin[1:]))
        return alone

    def box_alone(self, box: Box) -> Box:
        """The voxels of `alone` that a box has; possibly empty."""
        (start, y, x), (stop, yy, xx) = box.start, box.stop
        begin, end = (self.drawn[0] + bisect_left(self.drawn, z) for z in (start, stop))
        return Box((begin, y, x), (end, yy, xx))

    def filled(self, box: Box) -> np.ndarray:
        """The ids of a box, and between two sections those that both have at a voxel; 0 elsewhere."""
        start, stop = box.start[0], box.stop[0]
        first = max(0, bisect_right(self.drawn, start) - 1)
        last = min(len(self.drawn), bisect_left(self.drawn, stop - 1) + 1)
        sections = self.drawn[first:last]
        ids = np.zeros(box.shape, self.dtype)
        if not sections:
            return ids
        read = self.read(_between(box, sections[0], sections[-1] + 1))
        for z in sections:
            if start <= z < stop:
                ids[z - start] = read[z - sections[0]]
        for a, b in itertools.pairwise(sections):
            before, after = read[a - sections[0]], read[b - sections[0]]
            between = slice(max(a + 1, start) - start, max(min(b, stop) - start, 0))
            ids[between] = np.where(before == after, before, 0)
        return ids

    def _stored(self, chunks: list[Box]) -> list[bool]:
        """Nothing is missing where nothing is to be stored."""
        drawn = [chunk for chunk in chunks if chunk.start[0] in self._stored_at]
        found = dict(zip(drawn, self.source._stored([self._source(chunk) for chunk in drawn])))
        return [found.get(chunk, True) for chunk in chunks]

    def _source(self, chunk: Box) -> Box:
        """The chunk of the source that a chunk is of."""
        own = self.source.frame.origin
        z = self._stored_at[chunk.start[0]] + own[0]
        return self.source.chunks(_between(self._inside(chunk).translate(own), z, z + 1))[0]

    def _load(self, box: Box) -> np.ndarray:
        z0, own = self.frame.origin[0], self.source.frame.origin
        wanted = box.translate((z0, *own[1:]))
        first, last = (bisect_left(self.drawn, z) for z in (wanted.start[0], wanted.stop[0]))
        ids = np.full(box.shape, np.iinfo(self.dtype).max, self.dtype)
        depth = 1 if self.source.chunk is None else self.source.chunk[0]
        for _, group in itertools.groupby(self.drawn[first:last], lambda z: self._stored_at[z] // depth):
            sections = np.array(list(group))  # which one look at a chunk finds
            numbers = np.array([self._stored_at[z] for z in sections.tolist()])
            begin, end = int(numbers[0]), int(numbers[-1]) + 1
            read = self.source.read(_between(wanted, begin + own[0], end + own[0]))
            ids[sections - wanted.start[0]] = read[numbers - begin]
        return ids


def spread_out(
    labels: Volume, drawn: Sequence[int], image: Volume, labels_box: Box | None, setting: str = SETTING
) -> Volume:
    """Labels of which the sections `drawn`, by their z, are labelled, as the `setting` says.

    They hold just these, if they are as many: then they lie in `labels_box`, or else in the image. Other
    labels have them at their places. Raises InputError where a section lies outside.
    """
    within = labels_box or image.box
    if labels.shape[0] != len(drawn):
        start = labels.frame.origin[0] if labels.frame.is_placed else within.start[0]
        return LabelledSections(labels, {z: z - start for z in drawn}, start, labels.shape[0], setting)
    stored = dict(zip(drawn, itertools.count()))
    found = LabelledSections(labels, stored, within.start[0], within.shape[0], setting)
    size, of_image = found.frame.voxel_size_nm, image.voxel_size_nm
    if size is not None and of_image is not None:  # along z it may be how far apart they are
        found.frame = replace(found.frame, voxel_size_nm=(of_image[0], *size[1:]))
    return found


def sections_by_name(image: Volume, labels: Volume) -> str | None:
    """Where the slices of labels lie by the numbers in their names and those of the image's, as
    `data.labelled_sections` has it; None unless theirs are among the image's, with as many of these between
    them or more."""
    image, labels = as_opened(image), as_opened(labels)
    if not (isinstance(image, SliceVolume) and isinstance(labels, SliceVolume)):
        return None
    ours, theirs, numbers = image.counted_by, labels.counted_by, list(labels.numbers.values())
    if ours is None or not numbers:
        return None
    if theirs is not None and theirs[1] > ours[1]:  # where one is left out too
        numbers = [theirs[0] + z * theirs[1] for z in range(labels.shape[0])]
    found = [divmod(number - ours[0], ours[1]) for number in numbers]
    sections = [image.box.start[0] + z for z, _ in found]
    if any(rest for _, rest in found) or 2 * len(sections) > sections[-1] - sections[0] + 2:
        return None
    return sections_text(sections)


def as_opened(volume: Volume) -> Volume:
    """The volume in which sections are replaced, or left out."""
    return volume.source if isinstance(volume, (LabelledSections, ReplacedSections)) else volume


def _between(box: Box, start: int, stop: int) -> Box:
    """The y and x of a box, in other sections."""
    (_, y, x), (_, yy, xx) = box.start, box.stop
    return Box((start, y, x), (stop, yy, xx))
