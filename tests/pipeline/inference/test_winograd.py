"""The network by Winograd's minimal filtering: the same as by the definition of its convolutions."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.config import Inference, Network
from pipeline.errors import InputError
from pipeline.ffn.weights import write_weights
from pipeline.ffn.winograd.compiled import INSTRUCTIONS, library
from pipeline.inference.engines import open_engine
from pipeline.inference.engines.winograd import WinogradEngine
from pipeline.machine import processor
from pipeline.results.artifacts import Artifact
from tests.pipeline.ffn.network_by_definition import by_definition, random_weights
from tests.pipeline.ffn.winograd_instructions import compiled_for, needs_compiled

__all__ = ["compiled_for"]

NARROW = Network(fov=(9, 11, 13), deltas=(2, 2, 2), depth=3, features=16)


def rms(values: np.ndarray) -> float:
    return float(np.sqrt(np.mean(values**2)))


def write_network(folder: Path, network: Network, weights: dict[str, np.ndarray]) -> Artifact:
    path = folder / "ffn.h5"
    path.unlink(missing_ok=True)
    write_weights(weights, network, path)
    return Artifact(str(path), "random")


def fovs_of(network: Network, batch_size: int = 1) -> np.ndarray:
    return np.random.default_rng(1).standard_normal((batch_size, *network.fov, 2)).astype(np.float32)


@pytest.fixture
def model(tmp_path: Path) -> Artifact:
    return write_network(tmp_path, NARROW, random_weights(NARROW))


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    fov=st.tuples(*[st.integers(1, 8).map(lambda half: 2 * half + 1)] * 3),
    depth=st.integers(1, 3),
    features=st.sampled_from([1, 3, 8, 16, 24, 32]),
    seed=st.integers(0, 99),
)
def test_every_network_is_computed_as_its_definition_says(
    compiled_for: str,
    tmp_path_factory: pytest.TempPathFactory,
    fov: tuple[int, int, int],
    depth: int,
    features: int,
    seed: int,
) -> None:
    network = Network(fov=fov, deltas=(1, 1, 1), depth=depth, features=features)
    weights = random_weights(network, seed)
    model = write_network(tmp_path_factory.mktemp("model"), network, weights)
    fovs = fovs_of(network)
    expected = by_definition(weights, network, fovs[0])
    error = WinogradEngine(model, network, "auto", threads=1).predict(fovs)[0] - expected
    assert rms(error) < 1e-4 * rms(expected)


@needs_compiled
@pytest.mark.parametrize("features", [40, 48, 64])
def test_wide_networks_are_computed_as_their_definition_says(tmp_path: Path, features: int) -> None:
    network = Network(fov=(5, 7, 9), deltas=(1, 1, 1), depth=2, features=features)
    weights = random_weights(network)
    fovs = fovs_of(network)
    engine = WinogradEngine(write_network(tmp_path, network, weights), network, "auto", threads=1)
    expected = by_definition(weights, network, fovs[0])
    assert rms(engine.predict(fovs)[0] - expected) < 1e-4 * rms(expected)


@needs_compiled
def test_all_instructions_give_the_same_bits(model: Artifact, monkeypatch: pytest.MonkeyPatch) -> None:
    fovs, updates = fovs_of(NARROW), []
    for needed in INSTRUCTIONS.values():
        if needed <= processor.cpu_flags():
            with monkeypatch.context() as patch:
                patch.setattr(processor, "cpu_flags", lambda needed=needed: needed)
                if library(NARROW):
                    updates.append(WinogradEngine(model, NARROW, "auto", threads=1).predict(fovs))
    for update in updates[1:]:
        np.testing.assert_array_equal(update, updates[0])


@needs_compiled
def test_a_row_too_long_for_one_strip_is_computed_in_several(tmp_path: Path) -> None:
    network = Network(fov=(3, 5, 75), deltas=(1, 1, 1), depth=2, features=16)
    weights = random_weights(network)
    fovs = fovs_of(network)
    engine = WinogradEngine(write_network(tmp_path, network, weights), network, "auto", threads=1)
    np.testing.assert_allclose(engine.predict(fovs)[0], by_definition(weights, network, fovs[0]), atol=1e-4)


@needs_compiled
def test_neither_threads_nor_batches_nor_earlier_calls_change_a_bit(model: Artifact) -> None:
    fovs = fovs_of(NARROW, batch_size=3)
    alone = WinogradEngine(model, NARROW, "auto", threads=1)
    expected = [alone.predict(fov[np.newaxis]) for fov in fovs]
    for threads in (1, 2, 5):
        engine = WinogradEngine(model, NARROW, "auto", threads)
        for _ in range(2):
            np.testing.assert_array_equal(engine.predict(fovs), np.concatenate(expected))


def test_it_is_chosen_where_it_can_be_and_says_how_it_computes(compiled_for: str, model: Artifact) -> None:
    engine = open_engine(model, NARROW, Inference(), threads=1)
    assert (engine.name, engine.precision) == ("winograd", "float32")


@needs_compiled
def test_where_there_is_amx_openvino_is_chosen_if_bfloat16_is_asked_for(
    model: Artifact, monkeypatch: pytest.MonkeyPatch
) -> None:
    has = processor.cpu_flags()
    monkeypatch.setattr(processor, "cpu_flags", lambda: has | {"amx_bf16"})
    assert open_engine(model, NARROW, Inference(), threads=1).name == "winograd"
    assert open_engine(model, NARROW, Inference(precision="float32"), threads=1).name == "winograd"
    assert open_engine(model, NARROW, Inference(precision="bfloat16"), threads=1).name == "openvino"


@needs_compiled
def test_bfloat16_gives_way_to_float32_and_that_is_said(
    model: Artifact, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        assert WinogradEngine(model, NARROW, "bfloat16", threads=1).precision == "float32"
    assert "does not compute in bfloat16; the network runs in float32" in caplog.text


def test_a_cpu_or_a_network_that_it_is_not_for_is_refused_in_one_line(
    model: Artifact, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = NARROW.model_copy(update={"features": 65})
    with pytest.raises(InputError, match=r"up to 64 features \(network.features is 65\)"):
        WinogradEngine(model, other, "auto", threads=1)
    monkeypatch.setattr(processor, "cpu_flags", frozenset)
    with pytest.raises(
        InputError, match=r"inference\.engine is 'winograd', which needs a CPU with AVX-512, AVX2"
    ):
        WinogradEngine(model, NARROW, "auto", threads=1)
    assert open_engine(model, NARROW, Inference(), threads=1).name == "openvino"


@needs_compiled
def test_what_is_not_a_number_is_not_hidden(model: Artifact) -> None:
    fovs = fovs_of(NARROW)
    fovs[0, 4, 5, 6, 0] = np.nan
    assert np.isnan(WinogradEngine(model, NARROW, "auto", threads=1).predict(fovs)).any()
