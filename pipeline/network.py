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

import h5py
import keras
import numpy as np
from keras import layers

from pipeline.artifacts import Artifact, Recipe, file_identity, make
from pipeline.config import Network
from pipeline.errors import InputError
from pipeline.run_folder import Run


def build_network(network: Network, batch_size: int | None = None, seed: int = 0) -> keras.Model:
    """The network of the given sizes with random weights that depend on `seed` alone.

    Its input is named `fov` and has a fixed shape if `batch_size` is given. Convolutions follow
    the global Keras precision policy; the logits are always computed in float32.
    """
    init = keras.initializers.GlorotUniform
    seeds = iter(range(seed * 10_000, (seed + 1) * 10_000))

    def conv(name: str, activation: str | None = None) -> layers.Conv3D:
        return layers.Conv3D(
            network.features, 3, padding="same", activation=activation,
            kernel_initializer=init(seed=next(seeds)), name=name,
        )  # fmt: skip

    fov = keras.Input((*network.fov, 2), batch_size=batch_size, dtype="float32", name="fov")
    net = conv("conv0_b")(conv("conv0_a", activation="relu")(fov))
    for i in range(1, network.depth):
        residual = layers.Activation("relu", name=f"relu{i}")(net)
        residual = conv(f"conv{i}_b")(conv(f"conv{i}_a", activation="relu")(residual))
        net = layers.Add(name=f"add{i}")([net, residual])
    net = layers.Activation("relu", name="relu_lom")(net)
    update = layers.Conv3D(1, 1, dtype="float32", kernel_initializer=init(seed=next(seeds)), name="conv_lom")(
        net
    )
    return keras.Model(fov, update, name="ffn")


def save_weights(model: keras.Model, network: Network, path: Path) -> None:
    """Write the weights to HDF5, one dataset a variable, the sizes as attributes.

    Equal weights give equal bytes.
    """
    with h5py.File(path, "w", track_order=False) as file:
        for name, value in network_variables(model).items():
            file.create_dataset(name, data=value, track_times=False)
        file.attrs["fov"] = network.fov
        file.attrs["deltas"] = network.deltas
        file.attrs["depth"] = network.depth
        file.attrs["features"] = network.features


def network_variables(model: keras.Model) -> dict[str, np.ndarray]:
    """Weights by name, `conv3_a/kernel` and so on, as float32 arrays; kernels are (z, y, x, in, out)."""
    return {
        f"{layer.name}/{variable.name}": np.asarray(variable, dtype=np.float32)
        for layer in model.layers
        for variable in layer.weights
    }


def load_network(path: str | Path, network: Network, batch_size: int | None = None) -> keras.Model:
    """The network with the weights at `path`: our own `.h5` file or the prefix of a TF1 checkpoint.

    Raises InputError when there is no such file, or when its weights are not of these sizes.
    """
    weights = check_weights(path, network)
    model = build_network(network, batch_size)
    for layer in model.layers:
        for variable in layer.weights:
            variable.assign(weights[f"{layer.name}/{variable.name}"])
    return model


def check_weights(path: str | Path, network: Network) -> dict[str, np.ndarray]:
    """Read the weights at `path` by name; raises InputError when they are not of this network's sizes."""
    path = Path(path)
    weights = _read_own(path) if path.suffix == ".h5" else _read_tf1_checkpoint(path)
    found = {name: value.shape for name, value in weights.items()}
    expected = _shapes(network)
    if found != expected:
        raise InputError(
            f"checkpoint {path} has {_sizes(found)}; the configured network has {_sizes(expected)}"
        )
    return weights


def _shapes(network: Network) -> dict[str, tuple[int, ...]]:
    """Shape of every weight of a network of these sizes, by name."""
    n = network.features
    shapes: dict[str, tuple[int, ...]] = {"conv_lom/kernel": (1, 1, 1, n, 1), "conv_lom/bias": (1,)}
    for i in range(network.depth):
        for part in "ab":
            inputs = 2 if (i, part) == (0, "a") else n
            shapes[f"conv{i}_{part}/kernel"] = (3, 3, 3, inputs, n)
            shapes[f"conv{i}_{part}/bias"] = (n,)
    return shapes


def _sizes(shapes: dict[str, tuple[int, ...]]) -> str:
    depth = sum(name.endswith("_a/kernel") for name in shapes)
    features = shapes.get("conv0_a/kernel", (0,))[-1]
    count = sum(int(np.prod(shape)) for shape in shapes.values())
    return f"depth {depth}, {features} features, {count:,} weights"


def _read_own(path: Path) -> dict[str, np.ndarray]:
    weights: dict[str, np.ndarray] = {}

    def visit(name: str, item: h5py.Dataset | h5py.Group) -> None:
        if isinstance(item, h5py.Dataset):
            weights[name] = item[()]

    try:
        with h5py.File(path, "r") as file:
            file.visititems(visit)
    except OSError as error:
        reason = "no such file" if not path.exists() else f"not a readable HDF5 file ({error})"
        raise InputError(f"network weights {path}: {reason}") from None
    return weights


def _read_tf1_checkpoint(prefix: Path) -> dict[str, np.ndarray]:
    """Weights of google/ffn's ConvStack3DFFNModel, renamed to ours."""
    import tensorflow as tf

    if not prefix.with_name(prefix.name + ".index").exists():
        raise InputError(f"network.checkpoint {prefix}: no such checkpoint (no {prefix.name}.index)")
    try:
        reader = tf.train.load_checkpoint(str(prefix))
        names = [n for n in reader.get_variable_to_shape_map() if n.startswith("seed_update/")]
        return {_own_name(n): reader.get_tensor(n) for n in names if n.endswith(("/weights", "/biases"))}
    except tf.errors.OpError as error:
        raise InputError(f"network.checkpoint {prefix}: {error.message}") from None


def _own_name(tf1_name: str) -> str:
    """`seed_update/conv3_a/weights` -> `conv3_a/kernel`."""
    _, layer, kind = tf1_name.split("/")
    return f"{layer}/{'kernel' if kind == 'weights' else 'bias'}"


def import_checkpoint(run: Run) -> Artifact:
    """Write the configured checkpoint's weights in our own format as the run's model."""
    network = run.config.network
    source = Path(str(network.checkpoint))
    data = source if source.suffix == ".h5" else source.with_name(source.name + ".index")
    recipe = Recipe(
        stage="import checkpoint",
        version=1,
        settings=network.model_dump(mode="json"),
        inputs={"checkpoint": file_identity(data)},
    )
    return make(
        run.model_file,
        recipe,
        lambda path: save_weights(load_network(source, network), network, path),
    )
