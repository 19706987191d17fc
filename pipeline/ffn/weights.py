"""Weights of a network as files: our own HDF5, and the published TF1 checkpoints.

Needs no Keras, so that a wrong checkpoint is refused before anything heavy is loaded.
"""

from __future__ import annotations

import os
from glob import escape
from pathlib import Path

import h5py
import numpy as np

from pipeline.config import Network
from pipeline.errors import InputError
from pipeline.ffn.trained_with import TrainedWith, read_trained_with
from pipeline.results.artifacts import Artifact, Recipe, Target, file_sha256
from pipeline.results.hdf5_file import reading_hdf5, write_hdf5
from pipeline.results.records import make
from pipeline.results.unreadable import ABSENT, is_there, reading
from pipeline.run_folder import Run

EPSILON = 1e-5
"""Added to the variance of a voxel's features where they are normalised."""


def write_weights(
    weights: dict[str, np.ndarray], network: Network, path: Path, trained: TrainedWith | None = None
) -> None:
    """Write weights by name, one dataset a variable, with the network's sizes and what it was trained with.

    Equal weights and training give equal bytes.
    """
    attributes = (trained or TrainedWith.of_sizes(network)).attributes()
    if network.normalisation != "none":
        attributes["normalisation"] = network.normalisation

    def fill(file: h5py.File) -> None:
        for name, value in sorted(weights.items()):
            file.create_dataset(name, data=value, track_times=False)
        file.attrs.update({**attributes, "depth": network.depth, "features": network.features})

    write_hdf5(path, fill)


def read_weights(path: str | Path, network: Network) -> dict[str, np.ndarray]:
    """Weights by name (`conv3_a/kernel`, ...) as float32 arrays; kernels are (z, y, x, in, out).

    `path` is our own `.h5` file or the prefix of a TF1 checkpoint. Raises InputError when there
    is no such file, its weights are not of this network's sizes, not finite, or were trained with another FOV
    or deltas.
    """
    path = Path(path)
    weights = (_read_own if path.suffix == ".h5" else _read_tf1_checkpoint)(path, network)
    trained = read_trained_with(path)
    if trained is not None:
        trained.require_sizes(network, str(path))
    return {name: _finite(value, name, path) for name, value in weights.items()}


def import_target(run: Run) -> Target:
    """The run's model file, as imported from the configured checkpoint."""
    network = run.config.network
    recipe = Recipe(
        stage="import checkpoint",
        version=3,
        settings={"network": network.sizes},
        inputs={"checkpoint": weights_sha256(str(network.checkpoint))},
    )
    return Target(run.model_file, recipe)


def weights_sha256(path: str) -> str:
    """SHA-256 of the files of a trained network, which `read_weights` reads; "absent" where there is none.

    Raises Unreadable.
    """
    source = Path(path)
    of_tf1 = f"{escape(source.name)}.*"
    data = [source] if source.suffix == ".h5" else sorted(source.parent.glob(of_tf1))
    found = []
    for file in filter(is_there, data):
        with reading(file):
            found.append(file_sha256(file))
    return " ".join(found) or "absent"


def import_checkpoint(run: Run) -> Artifact:
    """Write the configured checkpoint's weights in our own format as the run's model."""
    network = run.config.network

    def write(path: Path) -> None:
        trained = read_trained_with(str(network.checkpoint))
        write_weights(read_weights(str(network.checkpoint), network), network, path, trained)

    return make(import_target(run), write)


def _finite(values: np.ndarray, name: str, path: Path) -> np.ndarray:
    """The weights as float32. Raises InputError where some are not finite, or no numbers."""
    if values.dtype.kind not in "fiu":
        raise InputError(
            f"network weights {path}: {name} holds {values.dtype}; expected numbers: name another network"
        )
    with np.errstate(over="ignore"):
        values = values.astype(np.float32, copy=False)
    bad = values.size - np.count_nonzero(np.isfinite(values))
    if bad:
        raise InputError(
            f"network weights {path}: {bad:,} of the {values.size:,} values of {name} are NaN or infinite in "
            "float32; such a network finds nothing: train another, or set network.checkpoint to one"
        )
    return values


def weight_shapes(network: Network) -> dict[str, tuple[int, ...]]:
    """Shape of every weight of a network of these sizes, by name."""
    n = network.features
    shapes: dict[str, tuple[int, ...]] = {"conv_lom/kernel": (1, 1, 1, n, 1), "conv_lom/bias": (1,)}
    for i in range(network.depth):
        for part in "ab":
            inputs = 2 if (i, part) == (0, "a") else n
            shapes[f"conv{i}_{part}/kernel"] = (3, 3, 3, inputs, n)
            shapes[f"conv{i}_{part}/bias"] = (n,)
    if network.normalisation == "layer":
        for name in norms(network):
            shapes[f"{name}/gamma"] = shapes[f"{name}/beta"] = (n,)
    return shapes


def norms(network: Network) -> list[str]:
    """The names of the normalisations that a network may have: before each residual module, and the last."""
    return [*(f"norm{i}" for i in range(1, network.depth)), "norm_lom"]


def _require_shapes(path: Path, found: dict[str, tuple[int, ...]], network: Network) -> None:
    """Raise InputError unless what a file holds are the weights of this network."""
    expected = weight_shapes(network)
    if not found.keys() & expected.keys():
        raise InputError(
            f"checkpoint {path} holds no weights of a flood-filling network; name a trained network"
        )
    if found != expected:
        raise InputError(
            f"checkpoint {path} has {_sizes(found)}; the configured network has {_sizes(expected)}: "
            "set network.depth, features and normalisation to those of the checkpoint"
        )


def _sizes(shapes: dict[str, tuple[int, ...]]) -> str:
    depth = sum(name.endswith("_a/kernel") for name in shapes)
    features = shapes.get("conv0_a/kernel", (0,))[-1]
    count = sum(int(np.prod(shape)) for shape in shapes.values())
    normalised = ", layers normalised" if "norm_lom/gamma" in shapes else ""
    return f"depth {depth}, {features} features{normalised}, {count:,} weights"


def _read_own(path: Path, network: Network) -> dict[str, np.ndarray]:
    stored: dict[str, h5py.Dataset] = {}

    def visit(name: str, item: h5py.Dataset | h5py.Group) -> None:
        if isinstance(item, h5py.Dataset):
            stored[name] = item

    try:
        with reading_hdf5(path) as file:
            file.visititems(visit)
            # before any is read: it may be an image, of any size; what is no array has no shape
            _require_shapes(path, {name: each.shape or (0,) for name, each in stored.items()}, network)
            return {name: each[()] for name, each in stored.items()}
    except OSError as error:
        reason = "no such file" if isinstance(error, ABSENT) else f"not a readable HDF5 file ({error})"
        raise InputError(f"network weights {path}: {reason}; name a trained network") from None


def _read_tf1_checkpoint(prefix: Path, network: Network) -> dict[str, np.ndarray]:
    """Weights of google/ffn's ConvStack3DFFNModel, renamed to ours."""
    if not prefix.with_name(prefix.name + ".index").exists():
        raise InputError(
            f"network {prefix}: no such checkpoint (no {prefix.name}.index); give the path of "
            "its .index without that ending"
        )
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    import tensorflow as tf

    try:
        reader = tf.train.load_checkpoint(str(prefix))
        names = [n for n in reader.get_variable_to_shape_map() if n.startswith("seed_update/")]
        weights = {_own_name(n): reader.get_tensor(n) for n in names if n.endswith(("/weights", "/biases"))}
    except tf.errors.OpError as error:
        raise InputError(f"network {prefix}: {error.message}; copy it again, or name another") from None
    _require_shapes(prefix, {name: value.shape for name, value in weights.items()}, network)
    return weights


def _own_name(tf1_name: str) -> str:
    """`seed_update/conv3_a/weights` -> `conv3_a/kernel`."""
    _, layer, kind = tf1_name.split("/")
    return f"{layer}/{'kernel' if kind == 'weights' else 'bias'}"
