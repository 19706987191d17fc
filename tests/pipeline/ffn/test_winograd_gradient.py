"""The network's gradient by minimal filtering: that of the definition, and TensorFlow's."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.config import Network
from pipeline.ffn.winograd.compiled import INSTRUCTIONS, library
from pipeline.ffn.winograd.gradient import DifferentiableNetwork
from pipeline.machine import processor
from tests.pipeline.ffn.network_by_definition import decided_weights, gradient_by_definition, random_weights
from tests.pipeline.ffn.winograd_instructions import compiled_for, needs_compiled

__all__ = ["compiled_for"]

NARROW = Network(fov=(9, 11, 13), deltas=(2, 2, 2), depth=3, features=16)


def flat(weights: dict[str, np.ndarray]) -> np.ndarray:
    return np.concatenate([array.ravel() for array in weights.values()])


def fov_and_slope(network: Network, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.standard_normal((*network.fov, 2)), rng.standard_normal(network.fov)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    fov=st.tuples(*[st.integers(1, 8).map(lambda half: 2 * half + 1)] * 3),
    depth=st.integers(1, 3),
    features=st.sampled_from([1, 3, 8, 16, 24, 32]),
    seed=st.integers(0, 99),
)
def test_every_networks_gradient_is_that_of_its_definition(
    compiled_for: str, fov: tuple[int, int, int], depth: int, features: int, seed: int
) -> None:
    network = Network(fov=fov, deltas=(1, 1, 1), depth=depth, features=features)
    check(network, decided_weights(network, seed), seed)


@needs_compiled
@pytest.mark.parametrize("fov", [(5, 7, 9), (3, 5, 75)])
@pytest.mark.parametrize("features", [40, 48, 64])
def test_wide_networks_and_long_rows_have_the_gradient_of_their_definition(
    fov: tuple[int, int, int], features: int
) -> None:
    network = Network(fov=fov, deltas=(1, 1, 1), depth=2, features=features)
    check(network, decided_weights(network, seed=0), seed=0)


def check(network: Network, weights: dict[str, np.ndarray], seed: int) -> None:
    fov, slope = fov_and_slope(network, seed)
    compiled = DifferentiableNetwork(network, threads=1)
    compiled.set_weights(flat(weights))
    compiled.forward(fov)
    compiled.backward(slope)
    expected = gradient_by_definition(weights, network, fov, slope)
    of_all = np.linalg.norm(flat(expected))
    assert (
        np.linalg.norm(compiled.gradient() - flat({name: expected[name] for name in weights})) < 2e-4 * of_all
    )
    ends = np.cumsum([array.size for array in weights.values()])
    for name, found in zip(weights, np.split(compiled.gradient(), ends)):
        error = np.linalg.norm(found - expected[name].ravel())
        # a layer's own gradient may nearly cancel out
        assert error < 3e-4 * np.linalg.norm(expected[name]) + 1e-4 * of_all, name


@needs_compiled
def test_gradients_of_several_fovs_add_up_until_weights_are_set() -> None:
    weights = flat(random_weights(NARROW))
    fov, slope = fov_and_slope(NARROW)
    once, twice = (DifferentiableNetwork(NARROW, threads=1) for _ in range(2))
    for network, times in ((once, 1), (twice, 2)):
        network.set_weights(weights)
        for _ in range(times):
            network.forward(fov)
            network.backward(slope)
    difference = twice.gradient() - 2 * once.gradient()
    assert np.linalg.norm(difference) < 1e-6 * np.linalg.norm(once.gradient())
    twice.set_weights(weights)
    assert not twice.gradient().any()


@needs_compiled
def test_neither_threads_nor_earlier_fovs_change_a_bit_of_the_gradient() -> None:
    weights = flat(random_weights(NARROW))
    fov, slope = fov_and_slope(NARROW)
    other = fov_and_slope(NARROW, seed=2)
    gradients = []
    for threads in (1, 2, 5):
        network = DifferentiableNetwork(NARROW, threads)
        for shown in (other, (fov, slope)):
            network.set_weights(weights)
            network.forward(shown[0])
            network.backward(shown[1])
        gradients.append(network.gradient())
    for gradient in gradients[1:]:
        np.testing.assert_array_equal(gradient, gradients[0])


@needs_compiled
def test_all_instructions_give_the_same_bits_of_the_gradient(monkeypatch: pytest.MonkeyPatch) -> None:
    fov, slope = fov_and_slope(NARROW)
    gradients = []
    for needed in INSTRUCTIONS.values():
        if needed <= processor.cpu_flags():
            with monkeypatch.context() as patch:
                patch.setattr(processor, "cpu_flags", lambda needed=needed: needed)
                if library(NARROW):
                    network = DifferentiableNetwork(NARROW, threads=1)
                    network.set_weights(flat(random_weights(NARROW)))
                    network.forward(fov)
                    network.backward(slope)
                    gradients.append(network.gradient())
    for gradient in gradients[1:]:
        np.testing.assert_array_equal(gradient, gradients[0])


@needs_compiled
def test_what_is_not_a_number_is_not_hidden_in_the_gradient() -> None:
    fov, slope = fov_and_slope(NARROW)
    fov[4, 5, 6, 0] = np.nan
    network = DifferentiableNetwork(NARROW, threads=1)
    network.set_weights(flat(random_weights(NARROW)))
    assert np.isnan(network.forward(fov)).any()
    network.backward(slope)
    assert np.isnan(network.gradient()).any()


def test_a_network_that_it_is_not_for_is_refused() -> None:
    with pytest.raises(ValueError, match="the compiled code is not for this CPU, or not for"):
        DifferentiableNetwork(NARROW.model_copy(update={"features": 65}), threads=1)
