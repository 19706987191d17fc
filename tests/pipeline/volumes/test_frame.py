"""What a file says of voxel size and offset becomes whole coordinates, or one line that says what to set."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import InputError
from pipeline.geometry import Triple
from pipeline.volumes.attributes import stated_by
from pipeline.volumes.choice import Choice
from pipeline.volumes.frame import Frame, Stated, VoxelSize, same_size

sizes = st.tuples(*[st.floats(0.5, 500)] * 3)
origins = st.tuples(*[st.integers(-(10**6), 10**6)] * 3)
NM = {"nm": 1.0, "um": 1000.0, "angstrom": 0.1}


@given(sizes, origins, st.sampled_from(sorted(NM)), st.permutations("zyx"))
def test_attributes_give_the_origin_in_any_unit_and_order(
    size_nm: VoxelSize, origin: Triple, unit: str, axes: list[str]
) -> None:
    at = dict(zip("zyx", zip(size_nm, origin)))
    attributes = {
        "resolution": [at[axis][0] / NM[unit] for axis in axes],
        "offset": [at[axis][0] * at[axis][1] / NM[unit] for axis in axes],
        "units": unit,
        "axis_names": axes,
    }
    frame = stated_by(attributes, 3, "v", Choice()).frame("v", None, None, "set data.origin")
    assert frame.origin == origin
    assert frame.voxel_size_nm is not None
    assert same_size(frame.voxel_size_nm, size_nm)


@given(
    st.permutations("tczyx"),
    st.sampled_from(["zyx", "czyx", "tczyx"]),
    st.fixed_dictionaries({axis: st.sampled_from(sorted(NM)) for axis in "zyx"}),
    st.booleans(),
)
def test_units_go_with_the_names_of_their_axes(
    order: list[str], stored: str, units: dict[str, str], for_all: bool
) -> None:
    axes = [axis for axis in order if axis in stored]
    given_for = axes if for_all else [axis for axis in axes if axis in "zyx"]
    size_nm = {"z": 40.0, "y": 8.0, "x": 4.0}
    attributes = {
        "axis_names": axes,
        "units": [units.get(axis, "") for axis in given_for],
        "resolution": [size_nm[axis] / NM[units[axis]] if axis in "zyx" else 1 for axis in axes],
        "offset": [10 * size_nm[axis] / NM[units[axis]] for axis in axes if axis in "zyx"],
    }
    frame = stated_by(attributes, len(axes), "v", Choice()).frame("v", None, None, "set data.origin")
    assert frame.voxel_size_nm == pytest.approx((40, 8, 4))
    assert frame.origin == (10, 10, 10)


@pytest.mark.parametrize(
    ("axes", "units", "expected"),
    [
        ("zyx", ["nm", "nm"], r"attribute units is \['nm', 'nm'\]; expected three, for z, y, x"),
        ("zyxc", ["nm"] * 5, "expected three, for z, y, x, or one for each of z, y, x, c"),
        (None, ["", "um", "nm", "nm"], "expected three, for z, y, x"),
    ],
)
def test_units_that_fit_no_axes_are_one_line(axes: str | None, units: list[str], expected: str) -> None:
    attributes = {"resolution": (40, 4, 4), "units": units, **({"axes": axes} if axes else {})}
    with pytest.raises(InputError, match=expected):
        stated_by(attributes, 4 if axes != "zyx" else 3, "v", Choice())


def test_element_size_is_in_micrometres() -> None:
    assert stated_by({"element_size_um": (0.04, 0.004, 0.004)}, 3, "v", Choice()).size_nm == (40, 4, 4)
    assert stated_by({"voxel_size_nm": (40, 4, 4), "units": "um"}, 3, "v", Choice()).size_nm == (40, 4, 4)
    assert stated_by({"resolution_um": "[0.04, 0.004, 0.004]"}, 3, "v", Choice()).size_nm == (40, 4, 4)


@pytest.mark.parametrize(
    ("second", "told"),
    [
        ({"voxel_size": (40, 4, 4)}, ""),
        ({"voxel_size": (30, 8, 8)}, "its attribute voxel_size says 30 x 8 x 8 nm"),
        ({"element_size_um": (0.04, 0.004, 0.004)}, ""),
        ({"element_size_um": (0.04, 0.008, 0.008)}, "its attribute element_size_um says 40 x 8 x 8 nm"),
        ({"voxel_size": "thin"}, ""),
        ({"voxel_size": (0, 0, 0)}, ""),
    ],
)
def test_a_second_voxel_size_is_told_where_it_is_another(second: dict[str, object], told: str) -> None:
    frame = stated_by({"resolution": (40, 4, 4), **second}, 3, "v", Choice()).frame("v", None, None, "")
    assert (frame.voxel_size_nm, frame.stated_otherwise) == ((40, 4, 4), told)


def test_what_is_set_goes_first_but_an_offset_is_counted_in_the_file_s_own_voxels() -> None:
    stated = Stated(voxel_size_nm={"z": 40, "y": 4, "x": 4}, offset_nm={"z": 400, "y": 64, "x": 64})
    assert stated.frame("v", None, (40, 8, 8), "s") == Frame((10, 16, 16), (40, 8, 8), (40, 4, 4), True)
    assert stated.frame("v", (1, 2, 3), None, "s").origin == (1, 2, 3)


@pytest.mark.parametrize(
    ("attributes", "wrong"),
    [
        ({"resolution": (40, 4, 4), "offset": (20, 0, 0)}, r"0\.5, 0, 0.* no whole number: set data\.origin"),
        ({"offset": (40, 4, 4)}, "its voxel size is unknown: set data.voxel_size_nm, or set data.origin"),
        ({"resolution": (40, 0, 4)}, r"attribute resolution is .*; expected positive numbers"),
        ({"resolution": "fine"}, "attribute resolution is 'fine'; expected three, for z, y, x"),
        ({"resolution": (4, 4)}, "expected three, for z, y, x"),
        ({"resolution": (4, 4, 4), "units": "furlong"}, "unit 'furlong' is not known"),
    ],
)
def test_what_makes_no_sense_is_one_line(attributes: dict[str, object], wrong: str) -> None:
    with pytest.raises(InputError, match=wrong):
        stated_by(attributes, 3, "v", Choice()).frame("v", None, None, "set data.origin")


@pytest.mark.parametrize(
    ("units", "size_nm"),
    [
        ({"x": "um", "y": "\u00b5m", "z": "nm", "c": ""}, (40, 5, 4)),
        ({"x": "", "y": "", "z": ""}, None),
        ({"x": "pixel", "y": "nm", "z": "nm"}, None),
        ({"x": "nm"}, None),
        (None, None),
    ],
)
def test_ilastik_says_lengths_beside_the_names_of_axes_and_their_units_apart(
    units: dict[str, str] | None, size_nm: tuple[float, ...] | None
) -> None:
    lengths = {"x": 0.004, "y": 0.005, "z": 40.0, "c": 0.0}
    tags = [{"key": axis, "typeFlags": 2, "resolution": length} for axis, length in lengths.items()]
    said = {"axistags": json.dumps({"axes": tags})} | ({"axis_units": json.dumps(units)} if units else {})
    stated = stated_by(said, 4, "v", Choice())
    assert stated.axes == ("x", "y", "z", "c")
    assert stated.size_nm == (None if size_nm is None else pytest.approx(size_nm))


def test_a_unit_of_ilastik_s_that_is_not_known_says_what_to_set() -> None:
    tags = [{"key": axis, "resolution": 1} for axis in "zyx"]
    said = {
        "axistags": json.dumps({"axes": tags}),
        "axis_units": json.dumps(dict.fromkeys("zyx", "furlong")),
    }
    with pytest.raises(InputError, match=r"unit 'furlong' is not known: set data\.voxel_size_nm"):
        stated_by(said, 3, "v", Choice())
    assert stated_by(said, 3, "v", Choice(voxel_size_nm=(40, 4, 4))).size_nm is None
