"""Networks whose layers are normalised: the same by every engine, and by none that cannot."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.ndimage import correlate

from pipeline.config import Network, Training
from pipeline.errors import InputError
from pipeline.ffn.network import build_network, load_network, network_variables
from pipeline.ffn.weights import EPSILON, norms, read_weights, weight_shapes, write_weights
from pipeline.ffn.winograd.compiled import library, required
from pipeline.inference.engines import choose
from pipeline.inference.engines.keras import KerasEngine
from pipeline.inference.engines.openvino import OpenVinoEngine
from pipeline.results.artifacts import Artifact, file_sha256

PLAIN = Network(fov=(7, 9, 11), deltas=(2, 2, 2), depth=3, features=8)
NORMALISED = PLAIN.model_copy(update={"normalisation": "layer"})


@pytest.fixture
def model(tmp_path: Path) -> Artifact:
    rng, path = np.random.default_rng(2), tmp_path / "ffn.h5"
    weights = {
        name: rng.normal(0, (1 / np.prod(shape[:-1])) ** 0.5, shape).astype(np.float32)
        for name, shape in weight_shapes(NORMALISED).items()
    }
    write_weights(weights, NORMALISED, path)
    return Artifact(str(path), file_sha256(path))


def by_definition(weights: dict[str, np.ndarray], fov: np.ndarray) -> np.ndarray:
    """The update of one FOV, (z, y, x, 2) to (z, y, x), in float64."""

    def conv(x: np.ndarray, name: str) -> np.ndarray:
        kernel = weights[f"{name}/kernel"].astype(np.float64)
        outputs = [
            sum(correlate(x[..., i], kernel[..., i, o], mode="constant") for i in range(kernel.shape[3]))
            for o in range(kernel.shape[4])
        ]
        return np.stack(outputs, axis=-1) + weights[f"{name}/bias"]

    def norm(x: np.ndarray, name: str) -> np.ndarray:
        centred = x - x.mean(axis=-1, keepdims=True)
        scaled = centred / np.sqrt((centred**2).mean(axis=-1, keepdims=True) + EPSILON)
        return scaled * weights[f"{name}/gamma"] + weights[f"{name}/beta"]

    def relu(x: np.ndarray) -> np.ndarray:
        return np.maximum(x, 0)

    net = conv(relu(conv(fov.astype(np.float64), "conv0_a")), "conv0_b")
    for i in range(1, NORMALISED.depth):
        net = net + conv(relu(conv(relu(norm(net, f"norm{i}")), f"conv{i}_a")), f"conv{i}_b")
    return conv(relu(norm(net, "norm_lom")), "conv_lom")[..., 0]


def test_every_engine_computes_it_as_it_is_defined(model: Artifact) -> None:
    fovs = np.random.default_rng(0).standard_normal((1, *NORMALISED.fov, 2)).astype(np.float32)
    expected = by_definition(read_weights(model.path, NORMALISED), fovs[0])
    assert expected.std() > 0.01
    for engine in (
        KerasEngine(model, NORMALISED, "float32"),
        OpenVinoEngine(model, NORMALISED, "float32", threads=1),
    ):
        np.testing.assert_allclose(engine.predict(fovs)[0, ..., 0], expected, atol=1e-4)


def test_the_compiled_code_is_not_for_it_and_says_so() -> None:
    assert library(NORMALISED) is None
    for setting in ("training.engine", "inference.engine"):
        with pytest.raises(InputError, match=rf"{setting} is 'winograd'.*network.normalisation .it is layer"):
            required(NORMALISED, setting)
    assert choose(NORMALISED, "auto", "float32").engine != "winograd"


def test_tensorflow_trains_it() -> None:
    from pipeline.training.precision import uses_winograd

    assert not uses_winograd(Training(), NORMALISED, "float32")


def test_a_fresh_one_leaves_the_pom_as_it_is_and_has_a_gain_and_a_shift_a_feature() -> None:
    fov = np.random.default_rng(0).standard_normal((1, *NORMALISED.fov, 2)).astype(np.float32)
    fresh = build_network(NORMALISED)
    assert not np.asarray(fresh(fov)).any()
    assert {name: v.shape for name, v in network_variables(fresh).items()} == weight_shapes(NORMALISED)
    more = fresh.count_params() - build_network(PLAIN).count_params()
    assert more == 2 * PLAIN.features * len(norms(PLAIN))


def test_weights_with_and_without_are_not_taken_for_each_other(model: Artifact, tmp_path: Path) -> None:
    load_network(model.path, NORMALISED)
    with pytest.raises(
        InputError, match=r"has depth 3, 8 features, layers normalised.*normalisation to those"
    ):
        load_network(model.path, PLAIN)
    write_weights(network_variables(build_network(PLAIN)), PLAIN, tmp_path / "plain.h5")
    with pytest.raises(InputError, match="configured network has depth 3, 8 features, layers normalised"):
        load_network(tmp_path / "plain.h5", NORMALISED)


def test_what_is_finished_without_stays_finished() -> None:
    assert set(PLAIN.sizes) == {"fov", "deltas", "depth", "features"}
    assert NORMALISED.sizes["normalisation"] == "layer"
