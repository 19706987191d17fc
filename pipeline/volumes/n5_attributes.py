"""What the attributes of an N5 dataset, and those of the groups above it, say of where it lies.

Numbers stand there in N5's order of the axes, x first; those of COSEM's transform have their own names.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

from pipeline.errors import InputError
from pipeline.volumes.address import Address, Where
from pipeline.volumes.attributes import axes_of, refuse_other_order
from pipeline.volumes.big_data_viewer import N5_LEVEL, size_by_xml, xml_beside
from pipeline.volumes.by_axis import nm_by_axis, numbers_by_axis, stated_in_units
from pipeline.volumes.choice import Choice
from pipeline.volumes.cosem import NAME as TRANSFORM
from pipeline.volumes.cosem import listed_transform, stated_by_transform
from pipeline.volumes.frame import AXES, NO_LENGTHS, Stated, contradiction, positive_sizes
from pipeline.volumes.refusal import one_line, refusal

ATTRIBUTES = "attributes.json"
FINEST = "s0"


def attributes_of(folder: Where) -> dict[str, Any]:
    """The attributes of a group or dataset; none where it has no file of them. Raises InputError."""
    try:
        found = json.loads((folder / ATTRIBUTES).read_text())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        what = f"{folder / ATTRIBUTES} cannot be read"
        if isinstance(folder, Address):
            raise refusal(what, error, str(folder)) from None
        raise InputError(f"{what}: {one_line(error)}") from None
    return found if isinstance(found, dict) else {}


def described_by(folder: Where) -> list[Where]:
    """The files, there or not, that say what the dataset in `folder` is and where it lies.

    Raises InputError.
    """
    files = [above / ATTRIBUTES for above in (*_groups(folder), folder)]
    if _setup(folder) is not None:
        files.append(xml_beside(_container(folder)))
    if (
        folder.name != FINEST
        and _transform(attributes_of(folder), _of_groups(folder), folder.name) is not None
    ):
        files.append(folder.parent / FINEST / ATTRIBUTES)
    return files


def stated_of(folder: Where, uri: str, choice: Choice) -> Stated:
    """What a dataset's attributes say, or else its groups'; the axes that the run file names go first.

    Raises InputError, and what comes of values that are of another kind than they should be.
    """
    return _stated(attributes_of(folder), _of_groups(folder), folder, uri, choice)


def _groups(folder: Where) -> list[Where]:
    """The folders above a dataset that have attributes for it: BigDataViewer's setup has its levels'."""
    return [folder.parent.parent, folder.parent] if _setup(folder) is not None else [folder.parent]


def _of_groups(folder: Where) -> dict[str, Any]:
    return {name: said for above in _groups(folder) for name, said in attributes_of(above).items()}


def _setup(folder: Where) -> int | None:
    """Of which setup a dataset is a level as BigDataViewer writes it; None where it is none."""
    found = N5_LEVEL.fullmatch("/".join(folder.absolute().parts[-3:]))
    return int(found["setup"]) if found else None


def _container(level: Where) -> Where:
    """The N5 in which a level of BigDataViewer's lies."""
    return level.absolute().parents[2]


def _stated(
    attributes: Mapping[str, Any], group: Mapping[str, Any], folder: Where, uri: str, choice: Choice
) -> Stated:
    dimensions = len(attributes["dimensions"])
    both = {**group, **attributes}
    named = {**both, "axes": choice.axes or list(reversed(both.get("axes") or []))}
    names = axes_of(named, dimensions)
    if names is None:
        refuse_other_order(named, dimensions, uri, choice)
    cosem = _transform(attributes, group, folder.name)
    if isinstance(cosem, Mapping):
        of_finest = _transform(attributes_of(folder.parent / FINEST), group, FINEST)
        is_level = re.fullmatch(r"s\d+", folder.name) and isinstance(of_finest, Mapping)
        return stated_by_transform(cosem, of_finest if is_level else cosem, names, uri, choice)
    sizes, unit, said_by = _sizes(both, folder)
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
    pixel = both.get("pixelResolution")
    if said_by != "resolution" or not isinstance(pixel, Mapping) or not pixel.get("unit"):
        return stated
    attributes, group = ({k: v for k, v in said.items() if k != "resolution"} for said in (attributes, group))
    with suppress(InputError, KeyError, TypeError):  # what does not count may be as it likes
        other = _stated(attributes, group, folder, uri, choice)
        return replace(stated, otherwise=contradiction(stated.size_nm, [("pixelResolution", other.size_nm)]))
    return stated


def _sizes(said: Mapping[str, Any], folder: Where) -> tuple[Any, Any, str]:
    """The lengths of a voxel as they stand there, their unit, and which attribute says so."""
    sizes, unit, said_by = said.get("resolution"), said.get("units", said.get("unit")), "resolution"
    pixel, setup = said.get("pixelResolution"), _setup(folder)
    if sizes is None and pixel is not None:
        said_by = "pixelResolution"
        sizes, unit = (
            (pixel["dimensions"], pixel.get("unit")) if isinstance(pixel, Mapping) else (pixel, unit)
        )
    if unit is None and setup is not None and (found := size_by_xml(_container(folder), setup)):
        return *found, "voxelSize of its XML"
    if unit is None and (said_by == "pixelResolution" or setup is not None):
        unit = NO_LENGTHS[0]  # n5-viewer means pixels, and BigDataViewer's unit is in its XML alone
    return sizes, unit, said_by


def _coarser(attributes: Mapping[str, Any], group: Mapping[str, Any], folder: Where) -> list[float] | None:
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
