"""The network has the published sizes and weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from pipeline.config import Network
from pipeline.errors import InputError
from pipeline.ffn.network import build_network, load_network, network_variables
from pipeline.ffn.weights import read_weights, write_weights

CHECKPOINT = "checkpoint/model.ckpt-27465036"
SMALL = Network(fov=(5, 7, 9), deltas=(1, 2, 3), depth=3, features=4)


@pytest.mark.parametrize(("depth", "weights"), [(9, 472_353), (12, 638_433)])
def test_networks_of_the_published_depths_have_the_published_number_of_weights(
    depth: int, weights: int
) -> None:
    assert build_network(Network(depth=depth)).count_params() == weights


def test_initial_weights_depend_on_the_seed_alone() -> None:
    first, again, other = (network_variables(build_network(SMALL, seed=seed)) for seed in (3, 3, 4))
    assert all(np.array_equal(first[name], again[name]) for name in first)
    assert not np.array_equal(first["conv1_a/kernel"], other["conv1_a/kernel"])
    assert not np.array_equal(first["conv1_a/kernel"], first["conv2_a/kernel"])


def test_a_fresh_network_leaves_the_pom_as_it_is() -> None:
    fov = np.random.default_rng(0).normal(size=(1, 5, 7, 9, 2)).astype(np.float32)
    assert not np.asarray(build_network(SMALL)(fov)).any()


def test_weights_saved_and_loaded_give_the_same_bytes_and_the_same_updates(tmp_path: Path) -> None:
    model = build_network(SMALL, seed=1)
    for variable in model.trainable_variables:
        variable.assign(np.random.default_rng(1).normal(0, 0.1, variable.shape))
    write_weights(network_variables(model), SMALL, tmp_path / "first.h5")
    loaded = load_network(tmp_path / "first.h5", SMALL)
    write_weights(network_variables(loaded), SMALL, tmp_path / "second.h5")
    assert (tmp_path / "first.h5").read_bytes() == (tmp_path / "second.h5").read_bytes()
    fov = np.random.default_rng(0).normal(size=(1, 5, 7, 9, 2)).astype(np.float32)
    assert np.array_equal(model(fov), loaded(fov))
    assert np.ptp(np.asarray(model(fov))) > 0


def test_weights_of_another_depth_are_refused_with_both_sizes(tmp_path: Path) -> None:
    write_weights(network_variables(build_network(SMALL)), SMALL, tmp_path / "ffn.h5")
    deeper = SMALL.model_copy(update={"depth": 4})
    with pytest.raises(InputError, match=r"ffn.h5 has depth 3.*configured network has depth 4"):
        load_network(tmp_path / "ffn.h5", deeper)


def test_a_missing_weights_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nowhere.h5: no such file"):
        load_network(tmp_path / "nowhere.h5", SMALL)


def test_the_published_checkpoint_is_imported_exactly(fib25: Path) -> None:
    """Every tensor of the TF1 checkpoint's network is one of ours, bit by bit, and nothing is left over."""
    reader = tf.train.load_checkpoint(str(fib25 / CHECKPOINT))
    published = {
        name.removeprefix("seed_update/").replace("/weights", "/kernel").replace("/biases", "/bias"): name
        for name in reader.get_variable_to_shape_map()
        if name.startswith("seed_update/") and name.endswith(("/weights", "/biases"))
    }
    imported = network_variables(load_network(fib25 / CHECKPOINT, Network()))
    assert set(imported) == set(published)
    assert all(np.array_equal(imported[own], reader.get_tensor(name)) for own, name in published.items())
    assert sum(value.size for value in imported.values()) == 638_433


def test_the_published_checkpoint_of_depth_12_is_no_network_of_depth_9(fib25: Path) -> None:
    with pytest.raises(InputError, match=r"has depth 12.*configured network has depth 9"):
        load_network(fib25 / CHECKPOINT, Network(depth=9))


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e300])
def test_weights_that_are_not_finite_in_float32_are_refused(tmp_path: Path, value: float) -> None:
    weights = {
        name: array.astype(np.float64) for name, array in network_variables(build_network(SMALL)).items()
    }
    weights["conv1_b/bias"][2] = value
    write_weights(weights, SMALL, tmp_path / "ffn.h5")
    with pytest.raises(InputError, match=r"ffn\.h5: 1 of the 4 values of conv1_b/bias are NaN or infinite"):
        read_weights(tmp_path / "ffn.h5", SMALL)


def test_weights_that_are_no_numbers_are_refused(tmp_path: Path) -> None:
    weights = network_variables(build_network(SMALL))
    weights["conv1_b/bias"] = np.array([b"a"] * 4)
    write_weights(weights, SMALL, tmp_path / "ffn.h5")
    with pytest.raises(InputError, match=r"conv1_b/bias holds .*; expected numbers"):
        read_weights(tmp_path / "ffn.h5", SMALL)
