"""The network on PyTorch: on a CPU, where it can be compared, and on a GPU where there is one."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bright_blocks import make_run, write_image, write_network

from pipeline.config import Network
from pipeline.ffn.weights import weight_shapes, write_weights
from pipeline.inference.engines import Loading
from pipeline.inference.engines.shared import SharedEngine
from pipeline.inference.environment import environment_of
from pipeline.inference.segmenter import segment_tile
from pipeline.results.artifacts import Artifact, file_sha256
from pipeline.results.attempts.fencing import ATTEMPT
from pipeline.results.records import read

torch: Any = pytest.importorskip("torch", reason="PyTorch is not installed here")
from pipeline.inference.engines import torch as engine_module  # noqa: E402

SMALL = Network(fov=(9, 11, 13), deltas=(2, 2, 2), depth=3, features=8)
on_a_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="PyTorch finds no GPU here")


@pytest.fixture
def small_model(tmp_path: Path) -> Artifact:
    return model_of(SMALL, tmp_path / "ffn.h5")


def model_of(network: Network, path: Path) -> Artifact:
    rng = np.random.default_rng(4)
    weights = {
        name: rng.normal(0, (1 / np.prod(shape[:-1])) ** 0.5, shape).astype(np.float32)
        for name, shape in weight_shapes(network).items()
    }
    write_weights(weights, network, path)
    return Artifact(str(path), file_sha256(path))


def fovs_of(count: int) -> np.ndarray:
    return np.random.default_rng(0).standard_normal((count, *SMALL.fov, 2)).astype(np.float32)


def update_without_torch(model: Artifact, fovs: np.ndarray, network: Network = SMALL) -> np.ndarray:
    """What OpenVINO makes of them; where there is a GPU there often is none."""
    pytest.importorskip("openvino", reason="OpenVINO is not installed here")
    from pipeline.inference.engines.openvino import OpenVinoEngine

    engine = OpenVinoEngine(model, network, "float32", threads=1, batch_size=len(fovs))
    return engine.predict(fovs)


def update_of(model: Artifact, precision: str, fovs: np.ndarray, network: Network = SMALL) -> np.ndarray:
    engine = engine_module.TorchEngine(model, network, precision, threads=1, batch_size=len(fovs))
    assert engine.precision == precision
    return engine.predict(fovs).copy()


@pytest.mark.parametrize("batch_size", [1, 3])
def test_float32_is_what_another_engine_computes(small_model: Artifact, batch_size: int) -> None:
    fovs = fovs_of(batch_size)
    expected = update_without_torch(small_model, fovs)
    assert expected.std() > 0.01
    found = update_of(small_model, "float32", fovs)
    assert found.shape == (batch_size, 9, 11, 13, 1)
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_so_is_a_network_whose_layers_are_normalised(tmp_path: Path) -> None:
    network = SMALL.model_copy(update={"normalisation": "layer"})
    model, fovs = model_of(network, tmp_path / "normalised.h5"), fovs_of(1)
    expected = update_without_torch(model, fovs, network)
    assert expected.std() > 0.01
    np.testing.assert_allclose(update_of(model, "float32", fovs, network), expected, atol=1e-4)


def test_bfloat16_stays_close_to_float32(small_model: Artifact) -> None:
    exact, rounded = (update_of(small_model, precision, fovs_of(1)) for precision in ("float32", "bfloat16"))
    assert 0 < np.abs(rounded - exact).max() < 0.05 * np.abs(exact).max()


@pytest.mark.skipif(torch.cuda.is_available(), reason="this test is about machines without a GPU")
def test_without_a_gpu_a_precision_that_cpus_lack_is_float32(small_model: Artifact) -> None:
    for precision in ("auto", "tensorfloat32", "float16"):
        engine = engine_module.TorchEngine(small_model, SMALL, precision, threads=1)
        assert engine.precision == "float32"


def test_a_tile_is_segmented_and_says_by_what(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", write_image(tmp_path), engine="torch", precision="float32")
    made = segment_tile(run, run.tiles[0], write_network(tmp_path))
    record = read(Path(made.path))
    assert isinstance(record, dict)
    assert record["environment"] == environment_of("torch", "float32")
    assert {"torch", "gpu"} < record["environment"].keys()


@on_a_gpu
@pytest.mark.parametrize("precision", engine_module.precisions())
def test_on_a_gpu_every_precision_is_close_and_a_fov_is_the_same_whatever_is_beside_it(
    small_model: Artifact, precision: str
) -> None:
    fovs = fovs_of(3)
    exact, found = update_of(small_model, "float32", fovs), update_of(small_model, precision, fovs)
    assert np.abs(found - exact).max() < 0.05 * np.abs(exact).max()
    turned = update_of(small_model, precision, fovs[::-1])
    np.testing.assert_array_equal(turned[::-1], found)


@on_a_gpu
def test_workers_that_share_a_network_get_what_each_would_get_alone(
    small_model: Artifact, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(ATTEMPT, str(tmp_path))  # part of the key by which workers find each other
    what = Loading(small_model, SMALL, "torch", "auto", batch=3, threads=1)
    workers = [SharedEngine(what) for _ in range(3)]
    fovs = [fovs_of(3)[[number]] for number in range(3)]
    alone = [worker.predict(fov).copy() for worker, fov in zip(workers, fovs)]
    with ThreadPoolExecutor(3) as pool:
        together = list(pool.map(lambda worker, fov: worker.predict(fov), workers, fovs))
    np.testing.assert_array_equal(together, alone)
