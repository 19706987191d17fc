"""From tile files to the precomputed volume, read back by CloudVolume itself."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from pathlib import Path

import cc3d
import h5py
import numpy as np
import pytest
from cloudvolume import CloudVolume
from hypothesis import given, settings
from hypothesis import strategies as st
from tiled_volume import cut, make_run, merged, relabelled_equally, write_tile

from pipeline.errors import InputError, Unreadable
from pipeline.geometry import Box, Triple, triple
from pipeline.reconciliation import (
    blocks,
    create_volume,
    downsample_block,
    find_evidence,
    gather,
    groups,
    level_blocks,
    levels,
    list_properties,
    measure_block,
    merge,
    tiles_of_block,
    volume_target,
    write_block,
)
from pipeline.results import artifacts
from pipeline.results.artifacts import Artifact
from pipeline.results.records import record_path
from pipeline.run_folder import Run
from pipeline.volumes import open_volume
from tests.denied import denied

BOX = Box((3, 5, 7), (43, 45, 37))


def known_segmentation(shape: Triple, seed: int = 1) -> np.ndarray:
    """Segments of one piece each that fill most of the volume: cells around random points."""
    rng = np.random.default_rng(seed)
    noise = rng.integers(0, 7, [n // 6 + 1 for n in shape]).repeat(6, 0).repeat(6, 1).repeat(6, 2)
    cells = noise[tuple(slice(n) for n in shape)].astype(np.uint32)
    return cc3d.connected_components(cells, connectivity=26)


def reconcile(run: Run, tiles: dict[int, Artifact], order: random.Random | None = None) -> list[Artifact]:
    """All tasks of the stage, shuffled if asked; returns the artifacts in the order of names."""

    def shuffled(things: list) -> list:
        return order.sample(things, len(things)) if order else things

    evidence = {tile.index: find_evidence(run, tile, tiles) for tile in shuffled(list(run.grid))}
    joined = [gather(run, group, shuffled([evidence[i] for i in group])) for group in shuffled(groups(run))]
    ids = merge(run, shuffled(joined))
    create_volume(run)
    finest, *coarser = levels(run)
    by_block = {b: write_block(run, finest, b, ids, tiles) for b in shuffled(blocks(run))}
    measured = [measure_block(run, block, written) for block, written in shuffled(list(by_block.items()))]
    made, before = [*by_block.values(), *measured, list_properties(run, measured)], finest
    for level in coarser:
        finer, by_block = by_block, {}
        for block in shuffled(level_blocks(run, level)):
            parts = [finer[b] for b in level_blocks(run, before, level.source(block))]
            by_block[block] = downsample_block(run, before, level, block, shuffled(parts))
        made, before = [*made, *by_block.values()], level
    return sorted([*evidence.values(), *joined, ids, *made], key=lambda a: a.path)


def segment(run: Run, truth: np.ndarray, seed: int = 0) -> dict[int, Artifact]:
    """Tile files of a known segmentation, under ids of their own."""
    return {t.index: write_tile(run, t, cut(truth, run.inference_box, t, seed)) for t in run.grid}


def chunks_of(run: Run) -> int:
    """How many there are at all levels."""
    return sum(len(level.box.parts((8, 8, 8))) for level in levels(run))


def read_back(run: Run) -> np.ndarray:
    volume = CloudVolume(f"file://{run.segmentation_folder}", fill_missing=False, progress=False)
    return np.asarray(volume[:])[..., 0].T


@settings(deadline=None, max_examples=12)
@given(data=st.data())
def test_a_known_segmentation_comes_back_through_files(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    def draw(low: int, high: int | Triple) -> Triple:
        most = triple(high) if isinstance(high, tuple) else (high, high, high)
        return triple([data.draw(st.integers(low, n)) for n in most])

    tile, shape, start, chunk = draw(9, 40), draw(1, 40), draw(-3000, 3000), draw(5, 20)
    overlap = draw(1, triple([t // 2 for t in tile]))
    block = triple([c * n for c, n in zip(chunk, draw(1, 3))])
    seed = data.draw(st.integers(0, 99))
    run = make_run(
        tmp_path_factory.mktemp("run"), Box.of_shape(shape, start), tile, overlap, chunk=chunk, block=block
    )
    truth = known_segmentation(shape, seed)
    reconcile(run, segment(run, truth, seed), random.Random(seed))
    assert relabelled_equally(read_back(run), truth)
    # at the coordinates of the image, whatever its origin
    volume = open_volume(f"precomputed://{run.segmentation_folder}")
    assert volume.box == run.inference_box
    part = Box.of_shape(shape, start) & Box.of_shape((9, 9, 9), start)
    assert relabelled_equally(volume.read(part), truth[part.slices(start)])


def test_cloudvolume_finds_the_volume_where_the_image_is(tmp_path: Path) -> None:
    run = make_run(tmp_path, BOX, (16, 16, 16), (4, 4, 4))
    reconcile(run, segment(run, known_segmentation(BOX.shape)))
    volume = CloudVolume(f"file://{run.segmentation_folder}", progress=False)
    assert volume.layer_type == "segmentation"
    assert volume.dtype == np.uint64
    assert volume.resolution.tolist() == [4, 8, 40]
    assert volume.voxel_offset.tolist() == [7, 5, 3]
    assert volume.volume_size.tolist() == [30, 40, 40]
    assert volume.chunk_size.tolist() == [8, 8, 8]
    expected = read_back(run)[10:12, 20:25, 1:9]
    np.testing.assert_array_equal(np.asarray(volume[8:16, 25:30, 13:15])[..., 0].T, expected)


@given(
    size_nm=st.tuples(*[st.one_of(st.integers(1, 99_999), st.floats(0.001, 1e5))] * 3),
    start=st.tuples(*[st.integers(-99, 99)] * 3),
)
def test_the_volume_is_described_as_cloudvolume_would(
    tmp_path_factory: pytest.TempPathFactory, size_nm: Triple, start: Triple
) -> None:
    run = make_run(tmp_path_factory.getbasetemp(), Box.of_shape((30, 40, 50), start), (16, 16, 16), (4, 4, 4))
    data = run.config.data.model_copy(update={"voxel_size_nm": size_nm})
    run = Run(run.folder, run.config.model_copy(update={"data": data}))
    info = dict(volume_target(run).recipe.settings["info"])
    assert info.pop("segment_properties") == "segment_properties"
    info["scales"] = info["scales"][:1]
    assert info == CloudVolume.create_new_info(
        num_channels=1,
        layer_type="segmentation",
        data_type="uint64",
        encoding="compressed_segmentation",
        resolution=[int(n) if n == int(n) else n for n in reversed(size_nm)],
        voxel_offset=start[::-1],
        volume_size=(50, 40, 30),
        chunk_size=(8, 8, 8),
    )


def test_two_runs_give_the_same_bytes_whatever_the_order_of_tasks(tmp_path: Path) -> None:
    truth = known_segmentation(BOX.shape)
    runs = [make_run(tmp_path / name, BOX, (16, 16, 16), (5, 4, 3)) for name in ("a", "b")]
    made = [reconcile(run, segment(run, truth), random.Random(i)) for i, run in enumerate(runs)]
    assert [a.sha256 for a in made[0]] == [a.sha256 for a in made[1]]
    first, second = (
        {p.relative_to(run.folder): p.read_bytes() for p in run.segmentation_folder.rglob("*") if p.is_file()}
        for run in runs
    )
    assert first == second
    assert len(first) == 2 + chunks_of(runs[0])  # two infos and the chunks; nothing temporary


def test_the_record_of_a_block_lists_its_chunks_and_their_sums(tmp_path: Path) -> None:
    run = make_run(tmp_path, BOX, (16, 16, 16), (4, 4, 4))
    made = reconcile(run, segment(run, known_segmentation(BOX.shape)))
    listed: dict[str, dict] = {}
    for artifact in made:
        if artifact.path.endswith(".json"):
            listed.update(json.loads(Path(artifact.path).read_text()))
    info = run.segmentation_folder / "info"
    on_disk = [p for p in run.segmentation_folder.rglob("*") if p.is_file() and p != info]
    assert listed == {
        str(p.relative_to(run.segmentation_folder)): {
            "size": p.stat().st_size,
            "sha256": artifacts.file_sha256(p),
        }
        for p in on_disk
    }


def test_chunks_can_be_served_as_plain_files(tmp_path: Path) -> None:
    """Neuroglancer asks for exactly these names, and a plain server says nothing about compression."""
    run = make_run(tmp_path, Box((0, 0, 3), (8, 12, 19)), (8, 12, 16), (4, 4, 4))
    reconcile(run, segment(run, known_segmentation((8, 12, 16))))
    scale = json.loads((run.segmentation_folder / "info").read_text())["scales"][0]
    names = {p.name for p in (run.segmentation_folder / scale["key"]).iterdir()}
    assert names == {f"{x}_{y}_0-8" for x in ("3-11", "11-19") for y in ("0-8", "8-12")}
    assert scale["encoding"] == "compressed_segmentation"


def test_no_chunk_of_an_earlier_box_is_left(tmp_path: Path) -> None:
    for box in (BOX, Box((3, 5, 7), (40, 42, 34)), BOX):
        run = make_run(tmp_path, box, (16, 16, 16), (4, 4, 4))
        reconcile(run, segment(run, known_segmentation(box.shape)))
        chunks = [p for p in run.segmentation_folder.rglob("*-*") if p.is_file()]
        assert len(chunks) == chunks_of(run)


def test_a_volume_behind_a_link_stays_there_and_nothing_of_an_earlier_one_with_it(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", BOX, (16, 16, 16), (4, 4, 4))
    reconcile(run, segment(run, known_segmentation(BOX.shape)))
    elsewhere = run.segmentation_folder.rename(tmp_path / "scratch")
    run.segmentation_folder.symlink_to(elsewhere)
    smaller = Box((3, 5, 7), (40, 42, 34))
    run = make_run(tmp_path / "run", smaller, (16, 16, 16), (4, 4, 4))
    reconcile(run, segment(run, known_segmentation(smaller.shape)))
    assert run.segmentation_folder.is_symlink()
    assert len([p for p in elsewhere.rglob("*-*") if p.is_file()]) == chunks_of(run)


def test_a_lost_or_torn_chunk_is_written_again_and_nothing_else_is(tmp_path: Path) -> None:
    run = make_run(tmp_path, BOX, (16, 16, 16), (4, 4, 4))
    tiles = segment(run, known_segmentation(BOX.shape))
    reconcile(run, tiles)
    chunks = sorted(p for p in run.segmentation_folder.rglob("*-*") if p.is_file())
    before = {p: p.read_bytes() for p in chunks}
    kept = chunks[-1].stat().st_mtime_ns
    chunks[0].unlink()
    reconcile(run, tiles)
    assert {p: p.read_bytes() for p in chunks} == before
    chunks[0].write_bytes(before[chunks[0]][:-1])
    reconcile(run, tiles)
    assert {p: p.read_bytes() for p in chunks} == before
    assert chunks[-1].stat().st_mtime_ns == kept


@pytest.mark.parametrize("damage", [b"", b"{}", None])
def test_a_damaged_info_is_written_again_and_no_chunk_is(tmp_path: Path, damage: bytes | None) -> None:
    run = make_run(tmp_path, BOX, (16, 16, 16), (4, 4, 4))
    tiles = segment(run, known_segmentation(BOX.shape))
    reconcile(run, tiles)
    info = run.segmentation_folder / "info"
    whole = info.read_bytes()
    chunks = {p: p.stat().st_mtime_ns for p in run.segmentation_folder.rglob("*-*") if p.is_file()}
    info.unlink() if damage is None else info.write_bytes(damage)
    reconcile(run, tiles)
    assert info.read_bytes() == whole
    assert {p: p.stat().st_mtime_ns for p in chunks} == chunks


@pytest.mark.parametrize("overlap", [(4, 5, 6), (9, 3, 0), (5, 13, 7)])
def test_every_voxel_comes_from_the_tile_whose_core_holds_it(tmp_path: Path, overlap: Triple) -> None:
    run = make_run(tmp_path, BOX, (16, 17, 18), overlap, min_overlap_voxels=10**9)
    tiles = {t.index: write_tile(run, t, np.ones(t.box.shape, np.uint32)) for t in run.grid}
    reconcile(run, tiles)
    expected = np.zeros(BOX.shape, np.uint64)
    for tile in run.grid:
        expected[tile.core.slices(BOX.start)] = tile.index + 1
    np.testing.assert_array_equal(read_back(run), expected)


def test_what_is_blank_in_the_core_stays_blank(tmp_path: Path) -> None:
    run = make_run(tmp_path, Box.of_shape((10, 10, 28)), (10, 10, 18), (0, 0, 8))
    left, right = (np.ones(t.box.shape, np.uint32) for t in run.grid)
    left[:, :, 11:13] = 0  # in its core, though the right tile has it
    right[:, :, 3:6] = 0  # 13 to 15 of the volume: the core of the left one ends at 14
    tiles = {t.index: write_tile(run, t, labels) for t, labels in zip(run.grid, (left, right))}
    reconcile(run, tiles)
    expected = np.ones((10, 10, 28))
    expected[:, :, [11, 12, 14, 15]] = 0
    np.testing.assert_array_equal(read_back(run), expected)


def test_blocks_partition_the_box_and_know_their_tiles(tmp_path: Path) -> None:
    run = make_run(tmp_path, BOX, (16, 17, 18), (4, 5, 6))
    assert sum(b.size for b in blocks(run)) == BOX.size
    for block in blocks(run):
        assert BOX.contains(block)
        assert all((a - o) % 8 == 0 for a, o in zip(block.start, BOX.start))
        assert list(tiles_of_block(run, block)) == [t for t in run.grid if not (t.core & block).is_empty]


def test_evidence_that_exists_is_not_looked_for_again(tmp_path: Path) -> None:
    run = make_run(tmp_path, BOX, (16, 16, 16), (4, 4, 4))
    tiles = segment(run, known_segmentation(BOX.shape))
    tile = next(iter(run.grid))
    first = find_evidence(run, tile, tiles)
    Path(tiles[tile.index].path).unlink()
    assert find_evidence(run, tile, tiles) == first


def test_a_tile_of_another_shape_is_refused(tmp_path: Path) -> None:
    run = make_run(tmp_path, BOX, (16, 16, 16), (4, 4, 4))
    tiles = segment(run, known_segmentation(BOX.shape))
    tile = next(iter(run.grid))
    with h5py.File(tiles[0].path, "w") as file:
        file["segmentation"] = np.zeros((16, 16, 15), np.uint32)
    with pytest.raises(InputError, match=r"shape \(16, 16, 15\); expected uint32 of shape \(16, 16, 16\)"):
        find_evidence(run, tile, tiles)


def test_a_missing_tile_file_is_named(tmp_path: Path) -> None:
    run = make_run(tmp_path, BOX, (16, 16, 16), (4, 4, 4))
    tiles = segment(run, known_segmentation(BOX.shape))
    Path(tiles[1].path).unlink()
    with pytest.raises(InputError, match=Path(tiles[1].path).name):
        find_evidence(run, next(iter(run.grid)), tiles)


def test_what_all_tiles_lack_of_the_image_is_added_up_before_anything_is_merged(tmp_path: Path) -> None:
    run = make_run(tmp_path, BOX, (24, 24, 30), (8, 8, 8))
    truth = known_segmentation(BOX.shape)
    lacking = {0: 300, 1: 100, 2: 80}
    tiles = {t.index: write_tile(run, t, cut(truth, BOX, t, 0), lacking.get(t.index, 0)) for t in run.grid}
    assert BOX.size == 48_000  # of which 480 are 1%, what is allowed unless a run says otherwise
    evidence = [find_evidence(run, tile, tiles) for tile in run.grid]
    merged(run, evidence)
    run.id_table_file.unlink()
    last = list(run.grid)[-1]
    tiles[last.index] = write_tile(run, last, cut(truth, BOX, last, 0), 1)
    evidence = [find_evidence(run, tile, tiles) for tile in run.grid]
    for order in (evidence, evidence[::-1]):
        with pytest.raises(InputError, match=r"tiles found 481 voxels of the image missing .* allows, 1%"):
            merged(run, order)
    assert not run.id_table_file.exists()
    data = run.config.data.model_copy(update={"max_missing": 0.02})
    more = replace(run, config=run.config.model_copy(update={"data": data}))
    assert [find_evidence(more, tile, tiles) for tile in run.grid] == evidence
    assert Path(merged(more, evidence).path) == run.id_table_file


def test_a_volume_whose_list_cannot_be_read_is_not_removed(public_folder: Path) -> None:
    run = make_run(public_folder, BOX, (16, 16, 16), (4, 4, 4))
    create_volume(run)
    chunk, listing = run.segmentation_folder / "a chunk", run.reconciliation_folder / "volume.json"
    chunk.write_text("")
    (run.segmentation_folder / "info").unlink()
    record_path(listing).unlink()
    for folder in (public_folder, *(path for path in public_folder.rglob("*") if path.is_dir())):
        folder.chmod(0o777)
    with denied(listing), pytest.raises(Unreadable, match=r"volume\.json"):
        create_volume(run)
    assert chunk.exists()
