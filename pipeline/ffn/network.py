"""The flood-filling network: a stack of 3-d convolutions that updates a predicted object map.

Januszewski et al., "High-precision automated reconstruction of neurons with flood-filling
networks", Nature Methods 15 (2018). Input is (batch, z, y, x, 2) float32: the normalised image
and the POM in logits; output is (batch, z, y, x, 1): what to add to the POM.
"""

from __future__ import annotations

import os
from pathlib import Path

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
# Processes may share a GPU; none is to take all its memory for what may come.
os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")
os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")

import keras
import numpy as np
from keras import layers

from pipeline.config import Network
from pipeline.ffn.weights import EPSILON, read_weights


def build_network(network: Network, batch_size: int | None = None, seed: int = 0) -> keras.Model:
    """The network of the given sizes with random weights that depend on `seed` alone.

    Its input is named `fov` and has a fixed shape if `batch_size` is given. Convolutions follow
    the global Keras precision policy; the logits are always computed in float32.
    """
    init = keras.initializers.GlorotUniform
    seeds = iter(range(seed * 10_000, (seed + 1) * 10_000))

    # With the last layers at zero a fresh network adds nothing to a POM, however often it is applied.
    def conv(name: str, activation: str | None = None, zero: bool = False) -> layers.Conv3D:
        return layers.Conv3D(
            network.features, 3, padding="same", activation=activation,
            kernel_initializer="zeros" if zero else init(seed=next(seeds)), name=name,
        )  # fmt: skip

    def norm(name: str, net: keras.KerasTensor) -> keras.KerasTensor:
        if network.normalisation == "none":
            return net
        return layers.LayerNormalization(epsilon=EPSILON, name=name)(net)

    fov = keras.Input((*network.fov, 2), batch_size=batch_size, dtype="float32", name="fov")
    net = conv("conv0_b")(conv("conv0_a", activation="relu")(fov))
    for i in range(1, network.depth):
        residual = layers.Activation("relu", name=f"relu{i}")(norm(f"norm{i}", net))
        residual = conv(f"conv{i}_b", zero=True)(conv(f"conv{i}_a", activation="relu")(residual))
        net = layers.Add(name=f"add{i}")([net, residual])
    net = layers.Activation("relu", name="relu_lom")(norm("norm_lom", net))
    update = layers.Conv3D(1, 1, dtype="float32", kernel_initializer="zeros", name="conv_lom")(net)
    return keras.Model(fov, update, name="ffn")


def network_variables(model: keras.Model) -> dict[str, np.ndarray]:
    """Weights by name, `conv3_a/kernel` and so on, as float32 arrays; kernels are (z, y, x, in, out)."""
    return {
        f"{layer.name}/{variable.name}": np.asarray(variable, dtype=np.float32)
        for layer in model.layers
        for variable in layer.weights
    }


def assign_weights(model: keras.Model, weights: dict[str, np.ndarray]) -> None:
    """Set the network's weights, named as in `network_variables`."""
    for layer in model.layers:
        for variable in layer.weights:
            variable.assign(weights[f"{layer.name}/{variable.name}"])


def load_network(path: str | Path, network: Network, batch_size: int | None = None) -> keras.Model:
    """The network with the weights at `path`: our own `.h5` file or the prefix of a TF1 checkpoint.

    Raises InputError when there is no such file, or when its weights are not of these sizes.
    """
    weights = read_weights(path, network)
    model = build_network(network, batch_size)
    assign_weights(model, weights)
    return model
