"""COSEM's `transform`, as images of Janelia have it in N5 and Zarr: of each axis scale, translation and unit.

Levels have it as an attribute, and `multiscales` of their group list it again. OME-NGFF 0.4, which says the
same, came after it: https://github.com/janelia-cellmap/cellmap-schemas.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipeline.errors import InputError
from pipeline.volumes.by_axis import nm_by_axis, stated_in_units
from pipeline.volumes.choice import Choice
from pipeline.volumes.frame import AXES, Stated, corner, positive_sizes

NAME = "transform"


def listed_transform(group: Mapping[str, Any], level: str) -> Any:
    """That of a level by the attributes of its group; None where these have none.

    Raises KeyError, TypeError or AttributeError where they cannot be understood.
    """
    images = group.get("multiscales") or []
    found = (one.get(NAME) for image in images for one in image["datasets"] if one["path"] == level)
    return next(found, None)


def stated_by_transform(
    transform: Mapping[str, Any],
    of_finest: Mapping[str, Any],
    names: tuple[str, ...] | None,
    uri: str,
    choice: Choice,
) -> Stated:
    """What an array's transform and that of its finest level say; `names` are those of its stored axes.

    Their numbers go by the names of axes that they have, often z, y, x. Raises InputError, and KeyError,
    TypeError or ValueError where they cannot be understood.
    """
    axes = [str(axis) for axis in transform["axes"]]
    if not set(AXES) <= set(axes):
        raise InputError(
            f"{uri}: attribute transform.axes is {axes}; expected z, y and x among them: correct them there"
        )
    size, finest = _sizes(transform, uri), _sizes(of_finest, uri)
    at = dict(zip(axes, map(float, transform.get("translate") or [0.0] * len(axes)), strict=True))
    return stated_in_units(
        names,
        size,
        {axis: corner(at[axis], size[axis], finest[axis]) for axis in AXES},
        lambda: nm_by_axis(transform.get("units"), axes, uri, "transform.units"),
        choice,
    )


def _sizes(transform: Mapping[str, Any], uri: str) -> dict[str, float]:
    scale = positive_sizes(transform["scale"], uri, "attribute transform.scale")
    return dict(zip(map(str, transform["axes"]), scale, strict=True))


def is_cosem(image: Mapping[str, Any]) -> bool:
    """Whether one of `multiscales` says by `transform` alone where its levels lie."""
    return "axes" not in image and all(isinstance(one.get(NAME), Mapping) for one in image["datasets"])


def as_ome(image: Mapping[str, Any]) -> dict[str, Any]:
    """One of `multiscales` of COSEM in the words of OME-NGFF 0.4.

    Raises KeyError, TypeError or ValueError where it cannot be understood.
    """
    transforms = [one[NAME] for one in image["datasets"]]
    axes, units = _stored(transforms[0], "axes"), _stored(transforms[0], "units")
    if any(_stored(each, "axes") != axes for each in transforms):
        raise ValueError("the axes of its levels differ")
    return {
        "axes": [{"name": name, "unit": unit} for name, unit in zip(axes, units, strict=True)],
        "datasets": [
            {
                "path": one["path"],
                "coordinateTransformations": [
                    {"type": "scale", "scale": _stored(each, "scale")},
                    {"type": "translation", "translation": _stored(each, "translate")},
                ],
            }
            for one, each in zip(image["datasets"], transforms)
        ],
    }


def _stored(transform: Mapping[str, Any], name: str) -> list[Any]:
    """What it lists, one an axis, in the order of the stored axes; order F is the other way round."""
    listed = list(transform[name])
    return listed[::-1] if transform.get("order") == "F" else listed
