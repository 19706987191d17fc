"""Choice: what of a stored volume is wanted, and what takes the place of what its file says."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar

from pipeline.errors import InputError
from pipeline.geometry import Triple
from pipeline.volumes.frame import Frame, Stated, VoxelSize, same_size, size_text

T = TypeVar("T")

FIRST_VOXEL = "set {} to where its first voxel is"
MASK = {
    "level": "give data.mask a volume of one level, with voxels as large as the image's",
    "channel": "give data.mask a volume of one channel",
    "axes": "give data.mask a volume whose axes are z, y, x",
    "origin": "give data.mask a volume that says where it lies, or one of the image's shape that does not",
}
"""What there is no setting for, and a mask must therefore be."""


@dataclass(frozen=True)
class Choice:
    """All None: the finest level, and everything as the file says."""

    level: int | None = None
    """Of a format with levels (mips), counted from the finest, 0."""
    like_nm: VoxelSize | None = None
    """Where no level is set: the one with this voxel size."""
    must_fit: bool = False
    """Whether, where no level is set, it has to be known to have that size; else the finest is taken."""
    channel: int | None = None
    axes: str | None = None
    """Names of the stored axes in their order, such as `xyz` or `tczyx`."""
    origin: Triple | None = None
    """Coordinates of the first voxel."""
    voxel_size_nm: VoxelSize | None = None
    slices: int | None = None
    """Of a folder of slices: where it has so many they follow on each other, whatever their numbers; 0: in
    any case."""
    replaced: Collection[int] = ()
    """Sections, by their z, in whose place others are shown: of slices, these may be of any kind."""
    role: Literal["", "labels_", "mask_"] = ""
    """How the settings that make the choice begin, for errors. There are none for a mask."""

    option: str = ""
    """Where the choice is made on a command line: how its options begin, such as `truth`."""
    lacks: Collection[str] = ()
    """What there is no such option for; there is of `ffn export`, which writes a volume without the need."""

    def setting(self, name: str) -> str:
        """What chooses `level`, `channel`, `axes` or `origin`: a setting of the run file, or an option."""
        if self.option:
            option = "mip" if name == "level" else name
            return f"--{'volume' if name in self.lacks else self.option}-{option}"
        if name == "origin" and self.role:
            return "data.labels_box"
        return f"data.{self.role}{'mip' if name == 'level' else name}"

    def mend(self, name: str, how: str) -> str:
        """`how`, in which {} stands for the setting: what mends an error. What a mask must be without one."""
        if self.role == "mask_":
            return MASK[name]
        said = how.format(self.setting(name))
        return f"write it anew by `ffn export`, and there {said}" if name in self.lacks else said

    @property
    def is_of_ids(self) -> bool:
        """Whether the volume is to hold ids of objects."""
        return self.role == "labels_" or self.option in ("segmentation", "truth")

    @property
    def size_setting(self) -> str:
        """What says how large voxels are."""
        return "--voxel-size" if self.option else "data.voxel_size_nm"

    def frame(self, stated: Stated, uri: str) -> Frame:
        """Where a volume lies, of which a file says `stated`. Raises InputError as `Stated.frame` does."""
        mend = self.mend("origin", FIRST_VOXEL)
        return stated.frame(uri, self.origin, self.voxel_size_nm, mend, self.size_setting)

    def unless_set(self, name: Literal["voxel_size_nm", "origin"], read: Callable[[], T]) -> T | None:
        """What `read` finds in a file; None where that is nothing that can be understood, and this sets it.

        Raises the InputError of `read`, with the setting that takes its place, where this does not.
        """
        try:
            return read()
        except InputError as error:
            if getattr(self, name) is not None:
                return None
            of_size = f"set {self.size_setting} (z, y, x in nm)"
            mend = of_size if name == "voxel_size_nm" else self.mend("origin", FIRST_VOXEL)
            raise InputError(f"{error}: {mend}") from None

    def level_of(self, sizes_nm: Sequence[VoxelSize | None], uri: str) -> int:
        """The level to take of those with these voxel sizes. Raises InputError that lists them."""
        if self.level is not None:
            if self.level >= len(sizes_nm):
                listed = ", ".join(f"{i} ({size_text(size)})" for i, size in enumerate(sizes_nm))
                raise InputError(
                    f"{uri}: {self.setting('level')} is {self.level}, but its levels are {listed}"
                )
            return self.level
        fitting = [
            i for i, size in enumerate(sizes_nm) if size and self.like_nm and same_size(size, self.like_nm)
        ]
        if not fitting and self.must_fit and len(sizes_nm) > 1:
            raise InputError(
                f"{uri}: which of its {len(sizes_nm)} levels has voxels as large as data.mip of the image is "
                f"unknown; {self.mend('level', 'set {}')}"
            )
        return fitting[0] if fitting else 0

    def refuse_level(self, uri: str) -> None:
        """Raise InputError where a level is chosen of a volume that has none."""
        if self.level:
            raise InputError(f"{uri} has no levels; {self.setting('level')} must be 0")
