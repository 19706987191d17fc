"""Resegmentation: two halves of a bright bar flood each other, two bars do not; by a network set by hand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest

from pipeline.agglomeration import checkpoint_file, resegment_reach
from pipeline.agglomeration.graph import Graph, agglomerate
from pipeline.agglomeration.points import find_points
from pipeline.agglomeration.resegment import _Points, resegment
from pipeline.agglomeration.so_far import SoFar
from pipeline.agglomeration.tables import POINT, SCORE, read_table
from pipeline.config import Network, RunConfig
from pipeline.ffn.weights import write_weights
from pipeline.geometry import Box
from pipeline.reconciliation import create_volume, levels
from pipeline.reconciliation.write import write_chunks
from pipeline.results.agglomerated_ids import read_agglomerated_ids
from pipeline.results.artifacts import Artifact, file_sha256
from pipeline.run_folder import Run
from pipeline.settings.input_identities import with_identities

NETWORK = Network(fov=(7, 7, 7), deltas=(2, 2, 2), depth=1, features=2)
BOX = Box((0, 0, 0), (24, 30, 40))


def write_network(folder: Path) -> Artifact:
    """It takes bright voxels into the object, and leaves dark ones out."""
    path = folder / "ffn.h5"
    weights = {
        "conv0_a/kernel": np.zeros((3, 3, 3, 2, 2), np.float32),
        "conv0_a/bias": np.zeros(2, np.float32),
        "conv0_b/kernel": np.zeros((3, 3, 3, 2, 2), np.float32),
        "conv0_b/bias": np.zeros(2, np.float32),
        "conv_lom/kernel": np.zeros((1, 1, 1, 2, 1), np.float32),
        "conv_lom/bias": np.zeros(1, np.float32),
    }
    weights["conv0_a/kernel"][1, 1, 1, 0] = (1, -1)  # bright, dark
    weights["conv0_b/kernel"][1, 1, 1] = np.eye(2)
    weights["conv_lom/kernel"][0, 0, 0, :, 0] = (4, -4)
    write_weights(weights, NETWORK, path)
    return Artifact(str(path), file_sha256(path))


def case(folder: Path) -> tuple[Run, Artifact, list[Artifact]]:
    """A bar that is cut in two, 1 and 2, and beside it one of its own, 3, beyond three dark voxels."""
    image, labels = np.full(BOX.shape, 40, np.uint8), np.zeros(BOX.shape, np.uint64)
    image[9:15, 6:12, 2:38] = image[9:15, 15:21, 2:38] = 220
    labels[9:15, 6:12, 2:20], labels[9:15, 6:12, 20:38] = 1, 2
    labels[9:15, 15:21, 2:38] = 3
    path = folder / "image.h5"
    with h5py.File(path, "w") as file:
        file["raw"] = image
    document = {
        "data": {"image": f"{path}:raw", "image_mean": 128, "image_stddev": 33, "voxel_size_nm": (8, 8, 8)},
        "network": NETWORK.model_dump(),
        "inference": {"box": str(BOX), "tile": (24, 30, 40), "overlap": (0, 0, 0)},
        "reconciliation": {"chunk": (32, 32, 32), "block": (32, 32, 32)},
        "agglomeration": {"enabled": True, "radius": (9, 9, 9)},
    }
    run = with_identities(Run(folder / "run", RunConfig.model_validate(document)))
    volume = create_volume(run)
    for block in BOX.blocks((32, 32, 32)):
        write_chunks(run, levels(run)[0], block, labels[block.slices()])
    return run, write_network(folder), [volume]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, np.ndarray, Artifact]:
    run, model, parts = case(tmp_path_factory.mktemp("case"))
    scores = []
    for block in BOX.blocks((32, 32, 32)):
        points = find_points(run, block, parts)
        scores.append(resegment(run, block, points, model, parts))
        content = Path(scores[-1].path).read_bytes()
        Path(scores[-1].path).unlink()
        assert Path(resegment(run, block, points, model, parts).path).read_bytes() == content
    agglomerated = agglomerate(run, scores, [])
    return run, np.concatenate([read_table(each, SCORE) for each in scores]), agglomerated


def test_halves_of_one_object_are_joined_and_neighbours_are_not(
    made: tuple[Run, np.ndarray, Artifact],
) -> None:
    run, rows, _ = made
    pairs = {(int(row["a"]), int(row["b"])) for row in rows}
    assert pairs == {(1, 2), (1, 3), (2, 3)}
    graph = Graph.of(rows, run.config.agglomeration)
    joined = {(int(row["a"]), int(row["b"])) for row in graph.edges[graph.joins]}
    assert joined == {(1, 2)}
    table = read_agglomerated_ids(run.agglomeration_file)
    assert table.of(np.array([0, 1, 2, 3])).tolist() == [0, 1, 1, 3]


def test_where_the_first_side_leaves_the_other_segment_blank_the_second_is_not_flooded(
    made: tuple[Run, np.ndarray, Artifact],
) -> None:
    _, rows, _ = made
    apart = rows[rows["b"] == 3]
    assert len(apart)
    assert (apart["b_from_a"] == 0).all()
    assert (apart["a_from_a"] > 0.6).all()
    assert (apart["iou"] == 0).all()
    assert (apart["b_from_b"] == 0).all()


def test_a_block_is_read_as_far_as_its_points_reach(made: tuple[Run, np.ndarray, Artifact]) -> None:
    run, _, _ = made
    assert str(resegment_reach(run, Box((0, 0, 0), (10, 10, 32)))) == "0:19,0:19,0:40"
    assert SCORE.descr[: len(POINT.descr)] == POINT.descr


def test_a_block_that_was_stopped_goes_on_after_its_last_point_to_the_same_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, model, parts = case(tmp_path)
    inference = run.config.inference.model_copy(update={"checkpoint_every_s": 1e-9})
    run = replace(run, config=run.config.model_copy(update={"inference": inference}))
    points = find_points(run, BOX, parts)
    count = len(read_table(points, POINT))
    assert count > 2
    score = _Points.score
    looked_at: list[object] = []

    def stopped_after(most: int) -> Callable[[_Points, np.void], tuple]:
        def scored(self: _Points, point: np.void) -> tuple:
            if len(looked_at) == most:
                raise KeyboardInterrupt
            looked_at.append(point.tolist())
            return score(self, point)

        return scored

    monkeypatch.setattr(_Points, "score", stopped_after(2))
    with pytest.raises(KeyboardInterrupt):
        resegment(run, BOX, points, model, parts)
    monkeypatch.setattr(_Points, "score", stopped_after(count))
    content = Path(resegment(run, BOX, points, model, parts).path).read_bytes()
    assert len(looked_at) == len(set(looked_at)) == count, "no point is looked at twice"
    assert not checkpoint_file(run, BOX).exists()

    Path(resegment(run, BOX, points, model, parts).path).unlink()
    monkeypatch.setattr(_Points, "score", score)
    assert Path(resegment(run, BOX, points, model, parts).path).read_bytes() == content


def test_what_another_network_has_scored_is_not_gone_on_with(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    rows = np.ones(3, SCORE)
    path = tmp_path / "checkpoint.h5"
    SoFar(path, {"fingerprint": "a"}, every_s=0).scored(rows, of=5)
    assert SoFar(path, {"fingerprint": "a"}, every_s=0).load().tolist() == rows.tolist()
    assert not len(SoFar(path, {"fingerprint": "b"}, every_s=0).load())
    path.write_bytes(path.read_bytes()[:-1])
    assert not len(SoFar(path, {"fingerprint": "a"}, every_s=0).load())
    assert [record.levelname for record in caplog.records] == ["WARNING", "WARNING"]
