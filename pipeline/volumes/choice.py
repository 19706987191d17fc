"""Choice: what of a stored volume is wanted, and what takes the place of what its file says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.errors import InputError
from pipeline.geometry import Triple
from pipeline.volumes.frame import VoxelSize, same_size, size_text


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
    role: str = ""
    """`labels_` or nothing: how the settings that make the choice begin, for errors."""

    def setting(self, name: str) -> str:
        """The setting in a run file that chooses `level`, `channel`, `axes` or `origin`."""
        if name == "origin" and self.role:
            return "data.labels_box"
        return f"data.{self.role}{'mip' if name == 'level' else name}"

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
                f"unknown; set {self.setting('level')}"
            )
        return fitting[0] if fitting else 0

    def refuse_level(self, uri: str) -> None:
        """Raise InputError where a level is chosen of a volume that has none."""
        if self.level:
            raise InputError(f"{uri} has no levels; {self.setting('level')} must be 0")
