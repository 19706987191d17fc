"""N5Volume: one dataset of an N5 container on disk, alone or as a level (s0, s1, ...), read by TensorStore.

N5 counts axes as x, y, z and so do its attributes: see https://github.com/saalfeldlab/n5 and, for those that
say where a volume lies, BigDataViewer's and COSEM's.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import tensorstore

from pipeline.errors import InputError
from pipeline.geometry import Box
from pipeline.volumes.choice import Choice
from pipeline.volumes.frame import Stated
from pipeline.volumes.layout import Layout
from pipeline.volumes.listing import listed
from pipeline.volumes.n5_attributes import ATTRIBUTES, attributes_of, described_by, stated_of
from pipeline.volumes.paintera import DATA, is_paintera, refuse_unmerged
from pipeline.volumes.sampled_stamp import SAMPLED, sampled_stamp
from pipeline.volumes.volume import Volume

INTEGERS = tuple(f"{kind}{bits}" for kind in ("uint", "int") for bits in (8, 16, 32, 64))
DTYPES = (*INTEGERS, "float32", "float64")
COMPRESSIONS = ("raw", "gzip", "bzip2", "xz", "blosc", "zstd")
"""What TensorStore reads. It is asked only when voxels are read: its threads do not outlive a fork."""


class N5Volume(Volume):
    """The dataset in `folder`, whose attributes are given; `stated` is what they and its group say."""

    may_be_empty = True

    def __init__(
        self,
        folder: Path,
        attributes: Mapping[str, Any],
        uri: str,
        format: str,
        stated: Stated,
        choice: Choice,
    ) -> None:
        self._folder = folder
        self._described_by = described_by(folder)
        self._blocks = tuple(int(n) for n in reversed(attributes["blockSize"]))
        shape = tuple(int(n) for n in reversed(attributes["dimensions"]))
        self._layout = Layout.of(shape, stated.axes, choice, uri)
        super().__init__(
            uri,
            format,
            self._layout.volume_shape(shape),
            np.dtype(attributes["dataType"]),
            choice.frame(stated, uri),
            self._layout.volume_shape(self._blocks),
        )

    @property
    def stamp(self) -> str:
        blocks = [self._file(chunk) for chunk in self.chunks(self.box, SAMPLED)]
        return sampled_stamp(self._folder, self._described_by, blocks)

    def _stored(self, chunks: list[Box]) -> list[bool]:
        return [self._file(chunk).exists() for chunk in chunks]

    def _file(self, chunk: Box) -> Path:
        grid = self._layout.stored_chunk(self._chunk_index(chunk), self._blocks)
        return self._folder.joinpath(*(str(index) for index in reversed(grid)))

    def _load(self, box: Box) -> np.ndarray:
        spec = {"driver": "n5", "kvstore": {"driver": "file", "path": f"{self._folder.absolute()}/"}}
        try:
            stored = tensorstore.open(spec, open=True, read=True).result()
            return self._layout.turned(stored.T[self._layout.index(box)].read().result())
        except Exception as error:  # a torn block fails in as many ways as there are codecs
            raise InputError(
                f"{self.uri}: cannot read box {box}: {' '.join(str(error).split())}; copy it again"
            ) from None


def open_n5(path: Path, part: str, choice: Choice) -> Volume:
    """The dataset at `path`, or `part` of the container there; of a group of levels the one that is chosen.

    Raises InputError when there is no such dataset; the message lists those of the container.
    """
    if not path.is_dir():
        raise InputError(f"{path}: no such N5 folder")
    folder = path / part if part else path
    attributes = attributes_of(folder)
    if is_paintera(attributes):
        return open_n5(path, f"{part}/{DATA}".lstrip("/"), choice)
    if choice.axes is not None:  # which N5 names in the order of its dimensions, x first, as a rule
        choice = replace(choice, axes=choice.axes[::-1])
    uri = f"{path}:{part}" if part else str(path)
    if "dimensions" in attributes:
        choice.refuse_level(uri)
        return _dataset(folder, uri, "N5", choice)
    levels = sorted(
        (f for f in folder.glob("s*") if re.fullmatch(r"s\d+", f.name) and "dimensions" in attributes_of(f)),
        key=lambda f: int(f.name[1:]),
    )
    if not levels:
        raise InputError(f"{uri}: to be given as PATH:DATASET; its datasets: {_listed(path)}")
    sizes_nm = [_understood(level, uri, choice)[1].size_nm for level in levels]
    level = levels[choice.level_of(sizes_nm, uri)]
    return _dataset(level, uri, f"N5, level {level.name} of {len(levels)}", choice)


def _dataset(folder: Path, uri: str, format: str, choice: Choice) -> N5Volume:
    attributes, stated = _understood(folder, uri, choice)
    return N5Volume(folder, attributes, uri, format, stated, choice)


def _understood(folder: Path, uri: str, choice: Choice) -> tuple[dict[str, Any], Stated]:
    """The attributes of the dataset in `folder` and what they state; InputError where they make no sense."""
    attributes = attributes_of(folder)
    refuse_unmerged(folder, uri, attributes_of)
    if "compressionType" in attributes and "compression" not in attributes:
        said = attributes["compressionType"]
        raise InputError(
            f'{folder / ATTRIBUTES} is of N5 before version 2: put "compression": {{"type": "{said}"}} in '
            "the place of its compressionType"
        )
    try:
        dtype, compression = attributes["dataType"], attributes["compression"]["type"]
        if len(attributes["blockSize"]) != len(attributes["dimensions"]):
            raise ValueError("blockSize and dimensions differ in length")
        stated = stated_of(folder, uri, choice)
    except (KeyError, TypeError, AttributeError, IndexError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(
            f"{folder / ATTRIBUTES} cannot be understood: {type(error).__name__} {error}"
        ) from None
    for name, value, known in (("dataType", dtype, DTYPES), ("compression", compression, COMPRESSIONS)):
        if value not in known:
            raise InputError(
                f"{uri}: its {name} is {value!r}; expected one of {', '.join(known)}: convert it"
            )
    return attributes, stated


def _listed(path: Path) -> str:
    return listed(path, lambda folder: attributes_of(folder).get("dimensions"))
