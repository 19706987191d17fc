"""Tiles in int8: calibrated once a run, equal bytes wherever they are made."""

from __future__ import annotations

import json
from pathlib import Path

import h5py
import numpy as np
import pytest
from bright_blocks import make_run, write_image, write_network

from pipeline.artifacts import Artifact
from pipeline.inference.calibration import calibrate
from pipeline.inference.engines.openvino import capabilities
from pipeline.inference.segmenter import engine_for, segment_tile, tile_target

needs_vnni = pytest.mark.skipif("int8" not in capabilities(), reason="this CPU has no VNNI")


@pytest.fixture(scope="module")
def image_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_image(tmp_path_factory.mktemp("image"))


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    return write_network(tmp_path_factory.mktemp("model"))


@needs_vnni
def test_a_tile_in_int8_is_calibrated_first_and_finds_the_same_objects(
    tmp_path: Path, image_file: Path, model: Artifact
) -> None:
    labels = {}
    for precision in ("auto", "int8"):
        run = make_run(tmp_path / precision, image_file, precision=precision)
        with h5py.File(segment_tile(run, next(iter(run.grid)), model).path) as file:
            labels[precision] = file["segmentation"][()]
            used = file.attrs["precision"]
        assert run.calibration_file.exists() == (precision == "int8")
    assert used == "int8"
    assert labels["int8"].max() == labels["auto"].max() > 1
    assert np.mean(labels["int8"] != labels["auto"]) < 0.01


@needs_vnni
def test_the_same_run_in_two_folders_gives_the_same_bytes_and_calibrates_once(
    tmp_path: Path, image_file: Path, model: Artifact
) -> None:
    made = []
    for name in ("a", "b"):
        run = make_run(tmp_path / name, image_file, precision="int8")
        for tile in run.grid:
            made.append(Path(segment_tile(run, tile, model).path).read_bytes())
            if name == "a" and tile.index == 0:
                calibrated = run.calibration_file.stat().st_mtime_ns
        if name == "a":
            assert run.calibration_file.stat().st_mtime_ns == calibrated
    assert made[:2] == made[2:]


def test_calibration_sees_the_bright_and_the_dark(tmp_path: Path, image_file: Path, model: Artifact) -> None:
    run = make_run(tmp_path, image_file)
    maxima = json.loads(Path(calibrate(run, model).path).read_text())
    assert list(maxima) == ["conv0_b"]
    # the network's first layer gives the normalised image itself, and its negative
    with h5py.File(image_file) as file:
        brightest = (file["raw"][()].max() - 128.0) / 33
    assert 0.8 * brightest < maxima["conv0_b"] <= 1.01 * brightest


def test_an_inference_box_of_one_fov_can_be_calibrated(
    tmp_path: Path, image_file: Path, model: Artifact
) -> None:
    run = make_run(tmp_path, image_file, box="3:10,4:11,5:12", tile=(7, 7, 7), overlap=(0, 0, 0))
    assert json.loads(Path(calibrate(run, model).path).read_text())["conv0_b"] > 0


def test_a_tile_in_int8_depends_on_what_was_calibrated_with_and_others_do_not(
    tmp_path: Path, image_file: Path, model: Artifact
) -> None:
    def fingerprint(precision: str, x_stop: int) -> str:
        # the first tile is the same in both boxes, half of whose octants lie elsewhere
        options = {"tile": (40, 44, 24), "overlap": (0, 0, 0), "reflect": False, "precision": precision}
        run = make_run(tmp_path, image_file, box=f"0:40,0:44,0:{x_stop}", **options)
        return tile_target(run, next(iter(run.grid)), model).recipe.fingerprint

    assert fingerprint("int8", 24) != fingerprint("int8", 48)
    assert fingerprint("auto", 24) == fingerprint("auto", 48)


def test_on_keras_int8_gives_way_to_float32(
    tmp_path: Path, image_file: Path, model: Artifact, caplog: pytest.LogCaptureFixture
) -> None:
    run = make_run(tmp_path, image_file, engine="keras", precision="int8")
    assert engine_for(run, model).precision == "float32"
    assert "keras on tensorflow does not compute in int8; the network runs in float32" in caplog.text
