"""A file of corrections: joins and cuts, each of two points, as people make them when they look at segments.

As CSV: columns `kind` (join or cut), `z1, y1, x1, z2, y2, x2`, whole numbers, voxels of the image in the
coordinates in which boxes are given; a column `note` is kept, and others are not looked at. As JSON: a state
that was saved in Neuroglancer, of which the line annotations in the layers `joins` and `cuts` count; their
order of axes and their units are those that it states.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pipeline.errors import InputError
from pipeline.geometry import Triple, triple
from pipeline.results.unreadable import read_if_there
from pipeline.settings.csv_rows import columns, whole_rows

VoxelSize = tuple[float, float, float]
Kind = Literal["join", "cut"]
POINTS = ("z1", "y1", "x1", "z2", "y2", "x2")
LAYERS: Mapping[str, Kind] = {"joins": "join", "cuts": "cut"}
LOCAL = "local://"
"""What Neuroglancer keeps in the state itself."""
NM_PER_M = 1e9
MEND = "mend the file that reconciliation.corrections names"


@dataclass(frozen=True)
class Correction:
    """Two voxels, z, y, x, that are to be of one segment, or of two."""

    kind: Kind
    a: Triple
    b: Triple
    name: str
    """Where it stands in the file, as people find it there."""
    note: str = ""

    def __str__(self) -> str:
        a, b = (", ".join(map(str, point)) for point in (self.a, self.b))
        return f"{self.name}: {self.kind} {a} and {b}"


def read_corrections(path: Path, voxel_size_nm: VoxelSize | None) -> list[Correction]:
    """The corrections in a file, in its order. A saved state is in voxels of `voxel_size_nm`, or of 1 nm.

    Raises InputError where there is no such file, it cannot be understood, or the same two points are to be
    joined and cut; and Unreadable.
    """
    content = read_if_there(path)
    if content is None:
        raise InputError(f"reconciliation.corrections {path} does not exist: set it to a .csv or .json file")
    try:
        text = content.decode("utf-8-sig")  # spreadsheets put a mark before it
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not UTF-8 text ({error.reason}): save it as CSV or JSON") from None
    if path.suffix.lower() == ".json":
        found = list(_of_state(text, path, voxel_size_nm or (1.0, 1.0, 1.0)))
    else:
        found = list(_of_table(text, path))
    _refuse_contradictions(found, path)
    return found


def identity_of(corrections: Sequence[Correction]) -> str:
    """What records know these corrections by: a file that is only written otherwise is the same."""
    said = [[c.kind, c.a, c.b, c.name, c.note] for c in corrections]
    return hashlib.sha256(json.dumps(said).encode()).hexdigest()


def _refuse_contradictions(corrections: Sequence[Correction], path: Path) -> None:
    first: dict[frozenset[Triple], Correction] = {}
    for correction in corrections:
        other = first.setdefault(frozenset((correction.a, correction.b)), correction)
        if other.kind != correction.kind:
            raise InputError(f"{path} contradicts itself: {other}, and {correction}; remove one of them")


def _of_table(text: str, path: Path) -> Iterator[Correction]:
    first = text.partition("\n")[0]
    separator = ";" if first.count(";") > first.count(",") else ","
    rows = csv.DictReader(
        io.StringIO(text, newline=""), delimiter=separator, skipinitialspace=True, strict=True
    )
    if not {"kind", *POINTS} <= set(columns(rows, str(path))):
        raise InputError(
            f"{path} has the columns {rows.fieldnames}; expected kind, {', '.join(POINTS)}: mend its first "
            "line"
        )
    for row in whole_rows(rows, str(path)):
        name = f"line {rows.line_num}"
        kind = (row["kind"] or "").strip().lower()
        if kind not in LAYERS.values():
            raise InputError(f"{path}, {name}: kind is {row['kind']!r}; expected join or cut: {MEND}")
        try:
            z1, y1, x1, z2, y2, x2 = (int(row[column]) for column in POINTS)
        except (TypeError, ValueError):
            given = ", ".join(str(row[column]) for column in POINTS)
            raise InputError(
                f"{path}, {name}: {', '.join(POINTS)} are {given}; expected whole numbers of voxels: {MEND}"
            ) from None
        note = (row.get("note") or "").strip()
        yield Correction("join" if kind == "join" else "cut", (z1, y1, x1), (z2, y2, x2), name, note)


def _of_state(text: str, path: Path, voxel_size_nm: VoxelSize) -> Iterator[Correction]:
    try:
        state = json.loads(text)
        layers = {layer["name"]: layer for layer in state["layers"] if layer.get("name") in LAYERS}
    except (ValueError, KeyError, TypeError, AttributeError):
        layers = {}
    if not layers:
        raise InputError(
            f"{path} is no saved state of Neuroglancer with layers named joins or cuts: name the layers of "
            "line annotations so, and save the state again"
        )
    for layer_name, kind in LAYERS.items():
        layer = layers.get(layer_name, {})
        elsewhere = [source for source in _sources(layer) if not source.startswith(LOCAL)]
        if elsewhere:
            raise InputError(
                f"{path}: the lines of its layer {layer_name} are not in the state, but at {elsewhere[0]}: "
                f"draw them in a layer whose source is {LOCAL}annotations, and save the state again"
            )
        for number, line in enumerate(layer.get("annotations") or (), 1):
            name = f"{layer_name} {number}"
            if not isinstance(line, dict) or line.get("type") != "line":
                of = line.get("type") if isinstance(line, dict) else line
                raise InputError(
                    f"{path}, {name} is of type {of!r}; expected a line between two points: {MEND}"
                )
            try:
                dimensions = _dimensions(layer) or state["dimensions"]
                a, b = (_voxel(line[end], dimensions, voxel_size_nm) for end in ("pointA", "pointB"))
            except (KeyError, TypeError, ValueError, OverflowError) as error:
                raise InputError(
                    f"{path}, {name}: its points cannot be placed ({error}); expected dimensions x, y and z "
                    "in m, or without a unit, as Neuroglancer saves them"
                ) from None
            yield Correction(kind, a, b, name, str(line.get("description") or ""))


def _sources(layer: Mapping[str, Any]) -> list[str]:
    """Where the layer says that its annotations are; nothing where they can only be in the state."""
    source = layer.get("source")
    each = source if isinstance(source, list) else [source]
    urls = (one.get("url") if isinstance(one, dict) else one for one in each)
    return [url for url in urls if isinstance(url, str)]


def _dimensions(layer: Mapping[str, Any]) -> Any:
    """Those that the layer states for itself, None where it does not. Raises ValueError where it is moved."""
    source = layer.get("source")
    [source] = source if isinstance(source, list) and len(source) == 1 else [source]
    transform = (source.get("transform") if isinstance(source, dict) else None) or {}
    stated = transform.get("outputDimensions")
    moved = any(
        value != (row == column)
        for row, values in enumerate(transform.get("matrix") or ())
        for column, value in enumerate(values)
    )
    if moved or transform.get("inputDimensions", stated) != stated:
        raise ValueError("the layer's source is moved or scaled")
    return stated


def _voxel(
    point: Sequence[float], dimensions: Mapping[str, Sequence[Any]], voxel_size_nm: VoxelSize
) -> Triple:
    """The voxel, z, y, x, that holds a point; without a unit dimensions are in voxels. Raises KeyError,
    TypeError, ValueError and OverflowError."""
    at = dict(zip(dimensions, point, strict=True))
    place = []
    for axis, size_nm in zip("zyx", voxel_size_nm):
        scale, unit = dimensions[axis]
        if unit not in ("m", ""):
            raise ValueError(f"the unit of {axis} is {unit!r}")
        place.append(math.floor(at[axis] * scale * NM_PER_M / size_nm + 1e-6 if unit else at[axis] * scale))
    return triple(place)
