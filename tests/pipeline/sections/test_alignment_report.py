"""The report of an alignment: the map of residuals, the worst pairs, and pictures of how they lie."""

from __future__ import annotations

import io
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from taken import Taken

from pipeline.errors import InputError
from pipeline.report import write_alignment_report
from pipeline.report.alignment import PICTURES, alignment
from pipeline.report.fit_pictures import draw_fits
from pipeline.run_files import RunFiles
from tests.pages import Page, loose_numbers
from workflows.running.alignment_lines import alignment_lines


def test_the_map_has_the_largest_residuals_where_the_worst_pairs_say(aligned: Taken) -> None:
    found = json.loads(aligned.stack.quality_file.read_text())
    maps, side = found["map"]["of_sections"], found["map"]["side_px"]
    assert set(maps) == {str(z) for z in aligned.stack.sections}
    _, y, x = aligned.stack.box.start
    for pair in found["alignment"]["of_pairs"]:
        row, column = (pair["at"][0] - y) // side, (pair["at"][1] - x) // side
        cells = [np.array(maps[str(pair[z])], float) for z in ("a", "b")]
        assert all(np.nanmax(of) >= of[row, column] > 0 for of in cells)
        assert cells[0][row, column] >= pair["median"]


@pytest.fixture
def files(aligned: Taken, tmp_path: Path) -> RunFiles:
    """A copy of the alignment for a report to lie in: other tests look at all that lies there."""
    return RunFiles(shutil.copytree(aligned.stack.folder, tmp_path / "aligned"))


def test_the_page_says_no_number_of_its_own_and_shows_the_worst(aligned: Taken, files: RunFiles) -> None:
    write_alignment_report(files, aligned.stack.config)
    said, page = json.loads(files.report_file.read_text()), Page(files.report_page.read_text())
    assert loose_numbers(page, said) == []
    assert page.pictures_without_words == []
    assert len([address for address in page.fetched if address.startswith("data:image/jpeg")]) == 2 * PICTURES
    assert said["alignment"]["lost"] == [3]
    assert said["alignment"]["missing"] == 1
    assert len(said["alignment"]["map"]["sections"]) == len(aligned.stack.sections)


def test_what_was_taken_off_is_told_with_sections_that_are_far_from_the_table(
    aligned: Taken, tmp_path: Path
) -> None:
    found = json.loads(aligned.stack.quality_file.read_text())
    assert found["drift"] == [], "there are too few sections"
    files = RunFiles(tmp_path)
    part = {"from": 0, "to": 47, "drift_px": 8.3, "table_px": 6.1, "far": [12], "components": {}}
    files.quality_file.write_text(json.dumps({**found, "drift": [part]}))
    write_alignment_report(files, aligned.stack.config)
    page = Page(files.report_page.read_text())
    assert "pixels is taken off the places of sections; less it, they are" in " ".join(page.said)
    assert {(8.3, "8.3"), (6.1, "6.1"), (12.0, "12")} <= set(page.marked)
    lines = alignment_lines({**found, "drift": [part]}, files)
    assert [line for line in lines if line.startswith(("drift", "far"))] == [
        "drift         of up to 8.3 pixels is taken off the places of sections; less it, they are 6.1 pixels "
        "from where the table has them",
        "far           from where the table has them: 12",
    ]


def test_what_lies_wrong_without_a_residual_is_told(aligned: Taken, tmp_path: Path) -> None:
    found = json.loads(aligned.stack.quality_file.read_text())
    assert (found["otherwise"], found["astray"], found["montage"]["many_refused"]) == ([], [], False)
    files = RunFiles(tmp_path)
    found |= {"otherwise": [4, 5], "astray": [{"z": 4, "share": 0.361}]}
    found["montage"]["many_refused"] = True
    files.quality_file.write_text(json.dumps(found))
    write_alignment_report(files, aligned.stack.config)
    page = Page(files.report_page.read_text())
    assert {(4.0, "4"), (5.0, "5"), (0.361, "0.36")} <= set(page.marked)
    text = " ".join(page.said)
    assert "lie otherwise than most" in text
    assert "are found in no section beside them" in text
    assert "Many pairs of tiles do not fit" in text
    lines = "\n".join(alignment_lines(found, files))
    assert "pairs of tiles do not fit near where the table has them" in lines
    assert "otherwise     than most lie 2 sections" in lines
    assert "as what broke off: 4 (36%)" in lines


def test_neighbouring_sections_are_more_alike_after_than_before(aligned: Taken) -> None:
    """Of those that fit worst that cannot be said of each."""
    neighbours = [{"of": "sections", "a": z, "b": z + 1, "at": [136, 136]} for z in (0, 1, 4)]
    apart = []
    for picture in draw_fits(aligned.stack.config, aligned.stack.folder, neighbours):
        with Image.open(io.BytesIO(picture.file)) as drawn:
            colours = np.asarray(drawn).astype(float)
        between = np.abs(colours[:, :, 0] - colours[:, :, 1])[20:-20]
        half = between.shape[1] // 2
        apart.append((between[:, 20 : half - 20].mean(), between[:, half + 20 : -20].mean()))
    before, after = np.mean(apart, axis=0)
    assert after < 0.8 * before


def test_without_tiles_the_page_says_why_it_has_no_pictures(
    aligned: Taken, files: RunFiles, tmp_path: Path
) -> None:
    tiles = aligned.stack.config.tiles.model_copy(update={"table": str(tmp_path / "absent.csv")})
    write_alignment_report(files, aligned.stack.config.model_copy(update={"tiles": tiles}))
    assert "There are no pictures: tiles.table" in files.report_page.read_text()


def test_the_quality_of_an_earlier_version_is_asked_for_anew(tmp_path: Path) -> None:
    RunFiles(tmp_path).quality_file.write_text("{}")
    with pytest.raises(InputError, match=r"quality\.json is of an earlier version: align once more"):
        alignment(RunFiles(tmp_path))


def test_an_alignment_that_has_not_come_so_far_has_none(aligned: Taken, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"quality\.json is not there: the alignment has not come so far"):
        write_alignment_report(RunFiles(tmp_path), aligned.stack.config)
