"""What is shown of a run in each of its states, and of volumes; what lacks is told."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from pipeline.config import Reconciliation, RunConfig
from pipeline.errors import InputError
from pipeline.geometry import Box
from pipeline.reconciliation import block_list_file, blocks
from pipeline.report.earlier import Earlier
from pipeline.results.records import record_path, sealed
from pipeline.run_folder import Run
from pipeline.settings.run_file import dump_config
from pipeline.viewing.layers import UNKNOWN_SIZE_NM, Layer, Shown, layers_of_volumes
from pipeline.viewing.run_layers import layers_of_run
from pipeline.viewing.scene import scene
from pipeline.viewing.tiles import IDS_OF_A_TILE
from pipeline.volumes import Choice, absence, open_volume
from tests.pipeline.viewing.placed import (
    IMAGE_BOX,
    SEGMENTED_BOX,
    SIZE_NM,
    Case,
    ids_in,
    image_in,
)
from tests.pipeline.volumes.writers_precomputed import add_level, write_info

SMALL_BLOCKS = Reconciliation(chunk=(16, 16, 16), block=(32, 32, 32))


def make_run(case: Case, **data: Any) -> Run:
    """A run over SEGMENTED_BOX in two tiles along x, of which nothing is done."""
    folder = case.folder / "run"
    folder.mkdir()
    config = RunConfig.model_validate(
        {
            "data": {"image": case.image, "labels": case.truth, **data},
            "network": {"fov": (3, 3, 3), "deltas": (1, 1, 1)},
            "inference": {"box": str(SEGMENTED_BOX), "tile": (16, 60, 80), "overlap": (8, 8, 40)},
        }
    )
    (folder / "config.yaml").write_text(dump_config(config))
    return Run(folder, config)


def names(shown: Shown) -> list[str]:
    return [layer.name for layer in shown.layers]


def layer(shown: Shown, name: str) -> Layer:
    return next(layer for layer in shown.layers if layer.name == name)


def write_tile(run: Run, index: int) -> None:
    tile = list(run.grid)[index]
    labels = np.where(ids_in(tile.box) != 0, 5, 0).astype(np.uint32)
    run.tile_file(tile).parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(run.tile_file(tile), "w") as file:
        file["segmentation"] = labels


def test_a_run_that_has_only_begun_shows_its_input(case: Case) -> None:
    shown = layers_of_run(make_run(case))
    assert names(shown) == ["image", "truth"]
    assert (shown.voxel_size_nm, shown.title) == (SIZE_NM, "run")
    assert shown.lacking == ["no segmentation: the tiles are not yet joined", "0 of 2 tiles are finished"]


def test_finished_tiles_are_shown_while_they_are_not_one(case: Case) -> None:
    run = make_run(case)
    write_tile(run, 1)
    shown = layers_of_run(run)
    assert names(shown) == ["image", "tiles", "truth"]
    assert "1 of 2 tiles are finished; each has ids of its own" in shown.lacking
    tiles, core = layer(shown, "tiles").volume, list(run.grid)[1].core
    assert (tiles.box, tiles.voxel_size_nm) == (SEGMENTED_BOX, SIZE_NM)
    expected = np.where(ids_in(core) != 0, IDS_OF_A_TILE + 5, 0)
    np.testing.assert_array_equal(tiles.read(core), expected)
    whole = tiles.read(SEGMENTED_BOX)
    assert np.count_nonzero(whole) == np.count_nonzero(expected)


def test_a_segmentation_that_is_not_complete_is_shown_with_the_tiles(case: Case) -> None:
    run = make_run(case)
    (case.folder / "precomputed").rename(run.segmentation_folder)
    write_tile(run, 0)
    assert names(layers_of_run(run)) == ["image", "segmentation", "truth"]
    next((run.segmentation_folder / "4_8_40").iterdir()).unlink()
    shown = layers_of_run(run)
    assert names(shown) == ["image", "segmentation", "tiles", "truth"]
    assert any(line.startswith("the segmentation is not complete: 1 of ") for line in shown.lacking)


def test_a_block_that_no_sample_of_many_chunks_meets_is_missed_too(
    case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(absence, "MOST_LOOKED_AT", 1)
    run = make_run(case)
    run = replace(run, config=run.config.model_copy(update={"reconciliation": SMALL_BLOCKS}))
    (case.folder / "precomputed").rename(run.segmentation_folder)
    write_tile(run, 0)
    made = [str(block_list_file(run, block)) for block in blocks(run)]
    assert len(made) > 1
    found = [{"stage": "write", "path": path, "fingerprint": path} for path in made]
    whole = Earlier(run, found, dict.fromkeys(made, "write"))
    assert names(layers_of_run(run, whole)) == ["image", "segmentation", "truth"]
    shown = layers_of_run(run, Earlier(run, found[1:], dict.fromkeys(made[1:], "write")))
    assert names(shown) == ["image", "segmentation", "tiles", "truth"]
    assert "the segmentation is not complete: 1 of its blocks are yet to be written" in shown.lacking


def test_every_segmentation_that_a_run_has_is_a_layer(case: Case) -> None:
    run = make_run(case)
    for name in ("segmentation_filled", "segmentation"):
        ids = ids_in(SEGMENTED_BOX)[np.newaxis]
        write_info(
            run.folder / name,
            ids,
            [add_level(run.folder / name, ids, SEGMENTED_BOX.start, SIZE_NM, (8, 32, 32))],
        )
    shown = layers_of_run(run)
    assert names(shown) == ["image", "segmentation", "segmentation_filled", "truth"]
    np.testing.assert_array_equal(layer(shown, "segmentation_filled").volume.read(SEGMENTED_BOX), ids[0])


def test_input_that_is_gone_is_told_and_the_rest_is_shown(case: Case) -> None:
    run = make_run(case)
    (case.folder / "precomputed").rename(run.segmentation_folder)
    (case.folder / "em.h5").unlink()
    shown = layers_of_run(run)
    assert names(shown) == ["segmentation"]
    assert [line.partition(":")[0] for line in shown.lacking] == ["no image", "no truth"]
    (run.segmentation_folder / "info").unlink()
    with pytest.raises(InputError, match=r"nothing to show: no image: .*em\.h5.*no such file"):
        layers_of_run(run).refuse_nothing()


def test_a_run_without_truth_says_so(case: Case) -> None:
    assert "no truth: data.labels is not set" in layers_of_run(make_run(case, labels=None)).lacking


def test_truth_is_drawn_voxel_on_voxel_of_the_image_whatever_size_its_file_says(case: Case) -> None:
    """One that is known for the truth alone is not that of the image, the tiles and the segmentation."""
    with h5py.File(case.folder / "em.h5", "a") as file:
        del file["image"].attrs["resolution"]
        file["image"].attrs["offset"] = (0, 0, 0)
        file["truth"].attrs["offset"] = (0, 0, 0)
    shown = layers_of_run(make_run(case))
    assert layer(shown, "truth").volume.box.start == layer(shown, "image").volume.box.start
    assert layer(shown, "truth").volume.voxel_size_nm is None
    assert shown.voxel_size_nm == UNKNOWN_SIZE_NM


def test_the_worst_errors_are_annotations_and_a_list_that_is_none_is_told(case: Case) -> None:
    run = make_run(case)
    wrong = {
        "kind": "merger",
        "bits": 0.0123,
        "truth": [5, 9],
        "segments": [2**63],
        "point": [30, 120, 340],
        "what": "it joins",
    }
    worst = {"errors": 135, "worst": [{**wrong, "point": None}, wrong]}
    (run.folder / "worst.json").write_text(json.dumps(worst))
    shown = layers_of_run(run)
    assert "worst: the first 1 of 135 errors" in shown.lacking
    assert list(shown.described())[-1].split() == ["worst", "1", "point,", "the", "worst", "first"]
    (found,) = shown.worst
    assert found["text"] == "2. it joins (0.0123 bits)"
    assert (found["point"], found["segmentation"], found["truth"]) == ((30, 120, 340), [2**63], [5, 9])
    for broken in ("{}", "[]", "{", '{"worst": [{"point": [1, 2]}]}', '{"worst": 3}'):
        (run.folder / "worst.json").write_text(broken)
        shown = layers_of_run(run)
        assert shown.worst == []
        assert any("worst.json is no list of errors" in line for line in shown.lacking)


def test_where_run_length_is_lost_is_annotations_too(case: Case) -> None:
    run = make_run(case)
    lost = {"kind": "split", "erl_nm": 1234.5, "skeletons": ["n7"], "segments": [3, 2**63]}
    run.run_length_file.write_text(json.dumps({"worst": [{**lost, "point": [30, 120, 340]}]}))
    shown = layers_of_run(run)
    assert list(shown.described())[-1].startswith("run length   1 point")
    (found,) = shown.lost_runs
    assert found["text"] == "1. split along n7 (1.234 um of ERL)"
    assert (found["point"], found["segmentation"], found["truth"]) == ((30, 120, 340), [3, 2**63], [])
    run.run_length_file.write_text(json.dumps({"worst": [lost]}))
    shown = layers_of_run(run)
    assert shown.points == {}


def test_neuroglancer_reads_what_it_can_by_itself_and_only_if_it_sees_the_same(case: Case) -> None:
    def stored(choice: Choice, kind: Any = "segmentation") -> str | None:
        return Layer("one", kind, open_volume(case.segmentation, choice)).stored

    here = f"file://{case.folder / 'precomputed'}"
    assert stored(Choice()) == here
    assert stored(Choice(voxel_size_nm=SIZE_NM, origin=SEGMENTED_BOX.start)) == here
    assert stored(Choice(origin=(0, 0, 0))) is None
    assert stored(Choice(voxel_size_nm=(1, 1, 1))) is None
    assert stored(Choice(axes="zyx")) is None
    volume = open_volume(case.segmentation)
    volume.encoding = "fpzip"  # type: ignore[attr-defined]
    assert Layer("one", "segmentation", volume).stored is None
    assert Layer("one", "image", open_volume(case.image)).stored is None


def test_volumes_are_shown_where_their_files_say_or_told(case: Case, tmp_path: Path) -> None:
    np.save(tmp_path / "same.npy", ids_in(IMAGE_BOX))
    np.save(tmp_path / "other.npy", ids_in(SEGMENTED_BOX))
    for name, box in (("same", IMAGE_BOX), ("other", Box.of_shape(SEGMENTED_BOX.shape))):
        uris = {"image": case.image, "segmentation": str(tmp_path / f"{name}.npy")}
        shown = layers_of_volumes({key: (uri, Choice(option=key)) for key, uri in uris.items()})
        volume = layer(shown, "segmentation").volume
        assert volume.box == box
        np.testing.assert_array_equal(volume.read(box), np.load(tmp_path / f"{name}.npy"))
        (line,) = shown.lacking
        assert line.startswith("the segmentation does not say where it lies: it is shown ")
        assert list(shown.described())[1].endswith("40 x 8 x 4 nm (a guess: unknown)")
    np.save(tmp_path / "real.npy", np.zeros((2, 2, 2), np.float32))
    with pytest.raises(InputError, match="expected integer ids"):
        layers_of_volumes({"truth": (str(tmp_path / "real.npy"), Choice(option="truth"))})


def test_an_image_that_does_not_say_where_it_lies_is_put_on_what_does(case: Case, tmp_path: Path) -> None:
    np.save(tmp_path / "em.npy", image_in(IMAGE_BOX))
    shown = layers_of_volumes(
        {"image": (str(tmp_path / "em.npy"), Choice()), "truth": (case.truth, Choice())}
    )
    assert [layer.volume.box for layer in shown.layers] == [IMAGE_BOX, IMAGE_BOX]
    assert shown.lacking == [
        "the image does not say where it lies: it is shown on the truth, whose shape it has"
    ]
    np.save(tmp_path / "em.npy", image_in(SEGMENTED_BOX))
    shown = layers_of_volumes(
        {"image": (str(tmp_path / "em.npy"), Choice()), "truth": (case.truth, Choice())}
    )
    (line,) = shown.lacking
    assert line.startswith("the image does not say where it lies: it is shown at 0:16,")


def test_a_volume_of_other_voxels_is_not_put_on_one_whose_shape_it_has(case: Case, tmp_path: Path) -> None:
    with h5py.File(tmp_path / "coarse.h5", "w") as file:
        file["ids"] = ids_in(IMAGE_BOX)
        file["ids"].attrs["resolution"] = [2 * size for size in SIZE_NM]
    truth = f"{tmp_path / 'coarse.h5'}:ids"
    shown = layers_of_volumes({"image": (case.image, Choice()), "truth": (truth, Choice())})
    assert layer(shown, "truth").volume.box == Box.of_shape(IMAGE_BOX.shape)
    assert shown.lacking[0].startswith("the truth does not say where it lies: it is shown at 0:24,")


def test_greys_are_stretched_where_the_values_are_not_those_of_a_screen(case: Case, tmp_path: Path) -> None:
    values = np.random.default_rng(0).normal(2000, 100, (32, 64, 64)).astype(np.uint16)
    np.save(tmp_path / "deep.npy", values)
    (shown,) = layers_of_volumes({"image": (str(tmp_path / "deep.npy"), Choice())}).layers
    assert shown.grey is not None
    assert shown.grey == pytest.approx((1700, 2300), abs=20)
    assert layers_of_volumes({"image": (case.image, Choice())}).layers[0].grey is None


def test_what_a_truth_says_to_ignore_is_no_object_and_of_a_segmentation_all_are(tmp_path: Path) -> None:
    np.save(tmp_path / "ids.npy", np.array([[[0, 7, 2**64 - 1]]], np.uint64))
    uri = str(tmp_path / "ids.npy")
    shown = layers_of_volumes({"segmentation": (uri, Choice()), "truth": (uri, Choice())})
    own, truth = (layer(shown, name).volume for name in ("segmentation", "truth"))
    assert own.read(own.box).tolist() == [[[0, 7, 2**64 - 1]]]
    assert truth.read(truth.box).tolist() == [[[0, 7, 0]]]


def test_an_agglomerated_segmentation_is_a_layer_of_its_own_that_waits(case: Case) -> None:
    run = make_run(case)
    (case.folder / "precomputed").rename(run.segmentation_folder)
    ids = ids_in(SEGMENTED_BOX)
    base = np.unique(ids[ids != 0]).astype(np.uint64)
    with h5py.File(run.agglomeration_file, "w") as file:
        file["base"], file["agglomerated"] = base, np.full(len(base), base[0])
    shown = layers_of_run(run)
    assert names(shown) == ["image", "segmentation", "agglomerated", "truth"]
    volume = layer(shown, "agglomerated").volume
    assert volume.box == layer(shown, "segmentation").volume.box
    np.testing.assert_array_equal(volume.read(volume.box), np.where(ids != 0, base[0], 0))
    drawn = scene(shown, dict.fromkeys(names(shown), "precomputed://there"))["layers"]
    assert {one["name"]: one.get("visible", True) for one in drawn}["agglomerated"] is False
    record = {"inputs": {"scores": "those of an earlier segmentation"}}
    record_path(run.agglomeration_file).write_bytes(sealed(record))
    shown = layers_of_run(run)
    assert "agglomerated" not in names(shown)
    assert any("was not made of the segmentation" in line for line in shown.lacking)
    record_path(run.agglomeration_file).unlink()
    run.agglomeration_file.write_text("torn")
    shown = layers_of_run(run)
    assert "agglomerated" not in names(shown)
    assert any("agglomeration.h5" in line for line in shown.lacking)


def test_coarser_levels_that_are_not_there_yet_are_told(case: Case) -> None:
    """From afar a browser shows one of them alone, and nothing where that lacks."""
    run, ids = make_run(case), ids_in(SEGMENTED_BOX)[np.newaxis]
    folder = run.segmentation_folder
    fine = add_level(folder, ids, SEGMENTED_BOX.start, SIZE_NM, (8, 32, 32))
    coarse = add_level(folder, ids[:, :, ::2, ::2], (26, 55, 160), (40, 16, 8), (8, 32, 32))
    write_info(folder, ids, [fine, coarse])
    assert not any("afar" in line for line in layers_of_run(run).lacking)
    told = "seen from afar the segmentation is not complete: level 1 lacks chunks"
    next((folder / coarse["key"]).iterdir()).unlink()
    assert told in layers_of_run(run).lacking
    shutil.rmtree(folder / coarse["key"])
    assert [line for line in layers_of_run(run).lacking if "level" in line] == [told]
    coarser = add_level(folder, ids[:, ::2, ::2, ::2], (13, 55, 160), (80, 16, 8), (8, 32, 32))
    shutil.rmtree(folder / coarser["key"])
    write_info(folder, ids, [fine, coarse, coarser])
    assert told.replace("level 1 lacks", "levels 1 and 2 lack") in layers_of_run(run).lacking
