"""What the metadata of an OME-Zarr group say of its levels: OME-NGFF 0.4 and 0.5, https://ngff.openmicroscopy.org."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from pipeline.errors import InputError
from pipeline.volumes.by_axis import nm_by_axis, stated_in_units
from pipeline.volumes.choice import Choice
from pipeline.volumes.cosem import as_ome, is_cosem
from pipeline.volumes.frame import AXES, IN_ORDER, NO_LENGTHS, Stated, corner, positive_sizes


@dataclass(frozen=True)
class Level:
    """One array of a multiscale image."""

    path: str
    """Below the group."""
    stated: Stated


@dataclass(frozen=True)
class Multiscale:
    """An image at several resolutions, the finest first."""

    format: str
    levels: list[Level]
    told: str
    """What a person may not expect of it, in words that go behind a name; as a rule nothing."""


def read_multiscale(
    attributes: Mapping[str, Any], uri: str, choice: Choice, level: str | None = None
) -> Multiscale | None:
    """The first multiscale image of a group with these attributes, or that of the array at `level` below the
    group; None where there is none.

    Its levels are the finest first, as the standard wants them, however they are listed. The axes that
    `choice` names go before those named there. Raises InputError when what is written there cannot be
    understood.
    """
    metadata = attributes.get("ome", attributes)
    found = metadata.get("multiscales") if isinstance(metadata, Mapping) else None
    if not found:
        return None
    try:
        image = found[0] if level is None else next((i for i in found if level in _paths(i)), None)
        if image is None:
            return None
        several = f", the first of {len(found)} multiscales there" if level is None and found[1:] else ""
        if is_cosem(image):
            return _multiscale(as_ome(image), "Zarr with COSEM's transform", several, uri, choice)
        version = image.get("version") or metadata.get("version") or "0.4"
        return _multiscale(image, f"OME-Zarr {version}", several, uri, choice)
    except (KeyError, TypeError, AttributeError, IndexError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(
            f"{uri}: its multiscales cannot be understood: {type(error).__name__} {error}"
        ) from None


def _paths(image: Mapping[str, Any]) -> list[str]:
    return [PurePosixPath(dataset["path"]).as_posix() for dataset in image["datasets"]]


def _multiscale(image: Mapping[str, Any], format: str, several: str, uri: str, choice: Choice) -> Multiscale:
    axes = image.get("axes")
    if axes is None:  # before 0.4
        axes = ["t", "c", "z", "y", "x"]
    names = tuple(choice.axes or (axis["name"] if isinstance(axis, Mapping) else str(axis) for axis in axes))
    # Without a unit nothing is known but proportions.
    units = [(axis.get("unit") if isinstance(axis, Mapping) else None) or NO_LENGTHS[0] for axis in axes]
    common = image.get("coordinateTransformations") or []
    per_level = [
        (
            dataset["path"],
            _scale_and_translation([*(dataset.get("coordinateTransformations") or []), *common], names),
        )
        for dataset in image["datasets"]
    ]
    if not all(axis in names for axis in AXES):
        raise InputError(f"{uri} has axes {', '.join(names)}; expected z, y and x among them")
    finest_first = sorted(per_level, key=lambda level: _voxel_volume(names, level[1][0]))
    if finest_first != per_level:
        several += IN_ORDER
    finest = finest_first[0][1][0]
    levels = [
        Level(path, _stated(names, units, scale, translation, finest, uri, choice))
        for path, (scale, translation) in finest_first
    ]
    return Multiscale(format, levels, several)


def _voxel_volume(names: Sequence[str], scale: Sequence[float]) -> float:
    """Of a level, in units of its axes to the third."""
    return math.prod(length for axis, length in zip(names, scale) if axis in AXES)


def _scale_and_translation(
    transformations: Sequence[Mapping[str, Any]], names: Sequence[str]
) -> tuple[list[float], list[float]]:
    """All transformations, the first applied first, as one scale and one translation an axis."""
    scale, translation = [1.0] * len(names), [0.0] * len(names)
    for step in transformations:
        if step["type"] == "scale":
            scale = [a * float(b) for a, b in zip(scale, step["scale"], strict=True)]
            translation = [a * float(b) for a, b in zip(translation, step["scale"], strict=True)]
        elif step["type"] == "translation":
            translation = [a + float(b) for a, b in zip(translation, step["translation"], strict=True)]
        elif step["type"] != "identity":
            raise ValueError(f"transformation {step['type']}")
    return scale, translation


def _stated(
    names: tuple[str, ...],
    units: Sequence[str],
    scale: Sequence[float],
    translation: Sequence[float],
    finest: Sequence[float],
    uri: str,
    choice: Choice,
) -> Stated:
    positive_sizes(scale, uri, "a scale of its multiscales")
    corners = [corner(*each) for each in zip(translation, scale, finest)]
    return stated_in_units(
        names,
        dict(zip(names, scale)),
        dict(zip(names, corners)),
        lambda: nm_by_axis(units, names, uri, "unit"),
        choice,
    )
