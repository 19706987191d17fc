"""A run names its costliest errors, and keeps what a person has found of them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from test_evaluation_stage import EVALUATED, PARTS, make_run

from pipeline.errors import InputError
from pipeline.evaluation import blocks, count_block, count_box, find_worst, score, stage
from pipeline.evaluation.verdicts import Verdict, keep_verdicts, read_verdicts
from pipeline.evaluation.worst import Wrong, worst
from pipeline.results.artifacts import Artifact
from pipeline.run_folder import Run

WRONGS = [Wrong("split", 0.5, (2**64 - 9,), (1, 2), 30, (1, 2, 3)), Wrong("blank", 0.1, (4,), (), 9)]


def found_in(run: Run, segmentation: list[Artifact] = PARTS) -> dict:
    counts = [count_block(run, block, segmentation) for block in blocks(run)]
    return json.loads(Path(find_worst(run, counts, segmentation).path).read_text())


@pytest.mark.parametrize("shape", [(256, 256, 256), (7, 9, 512)])
def test_the_costliest_errors_of_the_scored_box_are_named_with_a_point_in_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shape: tuple[int, int, int]
) -> None:
    monkeypatch.setattr(stage, "BLOCK", shape)
    run, truth, segmentation = make_run(tmp_path, exclude="5:9,4:22,9:28")
    truth, segmentation = truth[4:], segmentation[4:]
    found = found_in(run)
    table = count_box(segmentation, truth).as_is
    expected = worst(table, 50)
    assert [wrong["what"] for wrong in found["worst"]] == [wrong.what for wrong in expected]
    assert [wrong["bits"] for wrong in found["worst"]] == pytest.approx([wrong.bits for wrong in expected])
    assert found["errors"] == len(worst(table, 10**6))
    labelled = count_box(segmentation[truth != 0], truth[truth != 0])
    of_labelled = score(labelled)["gt_foreground"]
    assert found["voi_bits"] == pytest.approx(of_labelled["voi_split"] + of_labelled["voi_merge"])
    for wrong in found["worst"]:
        z, y, x = np.subtract(wrong["point"], EVALUATED.start) - (4, 0, 0)
        assert z >= 0, "what is excluded is not to be looked at"
        assert truth[z, y, x] in wrong["truth"]
        assert segmentation[z, y, x] in (wrong["segments"] or [0])


def test_verdicts_are_kept_by_later_runs(tmp_path: Path) -> None:
    run, _, _ = make_run(tmp_path)
    first = found_in(run)
    lines = run.verdicts_file.read_text().splitlines()
    assert lines[0] == "verdict,what,bits,voxels,z,y,x"
    assert [line.split(",")[1] for line in lines[1:]] == [wrong["what"] for wrong in first["worst"]]
    lines[2] = f'"no, the truth is",{lines[2][1:]}'
    run.verdicts_file.write_text("\n".join(lines))
    found_in(run, [Artifact("segmentation", "another")])
    [verdict] = read_verdicts(run.verdicts_file)
    assert (verdict.text, verdict.what) == ("no, the truth is", first["worst"][1]["what"])
    assert run.verdicts_file.read_text().count("\n") == len(lines)


def test_a_verdict_on_what_is_no_longer_listed_stays(tmp_path: Path) -> None:
    path = tmp_path / "verdicts.csv"
    keep_verdicts(WRONGS, path)
    path.write_text(path.read_text().replace("\n,part", "\ntrue,part"))
    keep_verdicts(WRONGS[:1], path)
    assert read_verdicts(path) == [Verdict("true", "part of 4 is not segmented", None)]
    assert path.read_text().splitlines()[1:] == [
        f",{2**64 - 9} is cut between 1 and 2,0.500000,30,1,2,3",
        "true,part of 4 is not segmented,0.100000,9,,,",
    ]


def test_a_verdict_is_not_on_an_error_elsewhere_that_has_the_same_words(tmp_path: Path) -> None:
    """As where another network's segments have the same numbers, or leave another part of an object blank."""
    path, what = tmp_path / "verdicts.csv", "part of 4 is not segmented"
    first = Wrong("blank", 0.1, (4,), (), 9, (10, 20, 30))
    near, far = (replace(first, point=point) for point in ((12, 20, 60), (10, 20, 90)))
    keep_verdicts([first], path)
    path.write_text(path.read_text().replace("\n,part", "\na membrane,part"))
    keep_verdicts([near], path)
    assert path.read_text().splitlines()[1:] == [f"a membrane,{what},0.100000,9,12,20,60"]
    keep_verdicts([replace(far, point=(12, 20, 95))], path)
    empty, kept = path.read_text().splitlines()[1:]
    assert empty == f",{what},0.100000,9,12,20,95"
    assert kept == f"a membrane,{what},0.100000,9,12,20,60"
    [verdict] = read_verdicts(path)
    assert [verdict.is_on(what, point) for point in ((12, 20, 60), (12, 20, 95), None)] == [True, False, True]
    keep_verdicts([near], path)
    assert path.read_text().splitlines()[1:] == [f"a membrane,{what},0.100000,9,12,20,60"]


def test_what_a_person_adds_to_the_verdicts_stays(tmp_path: Path) -> None:
    """A column, a remark without a verdict, and rows on what is no error of the list."""
    path = tmp_path / "verdicts.csv"
    keep_verdicts(WRONGS, path)
    head, split, blank = path.read_text().splitlines()
    own = [f"{head},seen by", split + ",Ann", blank + ",", "bad,,,,7,8,9,Bob", "good,,,,1,1,1,Bob"]
    path.write_text("\n".join(own) + "\n")
    keep_verdicts(WRONGS, path)
    assert path.read_text().splitlines() == own


def test_of_two_verdicts_on_one_error_none_is_lost_and_the_last_stays_the_last(tmp_path: Path) -> None:
    path = tmp_path / "verdicts.csv"
    keep_verdicts(WRONGS, path)
    head, split, blank = path.read_text().splitlines()
    path.write_text("\n".join([head, f"Ann: no{split}", f"Bob: yes{split}", blank]) + "\n")
    for _ in range(2):
        keep_verdicts(WRONGS, path)
        assert path.read_text().splitlines() == [head, f"Ann: no{split}", blank, f"Bob: yes{split}"]
        assert [verdict.text for verdict in read_verdicts(path)][-1] == "Bob: yes"


def test_verdicts_are_read_as_spreadsheets_save_them(tmp_path: Path) -> None:
    path = tmp_path / "verdicts.csv"
    path.write_text("\ufeffverdict;what;bits\r\nwrong;5 is cut between 1 and 2;0,5\r\n", encoding="utf-8")
    assert read_verdicts(path) == [Verdict("wrong", "5 is cut between 1 and 2", None)]
    assert read_verdicts(tmp_path / "none.csv") == []


def test_a_file_of_verdicts_that_is_none_is_refused_and_stays(tmp_path: Path) -> None:
    path = tmp_path / "verdicts.csv"
    path.write_text("notes\nmine\n")
    with pytest.raises(InputError, match=r"has the columns \['notes'\]; expected verdict, what"):
        keep_verdicts(WRONGS, path)
    assert path.read_text() == "notes\nmine\n"


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("no, it is one,5 is cut between 1 and 2,0.5", "line 3 has 4 values"),
        ('"no,5 is cut between 1 and 2,0.5', "line 3: unexpected end of data"),
    ],
)
def test_a_verdict_that_would_be_read_as_another_column_is_refused(
    tmp_path: Path, row: str, said: str
) -> None:
    """A comma without quotes, as text editors leave it: what comes after it was lost at the next score."""
    path = tmp_path / "verdicts.csv"
    path.write_text(f"verdict,what,bits\nyes,4 is cut between 1 and 2,1\n{row}\n")
    before = path.read_bytes()
    with pytest.raises(InputError, match=said):
        keep_verdicts(WRONGS, path)
    assert path.read_bytes() == before


def test_the_voxel_size_beside_the_points_is_the_one_that_the_run_file_has_now(tmp_path: Path) -> None:
    run, _, _ = make_run(tmp_path)
    for size in ((8.0, 8.0, 8.0), (40.0, 8.0, 8.0)):
        data = run.config.data.model_copy(update={"voxel_size_nm": size})
        run = replace(run, config=run.config.model_copy(update={"data": data}))
        assert found_in(run)["voxel_size_nm"] == list(size)
