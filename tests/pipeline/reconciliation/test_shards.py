"""A volume of shards: read back by others, the same bytes from whoever writes it, mended shard by shard."""

from __future__ import annotations

import json
import multiprocessing
import random
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import tensorstore
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from test_reconciliation_stage import known_segmentation, read_back, reconcile, segment
from tiled_volume import make_run, merged, relabelled_equally

from pipeline.geometry import Box, Triple, triple
from pipeline.reconciliation import (
    block_target,
    blocks,
    create_volume,
    find_evidence,
    levels,
    properties_target,
    write_block,
)
from pipeline.results.artifacts import Artifact, file_sha256
from pipeline.results.records import Missing, inspect
from pipeline.run_folder import Run
from pipeline.volumes import open_volume

BOX = Box((3, 5, 7), (43, 45, 37))


def run_of(folder: Path, sharded: bool = True) -> Run:
    return make_run(folder, BOX, (24, 24, 30), (4, 4, 4), sharded=sharded, mips=0)


def shards(run: Run) -> list[Path]:
    return sorted(run.segmentation_folder.rglob("*.shard"))


def contents(run: Run) -> dict[str, bytes]:
    files = [run.segmentation_folder / "info", *shards(run)]
    return {str(path.relative_to(run.segmentation_folder)): path.read_bytes() for path in files}


def read_by_tensorstore(run: Run) -> np.ndarray:
    store = {"driver": "file", "path": f"{run.segmentation_folder}/"}
    spec = {"driver": "neuroglancer_precomputed", "kvstore": store}
    return np.asarray(tensorstore.open(spec, read=True).result().read().result())[..., 0].T


@settings(deadline=None, max_examples=12, phases=set(Phase) - {Phase.shrink, Phase.explain})
@given(data=st.data())
def test_a_known_segmentation_comes_back_from_shards(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    def draw(low: int, high: int) -> Triple:
        return triple([data.draw(st.integers(low, high)) for _ in range(3)])

    shape, start, chunk = draw(1, 40), draw(-3000, 3000), draw(4, 12)
    side = data.draw(st.sampled_from([1, 2, 4]))
    block = triple([c * side for c in chunk])
    folder = tmp_path_factory.mktemp("run")
    box = Box.of_shape(shape, start)
    run = make_run(folder, box, (40, 40, 40), (9, 9, 9), chunk=chunk, block=block, sharded=True, mips=0)
    truth = known_segmentation(shape)
    reconcile(run, segment(run, truth))
    assert relabelled_equally(read_back(run), truth)
    assert relabelled_equally(read_by_tensorstore(run), truth)
    assert len(shards(run)) == len(blocks(run))
    volume = open_volume(f"precomputed://{run.segmentation_folder}")
    assert volume.missing(volume.box) == []
    part = box & Box.of_shape((9, 9, 9), start)
    assert relabelled_equally(volume.read(part), truth[part.slices(start)])


def test_blank_blocks_are_files_too(tmp_path: Path) -> None:
    run = run_of(tmp_path)
    reconcile(run, segment(run, np.zeros(BOX.shape, np.uint32)))
    assert len(shards(run)) == len(blocks(run))
    assert not read_back(run).any()


def test_any_order_and_number_of_workers_give_the_same_bytes(tmp_path: Path) -> None:
    truth = known_segmentation(BOX.shape)
    first, second = run_of(tmp_path / "a"), run_of(tmp_path / "b")
    reconcile(first, segment(first, truth))
    tiles = segment(second, truth)
    ids = merged(second, [find_evidence(second, tile, tiles) for tile in second.grid])
    create_volume(second)
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as pool:
        for block in random.Random(1).sample(blocks(second), len(blocks(second))):
            pool.submit(write_block, second, levels(second)[0], block, ids, tiles)
    assert contents(first) == contents(second)
    assert len(shards(first)) == 3 * 3 * 2


def test_the_record_of_a_block_lists_its_shard(tmp_path: Path) -> None:
    run = run_of(tmp_path)
    made = reconcile(run, segment(run, known_segmentation(BOX.shape)))
    listed: dict[str, dict] = {}
    for artifact in made:
        if artifact.path.endswith(".json"):
            listed.update(json.loads(Path(artifact.path).read_text()))
    assert {name: what for name, what in listed.items() if name.endswith(".shard")} == {
        str(path.relative_to(run.segmentation_folder)): {
            "size": path.stat().st_size,
            "sha256": file_sha256(path),
        }
        for path in shards(run)
    }


def test_a_lost_or_damaged_shard_is_written_again_and_nothing_else_is(tmp_path: Path) -> None:
    run = run_of(tmp_path)
    tiles = segment(run, known_segmentation(BOX.shape))
    reconcile(run, tiles)
    before, times = contents(run), [path.stat().st_mtime_ns for path in shards(run)]
    lost, torn = shards(run)[:2]
    lost.unlink()
    torn.write_bytes(torn.read_bytes()[:-1])
    reconcile(run, tiles)
    assert contents(run) == before
    assert [path.stat().st_mtime_ns for path in shards(run)][2:] == times[2:]


def test_a_shard_that_was_changed_in_place_is_found_when_its_bytes_are_read(tmp_path: Path) -> None:
    run = run_of(tmp_path)
    tiles = segment(run, known_segmentation(BOX.shape))
    reconcile(run, tiles)
    ids = merged(run, [find_evidence(run, tile, tiles) for tile in run.grid])
    targets = [block_target(run, levels(run)[0], block, ids, tiles) for block in blocks(run)]
    assert all(isinstance(inspect(target, verify=True), Artifact) for target in targets)
    changed = bytearray(shards(run)[0].read_bytes())
    changed[-1] ^= 1
    shards(run)[0].write_bytes(changed)
    found = [inspect(target, verify=True) for target in targets]
    assert [one.why for one in found if isinstance(one, Missing)] == [
        "file damaged: its SHA-256 is not the recorded one"
    ]


def test_what_goes_with_a_volume_of_other_chunks_is_not_told_as_damaged(tmp_path: Path) -> None:
    run, truth = run_of(tmp_path, sharded=True), known_segmentation(BOX.shape)
    made = reconcile(run, segment(run, truth))
    properties = next(artifact for artifact in made if artifact.path.endswith("/properties.json"))
    measured = [artifact for artifact in made if "/segments/" in artifact.path]
    create_volume(run_of(tmp_path, sharded=False))
    found = inspect(properties_target(run, measured))
    assert isinstance(found, Missing)
    assert (found.why, found.is_damage) == ("never done", False)
    assert not Path(properties.path).exists()


def test_neither_kind_of_files_is_left_among_the_other(tmp_path: Path) -> None:
    truth = known_segmentation(BOX.shape)
    kinds = []
    for sharded in (True, False, True):
        run = run_of(tmp_path, sharded)
        reconcile(run, segment(run, truth))
        kinds.append({path.suffix for path in run.segmentation_folder.rglob("*-*")})
        assert relabelled_equally(read_back(run), truth)
        assert bool(shards(run)) == sharded
    assert kinds == [set(), {""}, set()]
