"""N5Volume: one dataset of an N5 container, on disk or elsewhere, alone or as a level (s0, s1, ...).

TensorStore reads its blocks.
N5 counts axes as x, y, z and so do its attributes: see https://github.com/saalfeldlab/n5 and, for those that
say where a volume lies, BigDataViewer's and COSEM's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import tensorstore

from pipeline.errors import InputError
from pipeline.geometry import Box
from pipeline.volumes.address import Address, Where, are_there, contents, look_up
from pipeline.volumes.choice import Choice
from pipeline.volumes.frame import Stated
from pipeline.volumes.layout import Layout
from pipeline.volumes.listing import listed, numbered, why_absent
from pipeline.volumes.n5_attributes import ATTRIBUTES, attributes_of, described_by, stated_of
from pipeline.volumes.paintera import DATA, is_paintera, refuse_unmerged
from pipeline.volumes.refusal import asked_how, unread
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
        folder: Where,
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
        self.is_remote = isinstance(folder, Address)
        super().__init__(
            uri,
            format + (asked_how(str(folder)) if self.is_remote else ""),
            self._layout.volume_shape(shape),
            np.dtype(attributes["dataType"]),
            choice.frame(stated, uri),
            self._layout.volume_shape(self._blocks),
        )

    @property
    def stamp(self) -> str:
        blocks = map(self._file, self.chunks(self.box, SAMPLED))
        return sampled_stamp(self._folder, self._described_by, blocks)

    def _stored(self, chunks: list[Box]) -> list[bool]:
        return are_there([self._file(chunk) for chunk in chunks])

    def _file(self, chunk: Box) -> Where:
        grid = self._layout.stored_chunk(self._chunk_index(chunk), self._blocks)
        return self._folder / "/".join(str(index) for index in reversed(grid))

    def _load(self, box: Box) -> np.ndarray:
        at = box.translate(self.frame.origin)
        try:
            stored = self._opened(at)
            return self._layout.turned(stored.T[self._layout.index(box)].read().result())
        except Exception as error:  # a torn block fails in as many ways as there are codecs
            raise unread(self.uri, at, error, self._folder) from None

    def _opened(self, box: Box) -> tensorstore.TensorStore:
        """The dataset as TensorStore has it: of one elsewhere, in memory, the blocks that `box` meets."""
        if isinstance(self._folder, Path):
            kvstore = {"driver": "file", "path": f"{self._folder.absolute()}/"}
            return tensorstore.open({"driver": "n5", "kvstore": kvstore}, open=True, read=True).result()
        context = tensorstore.Context()  # of this box alone
        memory = tensorstore.KvStore.open("memory://", context=context).result()
        memory[ATTRIBUTES] = (self._folder / ATTRIBUTES).read_bytes()
        blocks = [file for file in map(self._file, self.chunks(box)) if isinstance(file, Address)]
        for block, content in zip(blocks, contents(blocks)):
            if content is not None:
                memory[block.relative_to(self._folder).as_posix()] = content
        spec = {"driver": "n5", "kvstore": {"driver": "memory"}}
        return tensorstore.open(spec, context=context, open=True, read=True).result()


def open_n5(path: Where, part: str, choice: Choice) -> Volume:
    """The dataset at `path`, or `part` of the container there; of a group of levels the one that is chosen.

    Raises InputError when there is no such dataset; the message lists those of the container.
    """
    if isinstance(path, Path) and not path.is_dir():
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
    candidates = numbered(folder, "s")
    look_up(level / ATTRIBUTES for level in candidates)
    levels = [level for level in candidates if "dimensions" in attributes_of(level)]
    if not levels:
        raise InputError(
            f"{uri}: to be given as PATH:DATASET; its datasets: {_listed(path)}{why_absent(path)}"
        )
    sizes_nm = [_understood(level, uri, choice)[1].size_nm for level in levels]
    level = levels[choice.level_of(sizes_nm, uri)]
    return _dataset(level, uri, f"N5, level {level.name} of {len(levels)}", choice)


def _dataset(folder: Where, uri: str, format: str, choice: Choice) -> N5Volume:
    attributes, stated = _understood(folder, uri, choice)
    return N5Volume(folder, attributes, uri, format, stated, choice)


def _understood(folder: Where, uri: str, choice: Choice) -> tuple[dict[str, Any], Stated]:
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


def _listed(path: Where) -> str:
    return listed(path, lambda folder: attributes_of(folder).get("dimensions"))
