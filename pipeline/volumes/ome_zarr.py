"""What the metadata of an OME-Zarr group say of its levels: OME-NGFF 0.4 and 0.5, https://ngff.openmicroscopy.org."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.errors import InputError
from pipeline.volumes.frame import AXES, NO_LENGTHS, Stated, corner, nm_per, positive_sizes


@dataclass(frozen=True)
class Level:
    """One array of a multiscale image."""

    path: str
    """Below the group."""
    stated: Stated


@dataclass(frozen=True)
class Multiscale:
    """An image at several resolutions, the finest first."""

    version: str
    levels: list[Level]


def read_multiscale(attributes: Mapping[str, Any], uri: str, named: str | None = None) -> Multiscale | None:
    """The first multiscale image of a group with these attributes; None where there is none.

    `named` takes the place of the names of the axes there.

    Raises InputError when what is written there cannot be understood.
    """
    metadata = attributes.get("ome", attributes)
    found = metadata.get("multiscales") if isinstance(metadata, Mapping) else None
    if not found:
        return None
    try:
        version = found[0].get("version") or metadata.get("version") or "0.4"
        return _multiscale(found[0], str(version), uri, named)
    except (KeyError, TypeError, AttributeError, IndexError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(
            f"{uri}: its multiscales cannot be understood: {type(error).__name__} {error}"
        ) from None


def _multiscale(image: Mapping[str, Any], version: str, uri: str, named: str | None) -> Multiscale:
    axes = image.get("axes")
    if axes is None:  # before 0.4
        axes = ["t", "c", "z", "y", "x"]
    names = tuple(named or (axis["name"] if isinstance(axis, Mapping) else str(axis) for axis in axes))
    units = [axis.get("unit") if isinstance(axis, Mapping) else None for axis in axes]
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
    finest = per_level[0][1][0]
    levels = [
        Level(path, _stated(names, units, scale, translation, finest, uri))
        for path, (scale, translation) in per_level
    ]
    return Multiscale(version, levels)


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
    units: Sequence[str | None],
    scale: Sequence[float],
    translation: Sequence[float],
    finest: Sequence[float],
    uri: str,
) -> Stated:
    positive_sizes(scale, uri, "a scale of its multiscales")
    size_nm, offset_nm, corners = {}, {}, {}
    for name, unit, size, at, fine in zip(names, units, scale, translation, finest):
        if name in AXES:
            # Without a unit nothing is known but proportions.
            nm = nm_per(unit, uri) if unit and unit.lower() not in NO_LENGTHS else 0.0
            size_nm[name] = size * nm
            corners[name] = corner(at, size, fine), size
            offset_nm[name] = corners[name][0] * nm
    if not all(size_nm.values()):
        return Stated(names, origin={name: at / size for name, (at, size) in corners.items()})
    return Stated(names, size_nm, offset_nm)
