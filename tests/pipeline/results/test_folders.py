"""Files about places are shared out among folders, by nothing but the place."""

from pathlib import Path

from pipeline.geometry import Box
from pipeline.results.folders import files_below, place
from pipeline.tile_grid import TileGrid


def test_no_folder_of_a_hundred_thousand_tiles_has_more_than_some_hundred_entries(tmp_path: Path) -> None:
    side = 46 * 208 + 48
    grid = TileGrid(Box((0, 0, 0), (side, side, side)), (256, 256, 256), (48, 48, 48))
    files = [place(tmp_path, tile.box.start, f"{tile.name}.h5") for tile in grid]
    assert len(set(files)) == len(grid) > 97_000
    entries: dict[Path, set[Path]] = {}
    for file in files:
        entries.setdefault(file.parent, set()).add(file)
        entries.setdefault(file.parents[1], set()).add(file.parent)
        entries.setdefault(file.parents[2], set()).add(file.parents[1])
    assert max(map(len, entries.values())) < 100


def test_all_files_are_found_wherever_they_lie(tmp_path: Path) -> None:
    starts = [(0, 0, 0), (0, 5, 1), (7, 0, 0), (1_234_567, 8, 9)]
    files = {place(tmp_path / "in", start, str(start)) for start in starts} | {
        tmp_path / "in" / "engine.json"
    }
    for file in files:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("")
    (tmp_path / "in" / "empty").mkdir()
    found = files_below(tmp_path / "in")
    assert len(found) == len(files)
    assert set(found) == files
    assert files_below(tmp_path / "not there") == []
