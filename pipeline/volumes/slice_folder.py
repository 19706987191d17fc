"""SliceVolume: a folder of images, one file a z."""

from __future__ import annotations

import hashlib
import itertools
import re
from pathlib import Path

import numpy as np

from pipeline.errors import InputError
from pipeline.geometry import Box, spread
from pipeline.volumes.choice import Choice
from pipeline.volumes.frame import AXES, Stated
from pipeline.volumes.kept_slices import kept_slice
from pipeline.volumes.sampled_stamp import SAMPLED, sampled_stamp
from pipeline.volumes.slice_image import lossy_slice, slice_header
from pipeline.volumes.slice_names import slices_by_z
from pipeline.volumes.volume import Volume
from pipeline.wording import counted

UNEVEN = (
    "give them numbers that count along z",
    "set data.labelled_sections to the z of each, or give them numbers that count along z",
)
"""What mends numbers that go up unevenly: of an image, and of labels."""


class SliceVolume(Volume):
    """The images in `folder` that match `pattern`, in the order of the numbers in their names.

    z counts from the first of them. A slice whose number is left out is missing, and read as 0. Raises
    InputError where the names tell no order, or a slice is no grey image of the first one's shape and dtype.
    """

    def __init__(self, folder: Path, choice: Choice, pattern: str = "*") -> None:
        choice.refuse_level(str(folder))
        if choice.axes not in (None, AXES):
            raise InputError(f"folder {folder} holds slices along z; {choice.setting('axes')} must be zyx")
        self._folder = folder
        self._files = slices_by_z(folder, pattern, choice.slices, UNEVEN[choice.role == "labels_"])
        uri = str(folder if pattern == "*" else folder / pattern)
        frame = choice.frame(Stated(), uri)
        shown = [path for z, path in self._files.items() if z + frame.origin[0] not in choice.replaced]
        shown = shown or [self._files[0]]
        first = kept_slice(shown[0])  # a volume is opened several times a tile
        shape = (max(self._files) + 1, *first.shape)
        slices = counted(len(self._files), "slice")
        super().__init__(uri, slices, shape, first.dtype, frame, (1, *first.shape))
        self._mend = "save it like that"
        if not choice.role and not choice.option:
            self._mend += ", or show another section in its place, by data.replace_sections"
        self.lossy = lossy_slice(shown[0])
        for path in spread(shown, SAMPLED):
            self._refuse_another_kind(path, *slice_header(path))

    @property
    def numbers(self) -> dict[int, int]:
        """By z the number along z in a slice's name; none of a single slice."""
        names = {z: [int(number) for number in re.findall(r"\d+", f.name)] for z, f in self._files.items()}
        along = [numbers for numbers in zip(*names.values()) if len(set(numbers)) > 1]
        return dict(zip(names, along[0])) if along else {}

    @property
    def counted_by(self) -> tuple[int, int] | None:
        """The first number, and by how many they go up; None of one slice, and where they go up unevenly."""
        numbers = self.numbers
        steps = {(b - a) / (other - z) for (z, a), (other, b) in itertools.pairwise(numbers.items())}
        return (next(iter(numbers.values())), int(steps.pop())) if len(steps) == 1 else None

    @property
    def stamp(self) -> str:
        names = "\n".join(f"{z} {path.name}" for z, path in self._files.items())
        sampled = sampled_stamp(self._folder, [], spread(list(self._files.values()), SAMPLED))
        return f"{sampled} {hashlib.sha256(names.encode()).hexdigest()}"

    def _stored(self, chunks: list[Box]) -> list[bool]:
        return [self._chunk_index(chunk)[0] in self._files for chunk in chunks]

    def _load(self, box: Box) -> np.ndarray:
        z, y, x = box.slices()
        return np.stack([self._slice(k)[y, x] for k in range(z.start, z.stop)])

    def _slice(self, z: int) -> np.ndarray:
        if z not in self._files:
            return np.zeros(self.shape[1:], self.dtype)
        image = kept_slice(self._files[z])
        self._refuse_another_kind(self._files[z], image.shape, image.dtype)
        return image

    def _refuse_another_kind(self, path: Path, shape: tuple[int, ...], dtype: np.dtype) -> None:
        if shape != self.shape[1:] or dtype.newbyteorder("=") != self.dtype:
            raise InputError(
                f"slice {path} is {dtype} of shape {shape}; "
                f"expected {self.dtype} of shape {self.shape[1:]} as the first slice: {self._mend}"
            )
