"""What the files beside the chunks of a Zarr array say of them."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from pipeline.errors import InputError
from pipeline.geometry import spread
from pipeline.volumes.address import Where, are_there
from pipeline.volumes.sampled_stamp import SAMPLED

METADATA = ("zarr.json", ".zarray", ".zattrs", ".zgroup")

FEW = 4
"""Chunks asked for first, in the places of which one is there as a rule."""


@dataclass(frozen=True)
class ArrayMetadata:
    """What the versions of the zarr library say in different ways, from the array's own file."""

    zarr_format: int
    separator: str
    prefix: str
    dimension_names: list[str] | None
    codecs: list[Mapping[str, Any]]
    """Filters and compressors, as they are written there."""

    @classmethod
    def read(cls, folder: Where) -> ArrayMetadata:
        """The metadata of the array in `folder`, which the library could open."""
        if zarr_format(folder) == 2:
            stored = json.loads((folder / ".zarray").read_text())
            separator = stored.get("dimension_separator", ".")
            codecs = [*(stored.get("filters") or []), stored.get("compressor")]
            return cls(2, separator, "", None, list(filter(None, codecs)))
        stored = json.loads((folder / "zarr.json").read_text())
        encoding = stored["chunk_key_encoding"]
        is_default = encoding["name"] == "default"
        separator = encoding.get("configuration", {}).get("separator", "/" if is_default else ".")
        names = stored.get("dimension_names")
        return cls(
            3,
            separator,
            f"c{separator}" if is_default else "",
            names if names and all(names) else None,
            stored["codecs"],
        )

    def chunk_key(self, grid: Sequence[int]) -> str:
        """The file, below the array's folder, of the chunk at a place in the grid."""
        return self.prefix + self.separator.join(str(index) for index in grid)

    def refuse_folders(self, folder: Where, shape: Sequence[int], chunks: Sequence[int]) -> None:
        """Raise InputError where chunks that should be 0.0.0 are 0/0/0, as older versions of the library left
        them, and OSError where a server does not say.

        Elsewhere some are asked for: a server need not list what is there, or does so by the thousand.
        """
        if (self.zarr_format, self.separator) != (2, ".") or len(shape) < 2:
            return
        if isinstance(folder, Path):
            lie_in_folders = (folder / "0").is_dir()
        else:
            grid = [-(-n // chunk) for n, chunk in zip(shape, chunks)]
            places = [np.unravel_index(number, grid) for number in spread(range(math.prod(grid)), SAMPLED)]
            flat, deep = ([folder / mark.join(map(str, at)) for at in places] for mark in "./")
            lie_in_folders = not any(are_there(spread(flat, FEW))) and any(are_there(deep))
        if lie_in_folders:
            raise InputError(
                f"{folder}: its chunks lie in folders (0/0/0), and .zarray does not say so: "
                'put "dimension_separator": "/" into it'
            )


def zarr_format(folder: Where) -> Literal[2, 3]:
    """That of the array or group in `folder`: where it is described in both, the newer."""
    return 3 if (folder / "zarr.json").is_file() else 2


def shape_at(folder: Where) -> list[int] | None:
    """The shape that the metadata of an array in `folder` state, of either format; None without an array."""
    for name in ("zarr.json", ".zarray"):
        try:
            shape = json.loads((folder / name).read_text()).get("shape")
        except (OSError, ValueError, AttributeError):
            continue
        if isinstance(shape, list):
            return shape
    return None
