"""N5Volume: one dataset of an N5 container on disk, alone or as a level (s0, s1, ...), read by TensorStore.

N5 counts axes as x, y, z and so do its attributes: see https://github.com/saalfeldlab/n5 and, for those that
say where a volume lies, BigDataViewer's and COSEM's.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import tensorstore

from pipeline.errors import InputError
from pipeline.geometry import Box
from pipeline.volumes.attributes import axes_of, refuse_other_order
from pipeline.volumes.big_data_viewer import N5_LEVEL, size_by_xml, xml_beside
from pipeline.volumes.by_axis import nm_by_axis, numbers_by_axis, stated_in_units
from pipeline.volumes.choice import Choice
from pipeline.volumes.cosem import NAME as TRANSFORM
from pipeline.volumes.cosem import listed_transform, stated_by_transform
from pipeline.volumes.frame import AXES, NO_LENGTHS, Stated, contradiction, positive_sizes
from pipeline.volumes.layout import Layout
from pipeline.volumes.listing import listed
from pipeline.volumes.paintera import DATA, is_paintera, refuse_unmerged
from pipeline.volumes.sampled_stamp import SAMPLED, sampled_stamp
from pipeline.volumes.volume import Volume

ATTRIBUTES = "attributes.json"
FINEST = "s0"
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
        transform = _transform(attributes, _of_groups(folder), folder.name)
        self._is_placed_by_finest = transform is not None and folder.name != FINEST
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
        described_by = [above / ATTRIBUTES for above in (*_groups(self._folder), self._folder)]
        if _setup(self._folder) is not None:
            described_by.append(xml_beside(_container(self._folder)))
        if self._is_placed_by_finest:
            described_by.append(self._folder.parent / FINEST / ATTRIBUTES)
        blocks = [self._file(chunk) for chunk in self.chunks(self.box, SAMPLED)]
        return sampled_stamp(self._folder, described_by, blocks)

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
    attributes = _attributes(folder)
    if is_paintera(attributes):
        return open_n5(path, f"{part}/{DATA}".lstrip("/"), choice)
    if choice.axes is not None:  # which N5 names in the order of its dimensions, x first, as a rule
        choice = replace(choice, axes=choice.axes[::-1])
    uri = f"{path}:{part}" if part else str(path)
    if "dimensions" in attributes:
        choice.refuse_level(uri)
        return _dataset(folder, uri, "N5", choice)
    levels = sorted(
        (f for f in folder.glob("s*") if re.fullmatch(r"s\d+", f.name) and "dimensions" in _attributes(f)),
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
    attributes = _attributes(folder)
    refuse_unmerged(folder, uri, _attributes)
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
        stated = _stated(attributes, _of_groups(folder), folder, uri, choice)
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


def _groups(folder: Path) -> list[Path]:
    """The folders above a dataset that have attributes for it: BigDataViewer's setup has its levels'."""
    return [folder.parent.parent, folder.parent] if _setup(folder) is not None else [folder.parent]


def _of_groups(folder: Path) -> dict[str, Any]:
    return {name: said for above in _groups(folder) for name, said in _attributes(above).items()}


def _setup(folder: Path) -> int | None:
    """Of which setup a dataset is a level as BigDataViewer writes it; None where it is none."""
    found = N5_LEVEL.fullmatch("/".join(folder.absolute().parts[-3:]))
    return int(found["setup"]) if found else None


def _container(level: Path) -> Path:
    """The N5 in which a level of BigDataViewer's lies."""
    return level.absolute().parents[2]


def _attributes(folder: Path) -> dict[str, Any]:
    try:
        found = json.loads((folder / ATTRIBUTES).read_text())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise InputError(f"{folder / ATTRIBUTES} cannot be read: {' '.join(str(error).split())}") from None
    return found if isinstance(found, dict) else {}


def _listed(path: Path) -> str:
    return listed(path, lambda folder: _attributes(folder).get("dimensions"))


def _stated(
    attributes: Mapping[str, Any], group: Mapping[str, Any], folder: Path, uri: str, choice: Choice
) -> Stated:
    """What a dataset's attributes say, or else its group's; the axes that the run file names go first.

    Numbers stand there in N5's order of the axes, x first; those of COSEM's transform have their own names.
    """
    dimensions = len(attributes["dimensions"])
    both = {**group, **attributes}
    named = {**both, "axes": choice.axes or list(reversed(both.get("axes") or []))}
    names = axes_of(named, dimensions)
    if names is None:
        refuse_other_order(named, dimensions, uri, choice)
    cosem = _transform(attributes, group, folder.name)
    if isinstance(cosem, Mapping):
        of_finest = _transform(_attributes(folder.parent / FINEST), group, FINEST)
        is_level = re.fullmatch(r"s\d+", folder.name) and isinstance(of_finest, Mapping)
        return stated_by_transform(cosem, of_finest if is_level else cosem, names, uri, choice)
    sizes, unit, said_by = both.get("resolution"), both.get("units", both.get("unit")), "resolution"
    pixel = both.get("pixelResolution")
    if sizes is None and pixel is not None:
        said_by = "pixelResolution"
        sizes, unit = (
            (pixel["dimensions"], pixel.get("unit")) if isinstance(pixel, Mapping) else (pixel, unit)
        )
    setup = _setup(folder)
    if unit is None and setup is not None and (found := size_by_xml(_container(folder), setup)):
        sizes, unit, said_by = *found, "voxelSize of its XML"
    elif unit is None and (said_by == "pixelResolution" or setup is not None):
        unit = NO_LENGTHS[0]  # n5-viewer means pixels, and BigDataViewer's unit is in its XML alone
    coarser = _coarser(attributes, group, folder)
    if coarser is None and said_by not in attributes and re.fullmatch(r"s0*[1-9]\d*", folder.name):
        sizes = None  # the group's is the finest level's, and how much coarser this one is nobody says
    backwards = list(reversed(names or AXES))

    def numbers(values: Any, attribute: str) -> dict[str, float]:
        return numbers_by_axis(values, backwards, f"{uri}: attribute {attribute}")

    def size() -> dict[str, float]:
        own = numbers(sizes, said_by)
        positive_sizes(list(own.values()), uri, f"attribute {said_by}")
        factors = numbers(coarser or [1.0] * 3, "downsamplingFactors")
        return {axis: own[axis] * factors[axis] for axis in AXES}

    offset = both.get("offset")
    stated = stated_in_units(
        names,
        None if sizes is None else choice.unless_set("voxel_size_nm", size),
        None if offset is None else choice.unless_set("origin", lambda: numbers(offset, "offset")),
        lambda: nm_by_axis(unit, backwards, uri, "units"),
        choice,
    )
    if said_by != "resolution" or not isinstance(pixel, Mapping) or not pixel.get("unit"):
        return stated
    attributes, group = ({k: v for k, v in said.items() if k != "resolution"} for said in (attributes, group))
    with suppress(InputError, KeyError, TypeError):  # what does not count may be as it likes
        other = _stated(attributes, group, folder, uri, choice)
        return replace(stated, otherwise=contradiction(stated.size_nm, [("pixelResolution", other.size_nm)]))
    return stated


def _coarser(attributes: Mapping[str, Any], group: Mapping[str, Any], folder: Path) -> list[float] | None:
    """How many of the finest voxels a voxel of this level is long; None where its size is its own."""
    if "resolution" in attributes:
        return None
    own = attributes.get("downsamplingFactors")
    if own is None and re.fullmatch(r"s\d+", folder.name):
        by_level = group.get("scales", group.get("downsamplingFactors")) or []
        index = int(folder.name[1:])
        own = by_level[index] if index < len(by_level) else None
    return own


def _transform(attributes: Mapping[str, Any], group: Mapping[str, Any], level: str) -> Any:
    """COSEM's, by a dataset's own attributes or those of its group."""
    own = attributes.get(TRANSFORM)
    return own if isinstance(own, Mapping) else listed_transform(group, level)
