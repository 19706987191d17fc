"""Volume: a three-dimensional array in a file, of which boxes can be read."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

import numpy as np

from pipeline.errors import InputError
from pipeline.geometry import Box, Triple, triple
from pipeline.volumes.frame import Frame, VoxelSize
from pipeline.volumes.refusal import refusal
from pipeline.wording import counted


class Volume(ABC):
    """Voxels in z, y, x order that are read box by box, and never all at once unless asked to.

    `shape` is z, y, x; `frame` says where the voxels lie, and every box is in its coordinates. `format`
    names the format as people call it. `chunk` is the shape of what is stored apart and may be missing apart;
    None where the volume is there or not as a whole. Chunks count from the volume's first voxel. Opening
    reads no voxels. Raises InputError when the array is empty, or holds neither integers, booleans
    nor floating-point numbers.
    """

    may_be_empty = False
    """Whether the format leaves out chunks that hold nothing but the fill value: then one that is not stored
    need not be missing."""
    lossy = ""
    """What it is stored as, where what is read is only near to what was written: nothing for ids."""
    loads_anew = False
    """Whether what is loaded is nobody else's: else it may be part of a file that is mapped, or kept."""
    is_remote = False
    """Whether the data lie in a bucket, where a stamp says little and every look is a request."""

    def __init__(
        self,
        uri: str,
        format: str,
        shape: Sequence[int],
        dtype: np.dtype,
        frame: Frame,
        chunk: Sequence[int] | None = None,
    ) -> None:
        if len(shape) != 3 or 0 in shape:
            raise InputError(
                f"{uri} has shape {tuple(shape)}; expected three dimensions z, y, x, none empty: "
                "save it as that"
            )
        if dtype.kind not in "iufb" or dtype.itemsize > 8:
            raise InputError(f"{uri} holds {dtype}; expected integers or floating-point numbers: convert it")
        self.uri = uri
        self.format = format
        self.shape: Triple = triple(list(shape))
        self.dtype = dtype.newbyteorder("=")
        self.frame = frame
        self.chunk = None if chunk is None else triple(list(chunk))

    @property
    @abstractmethod
    def stamp(self) -> str:
        """Where the data lie and when they were changed, at a cost that does not depend on their size.

        While it stays the data are the same, but for what `pipeline.volumes.sampled_stamp` cannot notice.
        """

    @property
    def voxel_size_nm(self) -> VoxelSize | None:
        """Size of a voxel, z, y, x; None where it is unknown."""
        return self.frame.voxel_size_nm

    @property
    def box(self) -> Box:
        """All voxels."""
        return Box.of_shape(self.shape, self.frame.origin)

    def read(self, box: Box) -> np.ndarray:
        """The voxels of `box` as a new array of `box.shape` and the volume's dtype.

        Where they are missing they are the fill value, as a rule 0, and 0 where that is no number. Raises
        InputError when part of the box is outside the volume, when the file cannot be read, or when
        floating-point voxels that are stored are NaN or infinite.
        """
        if not self.box.contains(box):
            raise InputError(f"box {box} is outside {self.uri}, which covers {self.box}")
        if box.is_empty:
            return np.zeros(box.shape, self.dtype)
        voxels = np.require(self._load(self._inside(box)), self.dtype, ["C", "W"])
        if not (self.loads_anew or voxels.flags.owndata):
            voxels = voxels.copy()
        if voxels.dtype.kind == "f" and not np.isfinite(voxels).all():
            self._refuse_stored(~np.isfinite(voxels), voxels, box)
        return voxels

    def _refuse_stored(self, bad: np.ndarray, voxels: np.ndarray, box: Box) -> None:
        """Make the `bad` voxels of `box` 0 where they are missing; raise InputError where they are stored."""
        for chunk in self.missing(box):  # NaN is xarray's fill value
            where = (chunk & box).slices(box.start)
            voxels[where][bad[where]] = 0
            bad[where] = False
        count = np.count_nonzero(bad)
        if count:
            raise InputError(
                f"{self.uri} has {counted(count, 'voxel')} of NaN or infinity in box {box}: save "
                "numbers there"
            )

    def chunks(self, box: Box, most: int | None = None) -> list[Box]:
        """The whole chunks, cut where the volume ends, that share voxels with `box`.

        With `most`, at most that many of them, evenly spread, however many there are.
        """
        if self.chunk is None:
            return []
        whole = self._whole_chunks(box)
        chosen = whole.spread_blocks(self.chunk, whole.count_blocks(self.chunk) if most is None else most)
        return [chunk.translate(self.frame.origin) & self.box for chunk in chosen]

    def count_chunks(self, box: Box) -> int:
        """How many `chunks` there are; none is made."""
        return 0 if self.chunk is None else self._whole_chunks(box).count_blocks(self.chunk)

    def _whole_chunks(self, box: Box) -> Box:
        """The box of all chunks that share voxels with `box`, counting from the volume's first voxel."""
        wanted = self._inside(box & self.box)
        assert self.chunk is not None
        start = triple([a // c * c for a, c in zip(wanted.start, self.chunk)])
        stop = triple([-(-b // c) * c for b, c in zip(wanted.stop, self.chunk)])
        return Box(start, start) if wanted.is_empty else Box(start, stop)

    def missing(self, box: Box) -> list[Box]:
        """Those of `chunks(box)` of which nothing is stored; their voxels are read as 0.

        Raises InputError where that cannot be found out.
        """
        return self.missing_of(self.chunks(box))

    def missing_of(self, chunks: list[Box]) -> list[Box]:
        """Those of some of `chunks` of which nothing is stored. Raises InputError as `missing` does."""
        try:
            stored = self._stored(chunks)
        except OSError as error:  # one that cannot be looked for is not missing
            raise refusal(f"{self.uri}: cannot tell which chunks are missing", error, self.uri) from None
        return [chunk for chunk, is_there in zip(chunks, stored) if not is_there]

    def _inside(self, box: Box) -> Box:
        """The box as it counts from the volume's first voxel."""
        z, y, x = self.frame.origin
        return box.translate((-z, -y, -x))

    def _chunk_index(self, chunk: Box) -> Triple:
        """Where a chunk of `chunks` lies in the grid of chunks, z, y, x."""
        assert self.chunk is not None
        return triple([a // c for a, c in zip(self._inside(chunk).start, self.chunk)])

    def _stored(self, chunks: list[Box]) -> list[bool]:
        """Of each chunk whether there is anything stored of it."""
        return [True] * len(chunks)

    @abstractmethod
    def _load(self, box: Box) -> np.ndarray:
        """The voxels of a box that is not empty, lies in the volume and counts from its first voxel."""
