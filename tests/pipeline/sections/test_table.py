"""Tables of tiles are read, or refused with what is wrong with them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pipeline.errors import InputError
from pipeline.sections.table import Listed, read_table
from pipeline.settings.sections import Tiles

CSV = "file,section,row,column,x,y\nb.png,2,0,0,100,50\na.png,1,0,0,-4.5,0\n"
LAYERS = """<trakem2><t2_layer_set oid="1">
<t2_layer oid="2" z="1.0"><t2_patch title="a" file_path="a.tif" transform="matrix(1.0,0.0,0.0,1.0,100,50)"/>
</t2_layer></t2_layer_set></trakem2>"""
TILE = {
    "tileId": "t1",
    "z": 1.0,
    "mipmapLevels": {"0": {"imageUrl": "file:/data/a%201.tif"}},
    "transforms": {
        "type": "list",
        "specList": [
            {"className": "mpicbg.trakem2.transform.AffineModel2D", "dataString": "1 0 0 1 100 50"},
            {"className": "mpicbg.trakem2.transform.TranslationModel2D", "dataString": "1 -1"},
        ],
    },
}
LEAF = {"type": "leaf", "className": "TranslationModel2D", "dataString": "7 9"}


def read(folder: Path, name: str, text: str, units: str = "pixel") -> list[Listed]:
    (folder / name).write_text(text)
    return read_table(
        Tiles.model_validate({"table": str(folder / name), "units": units, "voxel_size_nm": (40, 5, 10)})
    )


def test_a_csv_is_read_in_pixels_and_in_nm(tmp_path: Path) -> None:
    assert read(tmp_path, "t.csv", CSV) == [Listed(1, "a.png", 0, -4.5), Listed(2, "b.png", 50, 100)]
    assert read(tmp_path, "t.csv", CSV, "nm")[1] == Listed(2, "b.png", 10, 10)


def test_a_trakem2_project_is_read(tmp_path: Path) -> None:
    assert read(tmp_path, "t.xml", LAYERS) == [Listed(1, "a.tif", 50, 100)]


def test_tile_specifications_are_read(tmp_path: Path) -> None:
    listed = [Listed(1, "/data/a 1.tif", 49, 101)]
    assert read(tmp_path, "t.json", json.dumps([TILE])) == listed
    plain = {**TILE, "transforms": TILE["transforms"]["specList"]}  # type: ignore[index]
    assert read(tmp_path, "t.json", json.dumps([plain])) == listed


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("t.csv", "file,section,x\n", "no column 'y'"),
        ("t.csv", CSV.replace("row", "lens"), "unknown column 'lens'"),
        ("t.csv", CSV.replace("-4.5", "west"), "line 3: x is 'west'"),
        ("t.csv", CSV.replace("a.png,1", "a.png,1.5"), "section is '1.5'"),
        ("t.csv", CSV + "a.png,1,0,0,0,0\n", "a.png is listed twice"),
        ("t.csv", CSV + "./a.png,1,0,0,90,0\n", "a.png is listed twice in section 1"),
        ("t.csv", CSV.replace("100,50", "100,5,50,0"), "line 2 has 8 values"),
        ("t.csv", CSV.replace("row", "x"), "two columns 'x'"),
        ("t.csv", CSV.replace("b.png", '"b.png'), "expected CSV, in which a quote"),
        ("t.csv", CSV.splitlines()[0], "lists no tiles"),
        ("t.xml", LAYERS.replace("(1.0", "(0.9"), "patch a has transform"),
        ("t.xml", LAYERS.replace("/>", "><ict_transform_list/></t2_patch>"), "ict_transform_list"),
        ("t.xml", LAYERS.replace("title", "ct_id='7' title"), "a has a transform ct_id"),
        ("t.xml", LAYERS.replace("title", "alpha_mask_id='7' title"), "patch a has a mask"),
        ("t.xml", LAYERS.replace("title", "visible='false' title"), "patch a is hidden"),
        ("t.xml", "<trakem2>", "is not XML"),
        ("t.json", "{}", "holds no list"),
        ("t.json", json.dumps([TILE]).replace("AffineModel2D", "ThinPlateSpline"), "ThinPlateSpline"),
        ("t.json", json.dumps([TILE]).replace("file:", "s3:"), "expected a file"),
        ("t.json", json.dumps([TILE]).replace('"imageUrl"', '"maskUrl": "m.png", "imageUrl"'), "has a mask"),
        ("t.json", json.dumps([{**TILE, "transforms": LEAF}]), "tile t1 has transforms {'type': 'leaf'"),
        ("t.json", json.dumps([{**TILE, "transforms": ["x"]}]), "tile t1 has transforms ['x']"),
        ("t.json", json.dumps([TILE]).replace("transforms", "transform"), "tile t1 has transforms None"),
    ],
)
def test_what_is_not_understood_is_refused_by_name(tmp_path: Path, name: str, text: str, said: str) -> None:
    with pytest.raises(InputError, match=r"t\.(csv|xml|json)") as refusal:
        read(tmp_path, name, text)
    assert said in str(refusal.value)


@pytest.mark.parametrize(("name", "text"), [("t.xml", LAYERS), ("t.json", json.dumps([TILE]))])
def test_units_of_what_is_always_in_pixels_are_refused(tmp_path: Path, name: str, text: str) -> None:
    with pytest.raises(InputError, match="units is nm"):
        read(tmp_path, name, text, units="nm")


def test_values_without_a_column_are_no_fault_where_they_are_empty(tmp_path: Path) -> None:
    assert read(tmp_path, "t.csv", CSV.replace("100,50", "100,50,,"))[1] == Listed(2, "b.png", 50, 100)
