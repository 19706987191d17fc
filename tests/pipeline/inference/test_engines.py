"""Engines: whichever runs the network, the answer is the same."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import h5py
import numpy as np
import pytest

from pipeline.config import Inference, Network
from pipeline.errors import InputError
from pipeline.ffn.network import build_network, load_network, network_variables
from pipeline.ffn.weights import write_weights
from pipeline.ffn.winograd import compiled
from pipeline.ffn.winograd.compiled import library
from pipeline.inference.engines import choose, open_engine
from pipeline.inference.engines import openvino as engine_module
from pipeline.inference.engines.keras import KerasEngine, finds_gpu
from pipeline.inference.engines.openvino import OpenVinoEngine
from pipeline.inference.engines.winograd import WinogradEngine
from pipeline.results.artifacts import Artifact, file_sha256

SMALL = Network(fov=(9, 11, 13), deltas=(2, 2, 2), depth=3, features=4)


@pytest.fixture
def small_model(tmp_path: Path) -> Artifact:
    path = tmp_path / "ffn.h5"
    model = build_network(SMALL, seed=4)
    rng = np.random.default_rng(4)
    for variable in model.trainable_variables:  # a network fresh from its seed would answer 0 everywhere
        variable.assign(rng.normal(0, np.sqrt(1 / np.prod([3, *variable.shape[:-1]])), variable.shape))
    write_weights(network_variables(model), SMALL, path)
    return Artifact(str(path), file_sha256(path))


def fovs_of(network: Network, batch_size: int) -> np.ndarray:
    return np.random.default_rng(0).standard_normal((batch_size, *network.fov, 2)).astype(np.float32)


@pytest.mark.parametrize("batch_size", [1, 3])
def test_both_engines_compute_the_network_in_float32(small_model: Artifact, batch_size: int) -> None:
    fovs = fovs_of(SMALL, batch_size)
    expected = np.asarray(load_network(small_model.path, SMALL)(fovs))
    assert expected.shape == (batch_size, 9, 11, 13, 1)
    assert expected.std() > 0.01
    openvino = OpenVinoEngine(small_model, SMALL, "float32", threads=1, batch_size=batch_size)
    keras = KerasEngine(small_model, SMALL, "float32", batch_size)
    np.testing.assert_allclose(openvino.predict(fovs), expected, atol=1e-4)
    np.testing.assert_allclose(keras.predict(fovs), expected, atol=1e-4)


def test_bfloat16_stays_close_to_float32(small_model: Artifact) -> None:
    fovs = fovs_of(SMALL, 1)
    expected = KerasEngine(small_model, SMALL, "float32").predict(fovs)
    for engine in (
        KerasEngine(small_model, SMALL, "bfloat16"),
        OpenVinoEngine(small_model, SMALL, "bfloat16", threads=1),
    ):
        assert np.abs(engine.predict(fovs) - expected).max() < 0.05 * np.abs(expected).max()


def test_the_number_of_threads_does_not_change_a_bit(small_model: Artifact) -> None:
    fovs = fovs_of(SMALL, 1)
    one, two = (
        OpenVinoEngine(small_model, SMALL, "auto", threads).predict(fovs).copy() for threads in (1, 2)
    )
    np.testing.assert_array_equal(one, two)


def test_a_process_loads_a_network_once(small_model: Artifact) -> None:
    inference = Inference()
    engine = open_engine(small_model, SMALL, inference, threads=1)
    assert open_engine(small_model, SMALL, inference, threads=1) is engine
    retrained = Artifact(small_model.path, "another sha256")
    assert open_engine(retrained, SMALL, inference, threads=1) is not engine


def test_the_engine_asked_for_is_the_one_opened(small_model: Artifact) -> None:
    for asked, name in (("openvino", "openvino"), ("keras", "keras on tensorflow")):
        inference = Inference.model_validate({"engine": asked, "precision": "float32"})
        engine = open_engine(small_model, SMALL, inference, threads=1)
        assert (engine.name, engine.precision) == (name, "float32")


def test_without_gpu_and_compiled_code_openvino_is_chosen_and_keras_where_that_is_not_installed(
    small_model: Artifact, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not finds_gpu(), "this test is about machines without a GPU"
    monkeypatch.setattr(compiled, "library", lambda network: None)
    assert open_engine(small_model, SMALL, Inference(), threads=1).name == "openvino"
    without = Artifact(small_model.path, "not loaded yet")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert open_engine(without, SMALL, Inference(), threads=1).name == "keras on tensorflow"


def test_a_backend_of_keras_that_is_not_installed_is_named_with_those_that_are(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("KERAS_BACKEND", "mxnet")
    with pytest.raises(InputError, match=r"'mxnet' .KERAS_BACKEND., .* tensorflow .*: export KERAS_BACKEND="):
        choose(SMALL, "keras", "auto")


def test_a_precision_that_the_cpu_lacks_gives_way_to_one_it_has_and_that_is_said(
    small_model: Artifact, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(engine_module, "capabilities", lambda: {"float32"})
    engine = OpenVinoEngine(small_model, SMALL, "bfloat16", threads=1)
    assert engine.precision == "float32"
    assert "does not compute in bfloat16; the network runs in float32" in caplog.text
    fovs = fovs_of(SMALL, 1)
    expected = np.asarray(load_network(small_model.path, SMALL)(fovs))
    np.testing.assert_allclose(engine.predict(fovs), expected, atol=1e-4)


def test_weights_of_another_depth_are_refused(small_model: Artifact) -> None:
    deeper = SMALL.model_copy(update={"depth": 4})
    with pytest.raises(InputError, match=r"depth 3.*depth 4"):
        open_engine(small_model, deeper, Inference(), threads=1)


def test_the_published_network_sees_the_same_object_on_every_engine(fib25: Path) -> None:
    prefix = fib25 / "checkpoint" / "model.ckpt-27465036"
    model, network = Artifact(str(prefix), "published"), Network()
    with h5py.File(fib25 / "grayscale_maps.h5") as file:
        image = (file["raw"][84:117, 84:117, 84:117].astype(np.float32) - 128) / 33
    pom = np.full(image.shape, np.log(0.05 / 0.95), np.float32)
    pom[16, 16, 16] = np.log(0.95 / 0.05)
    fovs = np.stack([image, pom], axis=-1)[np.newaxis]
    expected = KerasEngine(model, network, "float32").predict(fovs)[0, ..., 0]
    object_size = np.count_nonzero(pom + expected > 0)
    assert 100 < object_size < 30_000
    engines: list[type[OpenVinoEngine | WinogradEngine]] = [OpenVinoEngine]
    engines += [WinogradEngine] if library(network) else []
    for engine in engines:
        exact = engine(model, network, "float32", threads=2).predict(fovs)[0, ..., 0]
        np.testing.assert_allclose(exact, expected, atol=1e-3)
    rounded = OpenVinoEngine(model, network, "bfloat16", threads=2).predict(fovs)[0, ..., 0]
    disagreement = np.count_nonzero((pom + rounded > 0) != (pom + expected > 0))
    assert disagreement < 0.02 * object_size
