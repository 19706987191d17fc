"""Two volumes are scored without a run as their voxels say, or one line says why not."""

from __future__ import annotations

import io
import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import zarr
from skimage.metrics import adapted_rand_error, variation_of_information

from pipeline.errors import InputError
from pipeline.evaluation import comparison
from pipeline.evaluation.bootstrap import draw, intervals
from pipeline.evaluation.comparison import MANY, Comparison, blocks, part_shape
from pipeline.evaluation.contingency import EMPTY, ContingencyTable
from pipeline.evaluation.conventions import BoxCounts, count_box, score
from pipeline.evaluation.kept_counts import KeptCounts
from pipeline.geometry import Box
from pipeline.volumes import Choice


def saved(folder: Path, **arrays: np.ndarray) -> list[str]:
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", array)
    return [str(folder / f"{name}.npy") for name in arrays]


def between(files: list[str], choice: Choice | None = None) -> Comparison:
    segmentation, truth = files
    return Comparison(segmentation, truth, choice or Choice(option="segmentation"))


def blobs(shape: tuple[int, int, int], seed: int, ids: int = 9) -> np.ndarray:
    """Objects of 8 voxels a side, some of them 0, with large ids."""
    coarse = np.random.default_rng(seed).integers(0, ids, [-(-n // 8) for n in shape]).astype(np.uint64)
    grown = coarse.repeat(8, 0).repeat(8, 1).repeat(8, 2)[tuple(slice(n) for n in shape)]
    return np.where(grown, grown + np.uint64(2**40), np.uint64(0))


@pytest.mark.parametrize("workers", [1, 2])
def test_blocks_in_any_number_of_processes_score_as_scikit_image_does(tmp_path: Path, workers: int) -> None:
    truth, segmentation = blobs((20, 30, 200), 1), blobs((20, 30, 200), 2)
    truth[:, :5] = 2**64 - 2  # CREMI's "nobody knows"
    found = between(saved(tmp_path, segmentation=segmentation, truth=truth))
    counts = list(found.count(found.box(), workers))
    assert len(counts) == 2
    known = truth != 2**64 - 2
    total = BoxCounts.total(part for parts in counts for part in parts)
    scores = score(total)
    a, b = (np.unique(ids[known], return_inverse=True)[1].reshape(-1) for ids in (truth, segmentation))
    both = (a != 0) & (b != 0)
    are, *_ = adapted_rand_error(a[both], b[both])
    assert scores["both_foreground"]["are"] == pytest.approx(are, abs=1e-9)
    assert (scores["gt_foreground"]["voi_split"], scores["gt_foreground"]["voi_merge"]) == pytest.approx(
        tuple(variation_of_information(a, b)), abs=1e-9
    )
    assert total.ignored == np.count_nonzero(~known)


def test_volumes_are_scored_where_they_lie_on_each_other(tmp_path: Path) -> None:
    truth = blobs((24, 24, 24), 3)
    segmentation, labels = saved(tmp_path, segmentation=truth[4:20, :, 8:], truth=truth)
    at = Comparison(
        segmentation,
        labels,
        Choice(origin=(104, 0, 8), option="segmentation"),
        Choice(origin=(100, 0, 0), option="truth"),
    )
    assert at.box() == Box((104, 0, 8), (120, 24, 24))
    [parts] = at.count(at.box())
    assert score(BoxCounts.total(parts))["both_foreground"]["are"] == 0
    from_zero = Comparison(segmentation, labels, Choice(origin=(4, 0, 8)))
    assert from_zero.box() == Box((4, 0, 8), (20, 24, 24))
    with pytest.raises(InputError, match=r"box 0:2,0:2,0:2 reaches outside 104:120,0:24,8:24"):
        at.box(Box.of_shape((2, 2, 2)))


def test_what_cannot_be_compared_ends_in_one_line(tmp_path: Path) -> None:
    truth = blobs((16, 24, 32), 4)
    files = saved(
        tmp_path,
        truth=truth,
        turned=np.ascontiguousarray(truth.T),
        cut=truth[:, 2:],
        floats=truth.astype(np.float32),
        doubles=truth.astype(np.float64),
        mask=truth != 0,
    )
    for file, expected in zip(
        files[1:],
        [
            "neither says where it lies: if what is read as z, y, x is x, y, z, name its stored axes so with",
            "neither says where it lies: set --segmentation-origin or --truth-origin",
            "holds float32, which cannot keep ids above 2\\^24 apart; expected integers",
            "holds float64, which cannot keep ids above 2\\^53 apart",
            "holds booleans: it is a mask",
        ],
    ):
        with pytest.raises(InputError, match=expected):
            Comparison(file, files[0]).box()
    far = Comparison(files[0], files[0], Choice(origin=(500, 0, 0)), Choice(origin=(0, 0, 0)))
    with pytest.raises(InputError, match="they share no voxel; set --segmentation-origin or --truth-origin"):
        far.box()
    sizes = Comparison(files[0], files[0], Choice(voxel_size_nm=(8, 8, 8)), Choice(voxel_size_nm=(40, 4, 4)))
    with pytest.raises(InputError, match=r"voxels of 8 x 8 x 8 nm, truth .* of 40 x 4 x 4 nm"):
        sizes.box()


def test_negative_ids_are_background_and_the_largest_are_segments(tmp_path: Path) -> None:
    truth = blobs((16, 24, 32), 4)
    segmentation = np.where(truth == 0, -1, truth % 3 + 125).astype(np.int8)
    found = between(saved(tmp_path, segmentation=segmentation, truth=truth))
    [parts] = found.count(found.box())
    counts = BoxCounts.total(parts)
    assert set(counts.as_is.segmentation.tolist()) == {0, 125, 126, 127}
    assert score(counts)["coverage"] == np.mean(truth != 0)


def test_a_truth_that_is_put_where_the_segmentation_lies_is_told(tmp_path: Path) -> None:
    """As labels of one part, whose file does not say so, beside a segmentation of another part."""
    ids = blobs((8, 9, 10), 1)
    np.save(tmp_path / "truth.npy", ids)
    for name, first in (("at_0", 0), ("beside", 64)):
        zarr.save_array(str(tmp_path / f"{name}.zarr"), ids, zarr_format=2)
        attributes = {"resolution": [40, 4, 4], "offset": [40 * first, 0, 0]}
        (tmp_path / f"{name}.zarr" / ".zattrs").write_text(json.dumps(attributes))
    at_0, beside = (
        Comparison(str(tmp_path / f"{name}.zarr"), str(tmp_path / "truth.npy")) for name in ("at_0", "beside")
    )
    told = "the truth does not say where it lies, and is put on the other, at 64:72,0:9,0:10"
    assert beside.doubts[0].startswith(told)
    assert not at_0.doubts
    assert not replace(beside, truth_choice=Choice(option="truth", origin=(66, 0, 0))).doubts


def test_turned_axes_can_be_set(tmp_path: Path) -> None:
    truth = blobs((16, 24, 32), 4)
    files = saved(tmp_path, turned=np.ascontiguousarray(truth.T), truth=truth)
    found = between(files, Choice(axes="xyz"))
    [parts] = found.count(found.box())
    assert score(BoxCounts.total(parts))["both_foreground"]["are"] == 0


def test_parts_are_counted_apart_and_make_up_the_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(comparison, "BLOCK", (48, 48, 48))
    truth, segmentation = blobs((60, 50, 100), 5), blobs((60, 50, 100), 6)
    found = between(saved(tmp_path, segmentation=segmentation, truth=truth))
    counts = [part for parts in found.count(found.box()) for part in parts]
    assert len(counts) > 20
    total = BoxCounts.total(counts)
    expected = count_box(segmentation, truth)
    for name in ("truth", "segmentation", "voxels"):
        assert np.array_equal(getattr(total.as_is, name), getattr(expected.as_is, name))
        assert np.array_equal(getattr(total.filled, name), getattr(expected.filled, name))


def test_intervals_hold_the_score_and_close_in_where_boxes_are_alike() -> None:
    truth = [blobs((16, 16, 16), seed) for seed in range(30)]
    same = [count_box(np.where(t % 3 == 0, 0, t), t) for t in truth]
    found = intervals(draw(same, repeats=50))
    whole = score(BoxCounts.total(same))
    low, high = found["gt_foreground"]["voi_merge"] or (0, 0)
    assert low <= whole["gt_foreground"]["voi_merge"] <= high
    assert low < high
    assert found["both_foreground"]["are"] == (0, 0)
    one = intervals(draw([same[0]] * 9, repeats=20))["gt_foreground"]["voi_merge"]
    assert one is not None
    assert one == pytest.approx((score(same[0])["gt_foreground"]["voi_merge"],) * 2)


def test_of_one_box_no_interval_is_drawn() -> None:
    truth = blobs((16, 16, 16), 3)
    found = intervals(draw([count_box(np.where(truth % 3 == 0, 0, truth), truth)], repeats=5))
    assert all(interval is None for scores in found.values() for interval in scores.values())


@pytest.mark.parametrize("shape", [(24, 24, 24), (100, 90, 80), (250, 2500, 2500), (30_000, 20_000, 40_000)])
def test_however_large_a_box_is_few_parts_are_counted_apart(shape: tuple[int, int, int]) -> None:
    box, part = Box.of_shape(shape), part_shape(Box.of_shape(shape))
    assert box.count_blocks(part) < 8 * MANY
    assert box.count_blocks(part) >= MANY or part == (24, 24, 24)


def test_counts_of_many_blocks_are_kept_as_those_of_few_parts_and_of_each_block(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(comparison, "BLOCK", (12, 12, 12))
    truth, segmentation = blobs((60, 50, 100), 5), blobs((60, 50, 100), 6)
    found = between(saved(tmp_path, segmentation=segmentation, truth=truth))
    box = found.box()
    kept = KeptCounts(box, io.BytesIO())
    for block, counts in zip(blocks(box), found.count(box)):
        kept.add(block, counts)
    assert kept.part == (24, 24, 24)
    parts = box.parts(kept.part)
    assert len(kept.parts()) == len(parts) < len(blocks(box))
    for of_part, part in zip(kept.parts(), parts):
        assert_equal(of_part.as_is, ContingencyTable.count(truth[part.slices()], segmentation[part.slices()]))
    for block, table in kept.by_block():
        assert_equal(table, ContingencyTable.count(truth[block.slices()], segmentation[block.slices()]))


@pytest.mark.skipif(sys.platform != "linux", reason="/dev/full is Linux's")
def test_a_disk_without_room_for_counts_is_told() -> None:
    box = Box.of_shape((24, 24, 24))
    ids = blobs(box.shape, 5)
    counts = BoxCounts(ContingencyTable.count(ids, ids), EMPTY, 0)
    with (
        pytest.raises(InputError, match=r"counts of blocks cannot be kept in .*No space left on device"),
        open("/dev/full", "w+b") as file,
    ):
        KeptCounts(box, file).add(box, [counts])


def assert_equal(found: ContingencyTable, expected: ContingencyTable) -> None:
    assert np.array_equal(found.columns, expected.columns)
