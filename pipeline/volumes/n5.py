"""N5Volume: one dataset of an N5 container on disk, alone or as a level (s0, s1, ...), read by TensorStore.

N5 counts axes as x, y, z and so do its attributes: see https://github.com/saalfeldlab/n5 and, for those that
say where a volume lies, BigDataViewer's and COSEM's.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tensorstore

from pipeline.errors import InputError
from pipeline.geometry import Box
from pipeline.volumes.attributes import axes_of
from pipeline.volumes.choice import Choice
from pipeline.volumes.frame import AXES, Stated, nm_per, positive_sizes
from pipeline.volumes.layout import Layout
from pipeline.volumes.sampled_identity import SAMPLED, sampled_identity
from pipeline.volumes.volume import Volume

ATTRIBUTES = "attributes.json"


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
        self._blocks = tuple(int(n) for n in reversed(attributes["blockSize"]))
        shape = tuple(int(n) for n in reversed(attributes["dimensions"]))
        self._layout = Layout.of(shape, stated.axes, choice, uri)
        super().__init__(
            uri,
            format,
            self._layout.volume_shape(shape),
            np.dtype(attributes["dataType"]),
            stated.frame(uri, choice.origin, choice.voxel_size_nm, choice.setting("origin")),
            self._layout.volume_shape(self._blocks),
        )

    @property
    def identity(self) -> str:
        described_by = [self._folder.parent / ATTRIBUTES, self._folder / ATTRIBUTES]
        blocks = [self._file(chunk) for chunk in self.chunks(self.box, SAMPLED)]
        return sampled_identity(self._folder, described_by, blocks)

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
            raise InputError(f"{self.uri}: cannot read box {box}: {' '.join(str(error).split())}") from None


def open_n5(path: Path, part: str, choice: Choice) -> Volume:
    """The dataset at `path`, or `part` of the container there; of a group of levels the one that is chosen.

    Raises InputError when there is no such dataset; the message lists those of the container.
    """
    if not path.is_dir():
        raise InputError(f"{path}: no such N5 folder")
    folder = path / part if part else path
    uri = f"{path}:{part}" if part else str(path)
    attributes = _attributes(folder)
    if "dimensions" in attributes:
        choice.refuse_level(uri)
        stated = _stated(attributes, _attributes(folder.parent), folder, uri)
        return N5Volume(folder, attributes, uri, "N5", stated, choice)
    levels = sorted(
        (f for f in folder.glob("s*") if re.fullmatch(r"s\d+", f.name) and "dimensions" in _attributes(f)),
        key=lambda f: int(f.name[1:]),
    )
    if not levels:
        raise InputError(f"{uri}: to be given as PATH:DATASET; its datasets: {_listed(path)}")
    stated_by_level = [_stated(_attributes(level), attributes, level, uri) for level in levels]
    index = choice.level_of([stated.size_nm for stated in stated_by_level], uri)
    name = f"N5, level {levels[index].name} of {len(levels)}"
    return N5Volume(levels[index], _attributes(levels[index]), uri, name, stated_by_level[index], choice)


def _attributes(folder: Path) -> dict[str, Any]:
    try:
        found = json.loads((folder / ATTRIBUTES).read_text())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise InputError(f"{folder / ATTRIBUTES} cannot be read: {' '.join(str(error).split())}") from None
    return found if isinstance(found, dict) else {}


def _listed(path: Path) -> str:
    folders = [file.parent for file in path.rglob(ATTRIBUTES) if "dimensions" in _attributes(file.parent)]
    return ", ".join(sorted(folder.relative_to(path).as_posix() for folder in folders)) or "none"


def _stated(attributes: Mapping[str, Any], group: Mapping[str, Any], folder: Path, uri: str) -> Stated:
    """What a dataset's attributes say, or else its group's; numbers there stand in the order x, y, z."""
    names = axes_of(
        {**attributes, "axes": list(reversed(attributes.get("axes") or []))}, len(attributes["dimensions"])
    )
    cosem = attributes.get("transform")
    if isinstance(cosem, Mapping):
        return _cosem(cosem, uri)
    both = {**group, **attributes}
    sizes, unit = both.get("resolution"), both.get("units", both.get("unit"))
    pixel = both.get("pixelResolution")
    if sizes is None and pixel is not None:
        sizes, unit = (
            (pixel["dimensions"], pixel.get("unit")) if isinstance(pixel, Mapping) else (pixel, unit)
        )
    if sizes is None:
        return Stated(names)
    units = unit if isinstance(unit, list) else [unit] * 3
    if len(sizes) != 3 or len(units) != 3:
        raise InputError(f"{uri}: attribute resolution is {sizes!r}; expected three numbers x, y, z")
    positive = positive_sizes(sizes, uri, "attribute resolution")
    coarser = _coarser(attributes, group, folder)
    nm = [size * factor * nm_per(u, uri) for size, factor, u in zip(positive, coarser, units)]
    offset = both.get("offset")
    offset_nm = (
        None if offset is None else {a: float(o) * nm_per(u, uri) for a, o, u in zip("xyz", offset, units)}
    )
    return Stated(names, dict(zip("xyz", nm)), offset_nm)


def _coarser(attributes: Mapping[str, Any], group: Mapping[str, Any], folder: Path) -> list[float]:
    """How many of the finest voxels a voxel of this level is long, x, y, z."""
    own = attributes.get("downsamplingFactors")
    if own is None and "resolution" not in attributes and re.fullmatch(r"s\d+", folder.name):
        listed = group.get("scales", group.get("downsamplingFactors")) or []
        index = int(folder.name[1:])
        own = listed[index] if index < len(listed) else None
    return [1.0] * 3 if own is None or "resolution" in attributes else [float(factor) for factor in own]


def _cosem(transform: Mapping[str, Any], uri: str) -> Stated:
    axes = tuple(str(axis) for axis in transform["axes"])
    units = transform.get("units") or ["nm"] * len(axes)
    nm = {axis: nm_per(unit, uri) for axis, unit in zip(axes, units) if axis in AXES}
    size = dict(zip(axes, positive_sizes(transform["scale"], uri, "attribute transform.scale")))
    offset = dict(zip(axes, (float(v) for v in transform.get("translate") or [0.0] * len(axes))))
    return Stated(axes, {a: size[a] * nm[a] for a in nm}, {a: offset[a] * nm[a] for a in nm})
