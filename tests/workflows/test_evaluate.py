"""`evaluate SEGMENTATION... TRUTH`, as a user runs it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from skimage.io import imsave
from skimage.metrics import adapted_rand_error, variation_of_information

from tests.commands import said
from workflows.evaluate import main


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, np.ndarray]]:
    """Two fibres along x in voxels of 40 x 8 x 8 nm, a segmentation that cuts one, one that joins both."""
    folder = tmp_path_factory.mktemp("evaluate")
    truth = np.zeros((12, 40, 120), np.uint64)
    truth[:, 4:16], truth[:, 22:36] = 5, 9
    split = np.where(np.indices(truth.shape)[2] < 60, truth, truth + (truth == 5).astype(np.uint64))
    merged = np.where(truth != 0, np.uint64(1), truth)
    merged[0] = 0
    volumes = {"truth": truth, "split": split, "merged": merged}
    with h5py.File(folder / "volumes.h5", "w") as file:
        for name, ids in volumes.items():
            file[name] = ids
            file[name].attrs["resolution"] = (40.0, 8.0, 8.0)
    (folder / "swc").mkdir()
    for name, y in (("5", 10), ("9", 30)):
        nodes = [f"{i + 1} 0 {8 * x} {8 * y} 240 1 {i if i else -1}" for i, x in enumerate(range(0, 120, 2))]
        (folder / "swc" / f"{name}.swc").write_text("\n".join(nodes) + "\n")
    return folder, volumes


def test_segmentations_are_scored_side_by_side_and_along_skeletons(
    case: tuple[Path, dict[str, np.ndarray]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder, volumes = case
    names = [f"{folder / 'volumes.h5'}:{name}" for name in ("split", "merged", "truth")]
    monkeypatch.setenv("COLUMNS", "60")
    code, printed = said(
        main,
        [*names, "--skeletons", str(folder / "swc"), "--json", str(tmp_path / "scores.json")],
        monkeypatch,
        capsys,
    )
    assert code == 0
    found: dict[str, Any] = json.loads((tmp_path / "scores.json").read_text())
    assert found["truth"] == names[2]
    split, merged = (found["segmentations"][name] for name in names[:2])
    labelled = volumes["truth"] != 0
    are, *_ = adapted_rand_error(volumes["truth"][labelled], volumes["split"][labelled])
    assert split["scores"]["both_foreground"]["are"] == pytest.approx(are)
    assert merged["scores"]["both_foreground"]["voi_split"] == pytest.approx(0)
    length = 59 * 16.0
    assert split["run_length"]["perfect_erl_nm"] == pytest.approx(length)
    halves = (29 * 16) ** 2 * 2
    assert split["run_length"]["erl_nm"] == pytest.approx((halves + length**2) / (2 * length))
    assert (split["run_length"]["splits"], merged["run_length"]["mergers"]) == (1, 1)
    assert merged["run_length"]["erl_nm"] == 0
    assert f"{are:.4f}" in printed
    assert "…" not in printed, "figures are cut off on a narrow screen"
    assert "voxels of 40 x 8 x 8 nm; a segment merges from 1 node in each of two on" in printed
    assert "1 of 118 edges split" in printed
    assert split["doubts"] == []
    [cut] = split["worst"]
    assert (cut["kind"], cut["truth"], cut["segments"], cut["point"][2]) == ("split", [5], [5, 6], 60)
    assert [wrong["kind"] for wrong in merged["worst"]] == ["merger", "blank", "blank"]
    assert "5 is cut between 5 and 6" in printed
    assert "WARNING       the segmentation has one id in its middle, 1: this looks like a mask" in printed
    beside = merged["beside"]
    assert beside["first"] == names[0]
    for convention in ("gt_foreground", "filled", "both_foreground"):
        more = merged["scores"][convention]["voi_merge"] - split["scores"][convention]["voi_merge"]
        assert beside["scores"][convention]["voi_merge"] == pytest.approx(more)
    low, high = beside["intervals_95"]["filled"]["voi_merge"]
    assert 0 < low <= beside["scores"]["filled"]["voi_merge"] <= high
    assert [(of["object"], of["worse_in"], of["error"]["what"]) for of in beside["objects"]] == [
        (9, names[1], "1 joins 9 and 5"),
        (5, names[1], "1 joins 9 and 5"),
    ]
    for z, y, x in (of["error"]["point"] for of in beside["objects"]):
        assert (volumes["truth"][z, y, x], volumes["merged"][z, y, x]) == (5, 1), (
            "inside the smaller of the two"
        )
    assert f"beside {names[0]}" in printed
    assert "beside" not in split


def test_segmentations_are_scored_where_all_are_and_so_are_skeletons(
    case: tuple[Path, dict[str, np.ndarray]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    volumes = case[1]
    for name, ids in (("split", volumes["split"]), ("part", volumes["split"][..., :90])):
        np.save(tmp_path / f"{name}.npy", ids)
    names = [
        *(str(tmp_path / f"{name}.npy") for name in ("split", "part")),
        f"{case[0] / 'volumes.h5'}:truth",
    ]
    options = [
        "--segmentation-origin",
        "0,0,0",
        "--voxel-size",
        "40,8,8",
        "--skeletons",
        str(case[0] / "swc"),
    ]
    options += ["--json", str(tmp_path / "scores.json")]
    code, printed = said(main, [*names, *options], monkeypatch, capsys)
    assert code == 0, printed
    split, part = json.loads((tmp_path / "scores.json").read_text())["segmentations"].values()
    assert split["box"] == part["box"] == "0:12,0:40,0:90"
    assert split["doubts"][0].startswith(
        "scored in 0:12,0:40,0:90, which all segmentations cover; this one and"
    )
    assert part["doubts"] == []
    assert split["run_length"] == part["run_length"]
    code, printed = said(main, [*names, *options, "--box", "0:12,0:40,0:60"], monkeypatch, capsys)
    assert code == 0, printed
    for found in json.loads((tmp_path / "scores.json").read_text())["segmentations"].values():
        assert (found["run_length"]["edges"], found["run_length"]["splits"]) == (2 * 29, 0)
        assert found["run_length"]["length_outside_nm"] == 2 * 30 * 16


def test_segmentations_with_other_voxels_are_not_called_comparable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ids = np.arange(1, 9).repeat(8**3 * 8).reshape(32, 32, 32)
    with h5py.File(tmp_path / "volumes.h5", "w") as file:
        for name, size in (("fine", 8), ("coarse", 16), ("truth", None)):
            file[name] = ids
            if size:
                file[name].attrs["resolution"] = (size, size, size)
    names = [f"{tmp_path / 'volumes.h5'}:{name}" for name in ("fine", "coarse", "truth")]
    code, shown = said(main, names, monkeypatch, capsys)
    assert code == 0, shown
    assert "voxels are of 16 x 16 x 16 nm: segmentations with other voxels are scored beside it" in shown
    assert "beside " not in shown.replace("scored beside it", "")


def test_a_truth_that_is_put_on_segmentations_at_unlike_places_sets_none_beside_another(
    case: tuple[Path, dict[str, np.ndarray]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """They would be scored where their places meet, each in other voxels of the truth."""
    for name in ("split", "truth"):
        np.save(tmp_path / f"{name}.npy", case[1][name])
    with h5py.File(tmp_path / "placed.h5", "w") as file:
        file["split"] = case[1]["split"]
        file["split"].attrs.update(resolution=(40.0, 8.0, 8.0), offset=(0.0, 0.0, 8.0 * 40))
    names = [tmp_path / "split.npy", f"{tmp_path / 'placed.h5'}:split", tmp_path / "truth.npy"]
    arguments = [*map(str, names), "--json", str(tmp_path / "scores.json")]

    def scored() -> tuple[str, list[dict[str, Any]]]:
        code, shown = said(main, arguments, monkeypatch, capsys)
        assert code == 0, shown
        return shown, [*json.loads((tmp_path / "scores.json").read_text())["segmentations"].values()]

    shown, found = scored()
    assert [one["box"] for one in found] == ["0:12,0:40,0:120", "0:12,0:40,40:160"]
    assert found[0]["scores"] == found[1]["scores"], "each on all of the truth"
    assert "is taken to be at 0:12,0:40,40:160, as this one, and elsewhere for others" in shown
    assert not any("beside" in one for one in found)
    arguments += ["--segmentation-origin", "0,0,0"]
    shown, found = scored()
    assert "elsewhere for others" not in shown
    assert found[1]["beside"]["scores"]["filled"]["are"] == 0


def test_sizes_that_differ_by_the_files_are_told_where_an_option_sets_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ids = np.arange(1, 9).repeat(8**3 * 8).reshape(32, 32, 32)
    with h5py.File(tmp_path / "volumes.h5", "w") as file:
        for name, volume, size in (("fine", ids, 8.0), ("coarse", ids[::2, ::2, ::2], 16.0)):
            file[name] = volume
            file[name].attrs.update(resolution=(size,) * 3, offset=(0.0,) * 3)
    names = [f"{tmp_path / 'volumes.h5'}:{name}" for name in ("fine", "coarse")]
    code, shown = said(main, [*names, "--voxel-size", "16,16,16"], monkeypatch, capsys)
    assert code == 0, shown
    assert "by their files voxels of the segmentation are of 8 x 8 x 8 nm, those of the truth of 16" in shown
    code, shown = said(main, [names[0]] * 2 + ["--voxel-size", "16,16,16"], monkeypatch, capsys)
    assert code == 0, shown
    assert "by their files" not in shown


def test_a_segmentation_without_a_voxel_size_has_that_of_the_truth(
    case: tuple[Path, dict[str, np.ndarray]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    np.save(tmp_path / "split.npy", case[1]["split"])
    names = [str(tmp_path / "split.npy"), f"{case[0] / 'volumes.h5'}:truth"]
    code, shown = said(main, [*names, "--skeletons", str(case[0] / "swc")], monkeypatch, capsys)
    assert code == 0, shown
    assert "voxels of 40 x 8 x 8 nm; a segment merges" in shown
    assert "1 of 118 edges split" in shown


def test_what_is_0_counts_in_no_score_where_that_is_asked_for(
    case: tuple[Path, dict[str, np.ndarray]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    names = [f"{case[0] / 'volumes.h5'}:{name}" for name in ("merged", "truth")]
    options = ["--ignore", "0", "--json", str(tmp_path / "scores.json")]
    code, shown = said(main, [*names, *options], monkeypatch, capsys)
    assert code == 0, shown
    (found,) = json.loads((tmp_path / "scores.json").read_text())["segmentations"].values()
    truth, merged = case[1]["truth"], case[1]["merged"]
    split, merge = variation_of_information(truth[truth != 0], merged[truth != 0], ignore_labels=())
    scores = found["scores"]["gt_foreground"]
    assert (scores["voi_split"], scores["voi_merge"]) == pytest.approx((split, merge))
    assert found["ignored_share"] == pytest.approx(np.mean(truth == 0))


def test_a_truth_that_is_drawn_in_some_sections_counts_in_these_alone(
    case: tuple[Path, dict[str, np.ndarray]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    drawn, truth, merged = [1, 4, 9], case[1]["truth"], case[1]["merged"]
    between = np.zeros_like(truth)
    between[drawn] = truth[drawn]
    np.save(tmp_path / "alone.npy", truth[drawn])
    np.save(tmp_path / "between.npy", between)
    (tmp_path / "slices").mkdir()
    for z in drawn:
        imsave(tmp_path / "slices" / f"s{z:03}.tif", truth[z].astype(np.uint16), check_contrast=False)
    segmentation = f"{case[0] / 'volumes.h5'}:merged"
    expected = variation_of_information(truth[drawn], merged[drawn], ignore_labels=())
    for name in ("alone.npy", "between.npy", "slices"):
        names = [segmentation, str(tmp_path / name), "--labelled-sections", "1, 4, 9"]
        code, shown = said(main, [*names, "--json", str(tmp_path / "scores.json")], monkeypatch, capsys)
        assert code == 0, shown
        (found,) = json.loads((tmp_path / "scores.json").read_text())["segmentations"].values()
        scores = found["scores"]["gt_foreground"]
        assert (scores["voi_split"], scores["voi_merge"]) == pytest.approx(expected)
        assert found["ignored_share"] == pytest.approx(1 - len(drawn) / len(truth))
        assert [wrong["point"][0] in drawn for wrong in found["worst"]] == [True]
    for options, told in (
        (["--labelled-sections", "1, 4, 12"], "--labelled-sections names section 12"),
        (["--labelled-sections", "1, 4, b"], "--labelled-sections '1, 4, b': expected z as first:end:step"),
        (["--labelled-sections", "1, 4, 9", "--skeletons-from-truth"], "objects are labelled in pieces"),
    ):
        code, shown = said(main, [segmentation, str(tmp_path / "alone.npy"), *options], monkeypatch, capsys)
        assert (code, told in shown) == (1, True), shown


def test_a_truth_of_which_most_is_unlabelled_is_told_and_no_figure_is_cut(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ids = np.arange(1, 9).repeat(8**3 * 8).reshape(32, 32, 32)
    np.save(tmp_path / "seg.npy", ids)
    np.save(tmp_path / "truth.npy", np.where(ids < 4, ids, 0))
    monkeypatch.setenv("COLUMNS", "80")
    code, shown = said(main, [f"{tmp_path}/seg.npy", f"{tmp_path}/truth.npy"], monkeypatch, capsys)
    assert code == 0, shown
    assert "62% of the voxels that count are not labelled: VOI of gt_foreground and filled" in shown
    assert "\u2026" not in shown


def test_skeletons_are_made_from_the_truth_where_that_is_asked_for(
    case: tuple[Path, dict[str, np.ndarray]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    pytest.importorskip("kimimaro", reason="kimimaro, of the extra `skeletons`, is not installed")
    names = [f"{case[0] / 'volumes.h5'}:{name}" for name in ("split", "truth")]
    options = ["--skeletons-from-truth", "--json", str(tmp_path / "scores.json")]
    code, printed = said(main, [*names, *options], monkeypatch, capsys)
    assert code == 0
    (found,) = json.loads((tmp_path / "scores.json").read_text())["segmentations"].values()
    along = found["run_length"]
    assert (along["skeletons"], along["splits"], along["mergers"]) == (2, 1, 0)
    assert along["erl_nm"] == pytest.approx(3 / 4 * along["perfect_erl_nm"], rel=0.05)
    assert along["traced"]["what"] in printed
    both = [*names, "--skeletons-from-truth", "--skeletons", str(case[0] / "swc")]
    code, printed = said(main, both, monkeypatch, capsys)
    assert code != 0
    assert "--skeletons-from-truth: choose one of them" in printed


def test_what_cannot_be_scored_ends_in_one_line(
    case: tuple[Path, dict[str, np.ndarray]],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    volumes = case[0] / "volumes.h5"
    for arguments, expected in (
        ([f"{volumes}:split"], "two volumes or more are needed, SEGMENTATION... TRUTH"),
        ([f"{volumes}:split", f"{volumes}:nothing"], "nothing"),
        (
            [f"{volumes}:split", f"{volumes}:truth", "--box", "0:4,0:4"],
            "--box: box '0:4,0:4' is not of the form",
        ),
        (
            [f"{volumes}:split", f"{volumes}:truth", "--box", "0:99,0:4,0:4"],
            "reaches outside 0:12,0:40,0:120",
        ),
        ([f"{volumes}:split", f"{volumes}:truth", "--truth-origin", "1,2"], "is not of the form Z,Y,X"),
        (
            [f"{volumes}:split", f"{volumes}:truth", "--voxel-size", "0,8,8"],
            "expected three positive lengths",
        ),
        ([f"{volumes}:split", f"{volumes}:truth", "--skeletons", "none.swc"], "none.swc: no such file"),
    ):
        code, error = said(main, arguments, monkeypatch, capsys)
        assert (code, error.count("\n")) == (1, 1)
        assert error.startswith("error: ")
        assert expected in error


def test_what_is_refused_is_refused_before_anything_is_counted(
    case: tuple[Path, dict[str, np.ndarray]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def counting(*_: Any) -> None:
        raise AssertionError("hours of counting have begun")

    monkeypatch.setattr("workflows.evaluate.count", counting)
    volumes = case[0] / "volumes.h5"
    (tmp_path / "far.swc").write_text("1 0 9e6 0 0 1 -1\n2 0 9e6 8 0 1 1\n")
    for arguments, expected in (
        ([f"{volumes}:split", f"{volumes}:lost", f"{volumes}:truth"], "lost"),
        ([f"{volumes}:split", f"{volumes}:truth", "--skeletons", str(tmp_path / "far.swc")], "none is in it"),
        (
            [f"{volumes}:split", f"{volumes}:truth", "--json", str(tmp_path / "no" / "s.json")],
            "there is no folder",
        ),
    ):
        code, error = said(main, arguments, monkeypatch, capsys)
        assert (code, error.count("\n")) == (1, 1)
        assert expected in error


def test_sections_are_where_they_are_named_of_whatever_is_scored_beside(
    case: tuple[Path, dict[str, np.ndarray]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with h5py.File(tmp_path / "volumes.h5", "w") as file:
        for name, ids, z in (
            ("split", case[1]["split"], 0),
            ("merged", case[1]["merged"][3:], 3),
            ("truth", case[1]["truth"][[4, 9]], 0),
        ):
            file[name] = ids
            file[name].attrs["resolution"], file[name].attrs["offset"] = (40.0, 8.0, 8.0), (40.0 * z, 0, 0)
    names = [f"{tmp_path / 'volumes.h5'}:{name}" for name in ("split", "merged", "truth")]
    options = ["--labelled-sections", "4, 9", "--json", str(tmp_path / "scores.json")]
    code, shown = said(main, [*names, *options], monkeypatch, capsys)
    assert code == 0, shown
    assert "cannot be compared" not in shown
    beside = json.loads((tmp_path / "scores.json").read_text())["segmentations"][names[1]]["beside"]
    assert {of["object"] for of in beside["objects"]} == {5, 9}
