"""Coarser levels of the volume, and the list of its segments."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from itertools import pairwise, product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cloudvolume import CloudVolume
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from pipeline.geometry import Box, Triple
from pipeline.reconciliation import blocks, create_volume, level_blocks, levels
from pipeline.reconciliation.downsample import most_common
from pipeline.reconciliation.segments import Segments, as_properties, measure, together
from pipeline.results.artifacts import Artifact
from pipeline.results.records import read
from pipeline.run_folder import Run
from pipeline.settings.sharding import refuse_single_chunks
from tests.pipeline.reconciliation.test_reconciliation_stage import (
    known_segmentation,
    make_run,
    read_back,
    reconcile,
    segment,
)

BOX = Box((3, 5, -7), (22, 36, 34))
triples = st.tuples(*[st.integers(1, 2)] * 3)
id_arrays = st.tuples(*[st.integers(1, 4)] * 3).flatmap(
    lambda n: hnp.arrays(np.uint64, tuple(2 * k for k in n), elements=st.sampled_from([0, 0, 3, 7, 2**40]))
)


def winner(window: np.ndarray) -> int:
    counts = Counter(window.ravel().tolist())
    return min(counts, key=lambda i: (-counts[i], i == 0, i))


@given(labels=id_arrays, factor=triples)
def test_a_coarse_voxel_has_the_id_that_most_of_those_it_covers_have(
    labels: np.ndarray, factor: Triple
) -> None:
    coarse = most_common(labels, factor)
    assert coarse.dtype == np.uint64
    for at in product(*map(range, coarse.shape)):
        window = labels[tuple(slice(a * f, (a + 1) * f) for a, f in zip(at, factor))]
        assert coarse[at] == winner(window)


def with_mips(run: Run, mips: int, voxel_size_nm: tuple[float, float, float] = (40, 8, 8)) -> Run:
    stored = run.config.reconciliation.model_copy(update={"mips": mips})
    data = run.config.data.model_copy(update={"voxel_size_nm": voxel_size_nm})
    return replace(run, config=run.config.model_copy(update={"reconciliation": stored, "data": data}))


@given(
    start=st.tuples(*[st.integers(-50, 50)] * 3),
    shape=st.tuples(*[st.integers(1, 60)] * 3),
    size=st.tuples(*[st.sampled_from([4.0, 8.0, 9.0, 40.0])] * 3),
)
def test_levels_cover_the_volume_become_cubes_and_blocks_are_of_whole_chunks(
    tmp_path_factory: pytest.TempPathFactory, start: Triple, shape: Triple, size: tuple[float, float, float]
) -> None:
    box = Box.of_shape(shape, start)
    run = with_mips(make_run(tmp_path_factory.getbasetemp(), box, (16, 16, 16), (4, 4, 4)), 9, size)
    found = levels(run)
    assert all(n <= 8 for n in found[-1].box.shape)
    assert found[0].box == box
    for before, level in pairwise(found):
        assert any(n > 8 for n in before.box.shape)
        assert level.source(level.box).contains(before.box)
        assert not before.box.contains(level.source(level.box).grow((1, 1, 1)))
        ratio = max(level.voxel_size_nm) / min(level.voxel_size_nm)
        assert ratio <= max(2, max(before.voxel_size_nm) / min(before.voxel_size_nm))
        pieces = level_blocks(run, level)
        assert sum(piece.size for piece in pieces) == level.box.size
        for piece in pieces:
            assert all((a - o) % 8 == 0 for a, o in zip(piece.start, level.box.start))
            met = level_blocks(run, before, level.source(piece))
            assert (
                sum((level.source(piece) & part).size for part in met)
                == (level.source(piece) & before.box).size
            )


@pytest.mark.parametrize("sharded", [False, True])
def test_the_volume_has_its_levels_where_they_belong(tmp_path: Path, sharded: bool) -> None:
    run = with_mips(make_run(tmp_path, BOX, (19, 16, 16), (4, 4, 4), sharded=sharded), 2)
    reconcile(run, segment(run, known_segmentation(BOX.shape)))
    finest = read_back(run)
    volume = CloudVolume(f"file://{run.segmentation_folder}", mip=1, fill_missing=False, progress=False)
    assert volume.resolution.tolist() == [16, 16, 40]
    assert volume.voxel_offset.tolist() == [-4, 2, 3]
    coarse = np.asarray(volume[:])[..., 0].T
    assert coarse.shape == (19, 16, 21)
    for z, y, x in product(range(0, 19, 6), range(16), range(21)):
        covered = Box((z + 3, 2 * (y + 2), 2 * (x - 4)), (z + 4, 2 * (y + 3), 2 * (x - 3))) & BOX
        assert coarse[z, y, x] == winner(finest[covered.slices(BOX.start)])
    volume.mip = 2
    assert volume.resolution.tolist() == [32, 32, 40]
    volume[:]


def test_shards_of_a_level_that_is_long_along_one_axis_alone_hold_a_chunk_each(tmp_path: Path) -> None:
    """Along that axis the block is of three chunks, of which no power of two is a whole block."""
    box = Box((3, 5, -7), (67, 21, 9))
    run = make_run(tmp_path, box, (32, 16, 16), (4, 4, 4), block=(24, 16, 16), sharded=True)
    run = with_mips(run, 1)
    refuse_single_chunks(box.shape, run.config.reconciliation)
    reconcile(run, segment(run, known_segmentation(box.shape)))
    volume = CloudVolume(f"file://{run.segmentation_folder}", mip=1, fill_missing=False, progress=False)
    assert len(list(run.segmentation_folder.glob(f"{volume.key}/*.shard"))) == 64 // 8
    coarse, finest = np.asarray(volume[:])[..., 0].T, read_back(run)
    for z, y, x in product(range(0, 64, 7), range(1, 8), range(1, 8)):
        covered = Box((z + 3, 2 * (y + 2), 2 * (x - 4)), (z + 4, 2 * (y + 3), 2 * (x - 3)))
        assert coarse[z, y, x] == winner(finest[covered.slices(box.start)])


def test_a_change_of_mips_writes_no_other_chunk_again(tmp_path: Path) -> None:
    run = with_mips(make_run(tmp_path, BOX, (19, 16, 16), (4, 4, 4)), 0)
    tiles = segment(run, known_segmentation(BOX.shape))
    before = reconcile(run, tiles)
    stamps = {p: p.stat().st_mtime_ns for p in run.segmentation_folder.rglob("*-*")}
    more = with_mips(run, 2)
    after = reconcile(more, tiles)
    assert {a.path: a.sha256 for a in before}.items() <= {a.path: a.sha256 for a in after}.items()
    assert {p: p.stat().st_mtime_ns for p in stamps} == stamps
    assert len(after) - len(before) == sum(len(level_blocks(more, level)) for level in levels(more)[1:])
    assert len(json.loads((run.segmentation_folder / "info").read_text())["scales"]) == 3


def test_of_two_runs_one_with_fewer_mips_has_the_same_recipes_else(tmp_path: Path) -> None:
    runs = [with_mips(make_run(tmp_path / str(n), BOX, (19, 16, 16), (4, 4, 4)), n) for n in (0, 2)]
    made = [reconcile(run, segment(run, known_segmentation(BOX.shape))) for run in runs]
    fingerprints = [
        {str(Path(a.path).relative_to(run.folder)): record_of(a)["fingerprint"] for a in of}
        for run, of in zip(runs, made)
    ]
    assert fingerprints[0].items() <= fingerprints[1].items()


def record_of(artifact: Artifact) -> dict[str, Any]:
    record = read(Path(artifact.path))
    assert isinstance(record, dict)
    return record


@given(labels=id_arrays, start=st.tuples(*[st.integers(-9, 9)] * 3), cut=st.integers(1, 8))
@settings(deadline=None)
def test_segments_are_measured_whatever_the_blocks(labels: np.ndarray, start: Triple, cut: int) -> None:
    whole = Box.of_shape(labels.shape, start)  # type: ignore[arg-type]
    parts = whole.parts((cut, 3, 5))
    found = together([measure(labels[part.slices(start)], part.start) for part in parts[::-1]])
    ids = sorted({int(i) for i in np.unique(labels)} - {0})
    assert found.ids.tolist() == ids
    for row, i in enumerate(ids):
        at = np.argwhere(labels == i) + np.array(start)
        assert found.voxels[row] == len(at)
        assert found.start[row].tolist() == at.min(axis=0).tolist()
        assert found.stop[row].tolist() == (at.max(axis=0) + 1).tolist()


def test_the_list_of_segments_is_in_the_volume_the_largest_first(tmp_path: Path) -> None:
    run = make_run(tmp_path, BOX, (19, 16, 16), (4, 4, 4))
    create_volume(run)
    listed = run.segmentation_folder / "segment_properties" / "info"
    assert json.loads(listed.read_text())["inline"]["ids"] == [], (
        "one that can be read is there from the start"
    )
    reconcile(run, segment(run, known_segmentation(BOX.shape)))
    info = json.loads((run.segmentation_folder / "info").read_text())
    assert info["segment_properties"] == "segment_properties"
    found = json.loads(listed.read_text())
    assert found["@type"] == "neuroglancer_segment_properties"
    ids, voxels = np.unique(read_back(run), return_counts=True)
    expected = sorted(((-n, i) for i, n in zip(ids.tolist(), voxels.tolist()) if i))
    assert found["inline"]["ids"] == [str(i) for _, i in expected]
    properties = {p["id"]: p for p in found["inline"]["properties"]}
    assert [p["id"] for p in found["inline"]["properties"] if p["type"] == "label"] == ["label"]
    assert properties["voxels"]["values"] == [-n for n, _ in expected]
    first = np.argwhere(read_back(run) == expected[0][1]) + np.array(BOX.start)
    assert [properties[f"{a}_start"]["values"][0] for a in "zyx"] == first.min(axis=0).tolist()
    assert [properties[f"{a}_stop"]["values"][0] for a in "zyx"] == (first.max(axis=0) + 1).tolist()
    listed.unlink()
    reconcile(run, segment(run, known_segmentation(BOX.shape)))
    assert json.loads(listed.read_text()) == found
    assert len(blocks(run)) > 1


def test_segments_that_are_left_out_and_large_numbers_are_told() -> None:
    ends = np.array([[-1, 2, 3], [0, 0, 0], [5, 5, 5]])
    found = Segments(np.array([4, 5, 9], np.uint64), np.array([10, 2**33, 10]), ends, ends + 1)
    label, voxels, z_start, *_, x_stop = as_properties(found, most=2)["inline"]["properties"]
    assert label["values"] == ["segment 5", "segment 4"]
    assert (voxels["data_type"], voxels["values"]) == ("float32", [2.0**33, 10.0])
    told = "how many voxels it has (the 2 largest of 3 segments are listed), rounded to 7 digits"
    assert voxels["description"] == told
    assert "rounded" not in z_start["description"]
    assert (z_start["data_type"], z_start["values"]) == ("int32", [0, -1])
    assert (x_stop["data_type"], x_stop["values"]) == ("uint32", [1, 4])
    assert "largest" not in json.dumps(as_properties(found))
