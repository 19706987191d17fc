"""A person's word on an alignment: shifts of pairs, sections left out, and what is made again for it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from taken import Taken, run_now, settings

from apps.targets import target_of
from pipeline.checkup.sections import doubts
from pipeline.errors import InputError
from pipeline.report import write_alignment_report
from pipeline.report.fit_pictures import draw_fits
from pipeline.results.artifacts import Artifact
from pipeline.results.records import inspect
from pipeline.run_files import RunFiles
from pipeline.sections.montage import solve
from pipeline.sections.stack import read_stack
from pipeline.settings.sections import FromSections
from tests.pages import Page, loose_numbers
from workflows.section_stages import align

COLUMNS = "kind,section,a,b,y,x,note\n"
SHIFT = "shift,2,z0002/r0_c0.png,z0002/r0_c1.png,7,81.5,seen by eye\n"


def corrected(taken: Taken, folder: Path, text: str) -> FromSections:
    (folder / "corrections.csv").write_text(COLUMNS + text)
    return settings(taken.folder, corrections=str(folder / "corrections.csv"))


def would_make(config: FromSections, folder: Path) -> dict[str, list[str]]:
    """By app the files that would be made again of what is in the folder, until one is missing."""
    again: dict[str, list[str]] = {}

    def submit(app: Any, *args: Any, **kwargs: Any) -> Artifact:
        target = target_of(app.__name__, args, kwargs)
        found = inspect(target)
        if isinstance(found, Artifact):
            return found
        again.setdefault(app.__name__, []).append(target.path.name)
        return Artifact(str(target.path), "other")

    align(*read_stack(config, folder), submit)
    return again


def test_a_shift_makes_again_its_section_and_what_is_made_of_that(aligned: Taken, tmp_path: Path) -> None:
    again = would_make(corrected(aligned, tmp_path, SHIFT), aligned.stack.folder)
    assert "find_shifts" not in again
    assert again["make_montage"] == ["z000002.json"]
    assert again["make_overview"] == ["z000002.npz"]
    assert len(again["match_sections"]) == 4
    assert all("z000002" in name for name in again["match_sections"])


def test_a_section_that_is_added_at_the_end_is_compared_and_no_other_once_more(
    aligned: Taken, tmp_path: Path
) -> None:
    table = (aligned.folder / "tiles.csv").read_text().splitlines()
    added = [line.replace(",5,", ",6,", 1) for line in table if line.startswith("z0005")]
    (tmp_path / "tiles.csv").write_text("\n".join([*table, *added]))
    for images in aligned.folder.glob("z*"):
        (tmp_path / images.name).symlink_to(images)
    again = would_make(settings(tmp_path), aligned.stack.folder)
    assert again["make_montage"] == ["z000006.json"]
    assert again["match_sections"] == ["z000004_z000006.npz", "z000005_z000006.npz"]


@pytest.mark.parametrize("turned", [False, True])
def test_what_a_person_says_of_a_pair_goes_before_what_was_found(
    aligned: Taken, tmp_path: Path, turned: bool
) -> None:
    names = "z0002/r0_c0.png,z0002/r0_c1.png,-4,83"
    if turned:
        names = "z0002/r0_c1.png,z0002/r0_c0.png,4,-83"
    _, sections = read_stack(corrected(aligned, tmp_path, f"shift,2,{names},\n"), tmp_path)
    tiles = ["z0002/r0_c0.png", "z0002/r0_c1.png"]
    grey = [[100.0, 20.0], [110.0, 25.0]]
    pairs = [{"a": tiles[0], "b": tiles[1], "shift": [0.0, 80.0], "quality": 0.1, "grey": grey}]
    found = solve(sections[2], pairs, aligned.stack.config.montage)
    apart = np.subtract(found["places"][tiles[1]], found["places"][tiles[0]])
    np.testing.assert_allclose(apart, [-4, 83], atol=0.05)
    [pair] = found["pairs"]
    assert (pair["corrected"], pair["found"], pair["refused"]) == (True, [0.0, 80.0], None)


def test_a_picture_of_a_section_that_is_left_out_since_is_refused(aligned: Taken, tmp_path: Path) -> None:
    config, wanted = corrected(aligned, tmp_path, "exclude,2,,,,,\n"), {"of": "sections", "a": 1, "b": 2}
    with pytest.raises(InputError, match="section 2 is left out or lost since"):
        draw_fits(config, aligned.stack.folder, [wanted])


def test_a_pair_that_was_not_compared_can_be_said_too(aligned: Taken, tmp_path: Path) -> None:
    text = "shift,2,z0002/r0_c0.png,z0002/r2_c2.png,150,170,\n"
    _, sections = read_stack(corrected(aligned, tmp_path, text), tmp_path)
    found = solve(sections[2], [], aligned.stack.config.montage)
    apart = np.subtract(found["places"]["z0002/r2_c2.png"], found["places"]["z0002/r0_c0.png"])
    np.testing.assert_allclose(apart, [150, 170], atol=0.1)


def test_a_section_that_is_left_out_is_bridged_and_the_report_says_why(
    aligned: Taken, tmp_path: Path
) -> None:
    config = corrected(aligned, tmp_path, SHIFT + "exclude,4,,,,,a fold\n")
    stack, sections = read_stack(config, tmp_path / "run")
    assert stack.sections == (0, 1, 2, 5)
    assert stack.lost == (3, 4)
    assert doubts(stack, sections)[1:] == [
        "1 section is lost and will be 0: 3",
        "1 section is left out by corrections and will be 0: 4",
    ]
    assert doubts(stack, sections, {4: 5})[1:] == ["1 section is lost and will be 0: 3"]
    assert doubts(stack, sections, {3: 4}) == doubts(stack, sections), "4 is not there either"
    align(stack, sections, run_now)
    told = json.loads(stack.quality_file.read_text())["corrections"]
    assert [(one["kind"], one["section"], one["where"], one["note"]) for one in told] == [
        ("shift", 2, "line 2", "seen by eye"),
        ("exclude", 4, "line 3", "a fold"),
    ]
    files = RunFiles(stack.folder)
    write_alignment_report(files, config)
    page, said = Page(files.report_page.read_text()), json.loads(files.report_file.read_text())
    assert "seen by eye" in page.said
    assert loose_numbers(page, said) == []
    other_note = corrected(aligned, tmp_path, SHIFT + "exclude,4,,,,,two folds\n")
    assert would_make(other_note, stack.folder) == {"judge": ["quality.json"]}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("exclude,17,,,,,\n", "corrections.csv, line 2: there is no section 17 in"),
        ("exclude,one,,,,,\n", "corrections.csv, line 2: section is 'one'; expected a number"),
        ("shift,2,z0002/r0_c0.png,z0002/r0_c1.png,7,5,81,5,by eye\n", "line 2 has 9 values"),
        (
            'exclude,1,,,,,"a fold\nexclude,2,,,,,\n',
            "line 2: unexpected end of data; expected CSV, in which a quote",
        ),
        ("leave,1,,,,,\n", "line 2: kind is 'leave'; expected shift or exclude"),
        (
            "shift,2,z0002/r0_c0.png,,1,1,\n",
            "line 2: a is 'z0002/r0_c0.png' and b is ''; expected two images",
        ),
        (SHIFT.replace("81.5", "far"), "line 2: x is 'far'; expected a number"),
        (SHIFT.replace("r0_c1", "r9_c9"), "line 2: section 2 has no image 'z0002/r9_c9.png' that is there"),
        (SHIFT + SHIFT, "line 3 is about the same as line 2: remove one of them"),
        (
            SHIFT + "exclude,2,,,,,\n",
            "line 2: section 2 has no image 'z0002/r0_c0.png' that is there and not",
        ),
        (
            "".join(f"exclude,{z},,,,,\n" for z in range(6)),
            "leaves out every section of which there are images",
        ),
    ],
)
def test_what_cannot_be_corrected_is_refused_by_its_line(
    taken: Taken, tmp_path: Path, text: str, expected: str
) -> None:
    with pytest.raises(InputError) as refused:
        read_stack(corrected(taken, tmp_path, text), tmp_path)
    assert expected in str(refused.value)


def test_a_file_that_is_not_there_is_named(taken: Taken, tmp_path: Path) -> None:
    config = settings(taken.folder, corrections=str(tmp_path / "absent.csv"))
    with pytest.raises(InputError, match=r"absent\.csv does not exist"):
        read_stack(config, tmp_path)
