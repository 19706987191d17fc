"""Keras runs the network on JAX and on PyTorch as another engine does; a process has one backend."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from pipeline.config import Network
from pipeline.ffn.weights import weight_shapes, write_weights
from pipeline.inference.engines.openvino import OpenVinoEngine
from pipeline.results.artifacts import Artifact, file_sha256

SMALL = Network(fov=(9, 11, 13), deltas=(2, 2, 2), depth=3, features=8)
NAMES = {"jax": "JAX", "torch": "PyTorch"}
PROGRAM = """
import sys
import numpy as np
from pipeline.config import Network
from pipeline.inference.engines import choose
from pipeline.inference.engines.keras import KerasEngine
from pipeline.results.artifacts import Artifact

folder, sizes, precision = sys.argv[1:]
network = Network.model_validate_json(sizes)
fovs = np.load(f"{folder}/fovs.npy")
print(*choose(network, "keras", precision))
engine = KerasEngine(Artifact(f"{folder}/ffn.h5", ""), network, precision, len(fovs))
print(engine.name, engine.precision)
np.save(f"{folder}/update.npy", engine.predict(fovs))
print(*[name for name in ("tensorflow",) if name in sys.modules])
"""


def small_model(folder: Path) -> Artifact:
    rng = np.random.default_rng(4)
    weights = {
        name: rng.normal(0, (1 / np.prod(shape[:-1])) ** 0.5, shape).astype(np.float32)
        for name, shape in weight_shapes(SMALL).items()
    }
    path = folder / "ffn.h5"
    write_weights(weights, SMALL, path)
    return Artifact(str(path), file_sha256(path))


@pytest.mark.parametrize(("precision", "off"), [("float32", 1e-4), ("bfloat16", 0.05)])
@pytest.mark.parametrize("backend", NAMES)
def test_a_backend_computes_what_another_engine_does_and_needs_no_tensorflow(
    backend: str, precision: str, off: float, tmp_path: Path
) -> None:
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"{NAMES[backend]} is not installed here")
    model = small_model(tmp_path)
    fovs = np.random.default_rng(0).standard_normal((2, *SMALL.fov, 2)).astype(np.float32)
    np.save(tmp_path / "fovs.npy", fovs)
    expected = OpenVinoEngine(model, SMALL, "float32", threads=1, batch_size=2).predict(fovs).copy()
    command = [sys.executable, "-c", PROGRAM, str(tmp_path), SMALL.model_dump_json(), precision]
    environment = {**os.environ, "KERAS_BACKEND": backend, "PYTHONPATH": str(Path(__file__).parents[3])}
    told = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=True)
    assert told.stdout.split("\n")[:3] == [f"keras {precision}", f"keras on {backend} {precision}", ""]
    found = np.load(tmp_path / "update.npy")
    assert found.shape == expected.shape == (2, *SMALL.fov, 1)
    assert np.abs(found - expected).max() <= off * np.abs(expected).max()


def test_a_worker_s_threads_are_those_that_tensorflow_has(tmp_path: Path) -> None:
    """However many cores its process may use: it had them all, and so had each worker beside it."""
    small_model(tmp_path)
    program = (
        "import sys\n"
        "from pipeline.config import Inference, Network\n"
        "from pipeline.inference.engines import open_engine\n"
        "from pipeline.results.artifacts import Artifact\n"
        "network, inference = Network.model_validate_json(sys.argv[2]), Inference(engine='keras')\n"
        "print(open_engine(Artifact(sys.argv[1], ''), network, inference, threads=3).name)\n"
        "import tensorflow\n"
        "print(tensorflow.config.threading.get_intra_op_parallelism_threads())\n"
    )
    command = [sys.executable, "-c", program, str(tmp_path / "ffn.h5"), SMALL.model_dump_json()]
    environment = {**os.environ, "KERAS_BACKEND": "tensorflow", "PYTHONPATH": str(Path(__file__).parents[3])}
    told = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=True)
    assert told.stdout.split("\n")[:2] == ["keras on tensorflow", "3"]
