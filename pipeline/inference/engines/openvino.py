"""The network on OpenVINO: where Winograd cannot, and fastest on CPUs with AMX if bfloat16 will do."""

from __future__ import annotations

import logging

import numpy as np

from pipeline.config import Network
from pipeline.errors import InputError
from pipeline.ffn.weights import EPSILON, read_weights
from pipeline.results.artifacts import Artifact

try:
    import openvino
    from openvino import opset13 as ops
except ImportError:
    raise InputError(
        "inference.engine is 'openvino', but openvino is not installed here: "
        "pip install openvino, or set auto"
    ) from None

HINTS = {"float32": "f32", "bfloat16": "bf16"}

log = logging.getLogger(__name__)


class OpenVinoEngine:
    """Runs on `threads` threads of the CPU; `precision` is what it came to."""

    name = "openvino"

    def __init__(
        self, model: Artifact, network: Network, precision: str, threads: int, batch_size: int = 1
    ) -> None:
        self.precision = available_precision(precision)
        graph = build_graph(read_weights(model.path, network), network, batch_size)
        self._request = _compile(graph, self.precision, threads)

    def predict(self, fovs: np.ndarray) -> np.ndarray:
        """See Engine."""
        return self._request.infer(fovs, share_inputs=True, share_outputs=True)[0]


def capabilities() -> set[str]:
    """The precisions in which this CPU computes."""
    found = {"float32"}
    if "BF16" in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        found.add("bfloat16")
    return found


def available_precision(wanted: str) -> str:
    """`wanted` where this CPU computes in it, else float32; the log tells where that is another."""
    if wanted in capabilities():
        return wanted
    if wanted != "auto":
        log.warning("this CPU does not compute in %s; the network runs in float32", wanted)
    return "float32"


def build_graph(weights: dict[str, np.ndarray], network: Network, batch_size: int) -> openvino.Model:
    """The network of pipeline.ffn.network as an OpenVINO graph, made without loading TensorFlow.

    Weights are by name, kernels (z, y, x, in, out). The graph's input is (batch, z, y, x, 2), its
    output (batch, z, y, x, 1), float32.
    """

    def conv(x: openvino.Node, name: str) -> openvino.Node:
        kernel = np.ascontiguousarray(weights[f"{name}/kernel"].transpose(4, 3, 0, 1, 2))
        bias = weights[f"{name}/bias"].reshape(1, -1, 1, 1, 1)
        pad, step = [n // 2 for n in kernel.shape[2:]], [1, 1, 1]
        convolved = ops.convolution(x, ops.constant(kernel), step, pad, pad, step)
        return ops.add(convolved, ops.constant(bias))

    def norm(x: openvino.Node, name: str) -> openvino.Node:
        if network.normalisation == "none":
            return x
        along = ops.constant(np.array([1]))
        normalised = ops.mvn(x, along, normalize_variance=True, eps=EPSILON, eps_mode="inside_sqrt")
        gamma, beta = (weights[f"{name}/{part}"].reshape(1, -1, 1, 1, 1) for part in ("gamma", "beta"))
        return ops.add(ops.multiply(normalised, ops.constant(gamma)), ops.constant(beta))

    def residual(x: openvino.Node, i: int) -> openvino.Node:
        before = ops.relu(norm(x, f"norm{i}"))
        return conv(ops.relu(conv(before, f"conv{i}_a")), f"conv{i}_b")

    fov = ops.parameter((batch_size, *network.fov, 2), np.float32, name="fov")
    net = ops.transpose(fov, ops.constant(np.array([0, 4, 1, 2, 3])))
    net = conv(ops.relu(conv(net, "conv0_a")), "conv0_b")
    for i in range(1, network.depth):
        net = ops.add(net, residual(net, i))
    update = conv(ops.relu(norm(net, "norm_lom")), "conv_lom")
    update = ops.transpose(update, ops.constant(np.array([0, 2, 3, 4, 1])))
    return openvino.Model([update], [fov], "ffn")


def _compile(graph: openvino.Model, precision: str, threads: int) -> openvino.InferRequest:
    properties = {
        "INFERENCE_PRECISION_HINT": HINTS[precision],
        "INFERENCE_NUM_THREADS": threads,
        "PERFORMANCE_HINT": "LATENCY",
        # Pinned, the workers of one machine would all sit on its first core.
        "ENABLE_CPU_PINNING": False,
    }
    return openvino.Core().compile_model(graph, "CPU", properties).create_infer_request()
