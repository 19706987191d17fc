"""Files of corrections, as spreadsheets and Neuroglancer write them, and what is refused of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pipeline.errors import InputError
from pipeline.settings.corrections import Correction, identity_of, read_corrections

HEADER = "kind,z1,y1,x1,z2,y2,x2,note\n"
JOIN = Correction("join", (1, 2, 3), (4, 5, -6), "line 2", "same dendrite")


def read(folder: Path, content: str | bytes, name: str = "corrections.csv") -> list[Correction]:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return read_corrections(path, (40.0, 8.0, 4.0))


@pytest.mark.parametrize(
    "content",
    [
        HEADER + "join,1,2,3,4,5,-6,same dendrite\n",
        (HEADER + "Join, 1, 2, 3, 4, 5, -6, same dendrite\r\n").encode("utf-8-sig"),
        "note;x2;y2;z2;x1;y1;z1;kind;by\nsame dendrite;-6;5;4;3;2;1;join;ann\n",
    ],
)
def test_a_table_is_read_by_the_names_of_its_columns(tmp_path: Path, content: str | bytes) -> None:
    assert read(tmp_path, content) == [JOIN]


def test_an_empty_table_has_no_corrections(tmp_path: Path) -> None:
    assert read(tmp_path, HEADER) == []


def test_a_file_written_otherwise_is_the_same_and_another_note_is_not(tmp_path: Path) -> None:
    row = "join,1,2,3,4,5,-6,"
    one, same, other = (
        identity_of(read(tmp_path, text))
        for text in (HEADER + row, HEADER + row.replace(",", ", ") + "\n", HEADER + row + "note")
    )
    assert one == same
    assert one != other


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("z,y,x\n1,2,3\n", r"columns \['z', 'y', 'x'\]; expected kind, z1"),
        (HEADER + "merge,1,2,3,4,5,6,\n", "line 2: kind is 'merge'; expected join or cut"),
        (HEADER + "cut,1,2,3,4,5,6.5,\n", "line 2: .* are 1, 2, 3, 4, 5, 6.5; expected whole numbers"),
        (HEADER + "cut,1,1,024,4,5,6,7,by eye\n", "line 2 has 9 values, where the first line names 8"),
        (HEADER + 'cut,1,2,3,4,5,6,"seen\ncut,1,2,3,7,8,9,\n', "expected CSV, in which a quote"),
        ('"' + HEADER + "cut,1,2,3,4,5,6,\n", "expected CSV, in which a quote"),
        (HEADER + "cut,1,2,3,4\n", "line 2: .* expected whole numbers"),
        (b"\xff\xfe\x00", "is not UTF-8 text"),
        (
            HEADER + "cut,1,2,3,4,5,6,\njoin,4,5,6,1,2,3,\n",
            r"contradicts itself: line 2: cut 1, 2, 3 and 4, 5, 6, and line 3: join 4, 5, 6 and 1, 2, 3",
        ),
    ],
)
def test_what_cannot_be_understood_is_one_line(tmp_path: Path, content: str | bytes, expected: str) -> None:
    with pytest.raises(InputError, match=expected) as error:
        read(tmp_path, content)
    assert "\n" not in str(error.value)
    assert "corrections.csv" in str(error.value)


def test_a_file_that_is_not_there_names_the_setting(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"reconciliation.corrections .*nowhere.csv does not exist"):
        read_corrections(tmp_path / "nowhere.csv", None)


def state(joins: list[dict], dimensions: Any = None, **layer: Any) -> str:
    """As Neuroglancer saves it: x, y, z in the dimensions of the whole, or of the layer."""
    whole = dimensions or {axis: [size * 1e-9, "m"] for axis, size in zip("xyz", (4, 8, 40))}
    layers = [
        {"type": "image", "name": "image"},
        {
            "type": "annotation",
            "name": "joins",
            "source": "local://annotations",
            "annotations": joins,
            **layer,
        },
    ]
    return json.dumps({"dimensions": whole, "layers": layers})


LINE = {"type": "line", "id": "a1", "pointA": [3.5, 2.5, 1.5], "pointB": [-5.5, 5.0, 4.99]}


def test_the_lines_of_a_saved_state_are_read(tmp_path: Path) -> None:
    found = read(tmp_path, state([{**LINE, "description": "same dendrite"}]), "state.json")
    assert found == [Correction("join", (1, 2, 3), (4, 5, -6), "joins 1", "same dendrite")]


@pytest.mark.parametrize(
    "dimensions",
    [
        {"x": [8e-9, "m"], "y": [8e-9, "m"], "z": [8e-9, "m"]},
        {"x": [2, ""], "y": [1, ""], "z": [0.2, ""]},
    ],
)
def test_points_in_other_units_are_the_voxels_in_which_they_lie(tmp_path: Path, dimensions: Any) -> None:
    line = {"type": "line", "pointA": [1.75, 2.5, 7.5], "pointB": [-2.75, 5.0, 24.95]}
    own = {"source": {"url": "local://annotations", "transform": {"outputDimensions": dimensions}}}
    for text in (state([line], dimensions), state([line], **own), state([line], source=[own["source"]])):
        [found] = read(tmp_path, text, "state.json")
        assert (found.a, found.b) == ((1, 2, 3), (4, 5, -6))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{", "no saved state of Neuroglancer with layers named joins or cuts"),
        (json.dumps({"layers": [{"name": "annotation"}]}), "layers named joins or cuts"),
        (state([{"type": "point", "point": [1, 2, 3]}]), "joins 1 is of type 'point'; expected a line"),
        (state([{"type": "line", "pointA": [1, 2, 3]}]), "joins 1: its points cannot be placed"),
        (state([LINE], {"x": [1, "s"], "y": [1, "s"], "z": [1, "s"]}), "the unit of z is 's'"),
        (state([LINE], {"x": [1e-9, "m"], "y": [1e-9, "m"]}), "joins 1: its points cannot be placed"),
        (state([{**LINE, "pointA": [1e999, 2, 3]}]), "joins 1: its points cannot be placed"),
        *(
            (state([], source=source), "its layer joins are not in the state, but at precomputed://gs://b/c")
            for source in ("precomputed://gs://b/c", [{"url": "precomputed://gs://b/c"}])
        ),
    ],
)
def test_a_state_that_says_something_else_is_refused(tmp_path: Path, text: str, expected: str) -> None:
    with pytest.raises(InputError, match=expected):
        read(tmp_path, text, "state.json")


@pytest.mark.parametrize(
    "moved",
    [
        {"matrix": [[1, 0, 0, 10], [0, 1, 0, 0], [0, 0, 1, 0]]},
        {"matrix": [[0, 1, 0, 0], [1, 0, 0, 0], [0, 0, 1, 0]]},
        {"inputDimensions": {axis: [16e-9, "m"] for axis in "xyz"}},
    ],
)
def test_lines_of_a_layer_that_is_moved_are_not_taken_for_others(tmp_path: Path, moved: dict) -> None:
    whole = {axis: [size * 1e-9, "m"] for axis, size in zip("xyz", (4, 8, 40))}
    unmoved = {
        "outputDimensions": whole,
        "inputDimensions": whole,
        "matrix": [[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0]],
    }

    def of(transform: dict) -> str:
        return state([LINE], source={"url": "local://annotations", "transform": transform})

    [found] = read(tmp_path, of(unmoved), "state.json")
    assert (found.a, found.b) == ((1, 2, 3), (4, 5, -6))
    with pytest.raises(
        InputError, match=r"joins 1: its points cannot be placed \(the layer's source is moved"
    ):
        read(tmp_path, of({**unmoved, **moved}), "state.json")
