"""Scenes: what Neuroglancer shows and where it looks, as the JSON that it calls its state."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from pipeline.geometry import Triple
from pipeline.settings.corrections import LAYERS, Correction
from pipeline.viewing.layers import Layer, Shown
from pipeline.volumes import VoxelSize

NM = 1e-9
PIXELS = 400
"""Of a panel: so many show the whole of a small volume along its longest side."""
VOXELS_A_PIXEL = (0.2, 4.0)
"""The least and the most of a cross-section: what is larger than a few panels is begun in its middle."""
AT_A_POINT = 0.5
IN_3D = 1.5
"""How much more than the longest side the panel in three dimensions has room for."""
COLOURS = {
    "differ": "#ff8000",
    "worse": "#00ff00",
    "worst": "#ffff00",
    "run length": "#00ffff",
    "conflicts": "#ff00ff",
    "not joined": "#ff0000",
    "joined": "#ffffff",
    "joins": "#ffffff",
    "cuts": "#ff0000",
}
"""Of the points and lines in each layer of them; yellow is Neuroglancer's own."""
BESIDE = 0.15
"""How opaque segments are that are not selected."""


@dataclass(frozen=True)
class Point:
    """A voxel of the scene, z, y, x, and the ids that are selected in segmentation and truth."""

    voxel: Triple
    segments: Sequence[int] = ()
    truth: Sequence[int] = ()


def scene(
    shown: Shown, sources: Mapping[str, str], point: Point | None = None, is_drawn: bool = False
) -> dict[str, Any]:
    """The state that shows what is `shown`, the layers by their names from `sources`.

    It looks at `point`, or else at the middle of the last layer that is no truth, and selects `shown.in_3d`:
    Neuroglancer draws in three dimensions what is selected. Coordinates are voxels of `shown.voxel_size_nm`,
    which in the state are in the order x, y, z. A segmentation that is set beside another one is seen to the
    right of it, with the list of where they differ, of which there is none in what `is_drawn` for a file.
    """
    layers, size_nm = shown.layers, shown.voxel_size_nm
    voxel = _middle(layers, size_nm) if point is None else point.voxel
    selected = shown.in_3d if point is None else _of(point)
    drawn = [_layer(each, sources[each.name], layers, selected.get(each.name, ())) for each in layers]
    names = [layer.name for layer in layers]
    drawn += [_annotations(name, points, names, size_nm) for name, points in shown.points.items()]
    if shown.key is not None and "segmentation" in names and not is_drawn:
        drawn += [_corrections(name, kind, shown.corrections, size_nm) for name, kind in LAYERS.items()]
    state = {
        "title": shown.title,
        "dimensions": _dimensions(size_nm),
        "position": [at + 0.5 for at in voxel[::-1]],
        "crossSectionScale": _voxels_a_pixel(layers, size_nm) if point is None else AT_A_POINT,
        "projectionScale": IN_3D * _longest(layers, size_nm),
        "layers": drawn,
        "layout": _layout([layer["name"] for layer in drawn]),
    }
    lists = shown.differ and not is_drawn
    return state | ({"selectedLayer": {"layer": "differ", "visible": True}} if lists else {})


def fragment(state: dict[str, Any]) -> str:
    """A state as the part of an address from `#` on."""
    return "#!" + quote(json.dumps(state, separators=(",", ":")), safe="~@$&()*!+=:;,.?/'")


def _of(point: Point) -> dict[str, Sequence[int]]:
    return {"truth": point.truth, "segmentation": point.segments}


def _layout(names: Sequence[str]) -> str | dict[str, Any]:
    """Four panels; where there are two segmentations to compare, for each of them, with all other layers."""
    if "beside" not in names:
        return "4panel"
    viewers = [
        {"type": "viewer", "layers": [name for name in names if name != other], "layout": "4panel"}
        for other in ("beside", "segmentation")
    ]
    return {"type": "row", "children": viewers}


def _layer(layer: Layer, source: str, layers: Sequence[Layer], selected: Sequence[int]) -> dict[str, Any]:
    drawn: dict[str, Any] = {"type": layer.kind, "name": layer.name, "source": source, "tab": "source"}
    if _hides(layer, layers, selected):
        drawn["visible"] = False
    if layer.grey is not None:
        drawn["shaderControls"] = {"normalized": {"range": list(layer.grey)}}
    if selected:
        drawn |= {"segments": [str(i) for i in selected], "notSelectedAlpha": BESIDE}
    return drawn


def _hides(layer: Layer, layers: Sequence[Layer], selected: Sequence[int]) -> bool:
    """Truth would lie over a segmentation: it is shown where there is none, or an id of it is selected.

    So would the same segmentation under agglomerated ids, which waits until it is switched on.
    """
    others = any(other.kind == "segmentation" and other.name != "truth" for other in layers)
    return layer.name == "agglomerated" or (layer.name == "truth" and others and not selected)


def _annotations(
    name: str, points: Sequence[dict[str, Any]], names: Sequence[str], voxel_size_nm: VoxelSize
) -> dict[str, Any]:
    linked = [layer for layer in names if layer in points[0]]
    return {
        **_annotation_layer(name, voxel_size_nm),
        **({"tab": "annotations"} if name == "differ" else {}),
        "annotationRelationships": linked,
        "linkedSegmentationLayer": {name: name for name in linked},
        "annotations": [
            {
                "type": "point",
                "id": str(rank),
                "point": [at + 0.5 for at in point["point"][::-1]],
                "description": _described(point, linked),
                "segments": [[str(i) for i in point[layer]] for layer in linked],
            }
            for rank, point in enumerate(points, 1)
        ],
    }


def _described(point: dict[str, Any], linked: Sequence[str]) -> str:
    """In words; and below, to be copied into files, what Neuroglancer itself writes in another order."""
    ids = "".join(f"; {layer} {','.join(map(str, point[layer]))}" for layer in linked if point[layer])
    return f"{point['text']}\nz,y,x {','.join(map(str, point['point']))}{ids}"


def _corrections(
    name: str, kind: str, there: Sequence[Correction], voxel_size_nm: VoxelSize
) -> dict[str, Any]:
    """A layer for a person to draw lines in, each of which is a correction once the state is saved. Those of
    the run are in it, for what is saved takes their place."""
    lines = [
        {
            "type": "line",
            "id": str(number),
            "pointA": [at + 0.5 for at in each.a[::-1]],
            "pointB": [at + 0.5 for at in each.b[::-1]],
            "description": each.note,
        }
        for number, each in enumerate(there, 1)
        if each.kind == kind
    ]
    layer = _annotation_layer(name, voxel_size_nm)
    return {**layer, "tab": "annotations", "tool": "annotateLine", "annotations": lines}


def _annotation_layer(name: str, voxel_size_nm: VoxelSize) -> dict[str, Any]:
    """What all have in common."""
    transform = {"outputDimensions": _dimensions(voxel_size_nm)}
    return {
        "type": "annotation",
        "name": name,
        "annotationColor": COLOURS[name],
        "source": {"url": "local://annotations", "transform": transform},
    }


def _dimensions(voxel_size_nm: VoxelSize) -> dict[str, Any]:
    return {axis: [size * NM, "m"] for axis, size in zip("xyz", voxel_size_nm[::-1])}


def _size_nm(layer: Layer, otherwise: VoxelSize) -> VoxelSize:
    return layer.volume.voxel_size_nm or otherwise


def _looked_at(layers: Sequence[Layer]) -> Layer:
    """The last layer that is no truth: the smallest there is, as a rule. Of two segmentations beside each
    other the smaller one, which the other may reach far beyond."""
    others = [layer for layer in layers if layer.name != "truth"] or list(layers)
    if others[-1].name != "beside":
        return others[-1]
    two = [layer for layer in others if layer.name in ("segmentation", "beside")]
    return min(two, key=lambda layer: layer.volume.box.size)


def _middle(layers: Sequence[Layer], voxel_size_nm: VoxelSize) -> Triple:
    layer = _looked_at(layers)
    box, own = layer.volume.box, _size_nm(layer, voxel_size_nm)
    z, y, x = (int((a + b) / 2 * p / q) for a, b, p, q in zip(box.start, box.stop, own, voxel_size_nm))
    return z, y, x


def _voxels_a_pixel(layers: Sequence[Layer], voxel_size_nm: VoxelSize) -> float:
    least, most = VOXELS_A_PIXEL
    return min(most, max(least, _longest(layers, voxel_size_nm) / PIXELS))


def _longest(layers: Sequence[Layer], voxel_size_nm: VoxelSize) -> float:
    """The longest side of what is looked at, in Neuroglancer's unit: the shortest side of a voxel."""
    layer = _looked_at(layers)
    sizes = _size_nm(layer, voxel_size_nm)
    return max(n * size for n, size in zip(layer.volume.shape, sizes)) / min(voxel_size_nm)
