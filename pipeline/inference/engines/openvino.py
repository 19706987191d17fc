"""The network on OpenVINO: the fastest way found to run it on CPUs."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import numpy as np

from pipeline.artifacts import Artifact
from pipeline.config import Network
from pipeline.errors import InputError
from pipeline.weights import read_weights

try:
    import openvino
    from openvino import opset13 as ops
except ImportError:
    raise InputError("inference.engine is 'openvino', but openvino is not installed here") from None

HINTS = {"float32": "f32", "bfloat16": "bf16"}

SMALLEST_MAXIMUM = 1e-6

log = logging.getLogger(__name__)


class OpenVinoEngine:
    """Runs on `threads` threads of the CPU, in bfloat16 where the CPU computes in it.

    In int8 when asked to and given `maxima`, what the 3x3x3 convolutions but the first get at most (see
    `Probe`), where the CPU multiplies bytes without loss. `precision` is what it came to.
    """

    name = "openvino"

    def __init__(
        self,
        model: Artifact,
        network: Network,
        precision: str,
        threads: int,
        batch_size: int = 1,
        maxima: Mapping[str, float] | None = None,
    ) -> None:
        self.precision = available_precision(precision)
        graph = build_graph(
            read_weights(model.path, network),
            network,
            batch_size,
            maxima if self.precision == "int8" else None,
        )
        self._request = _compile(graph, self.precision, threads)

    def predict(self, fovs: np.ndarray) -> np.ndarray:
        """See Engine."""
        return self._request.infer(fovs, share_inputs=True, share_outputs=True)[0]


class Probe:
    """An engine for batches of one that notes what each convolution gets: `maxima`, by the layer's name.

    Only of the convolutions after a ReLU, whose inputs are not negative.
    """

    name = "openvino"

    def __init__(self, model: Artifact, network: Network, threads: int) -> None:
        graph = build_graph(read_weights(model.path, network), network, 1)
        layers = {op.get_friendly_name(): op for op in graph.get_ops() if op.get_type_name() == "Convolution"}
        probed = [name for name in layers if name not in ("conv0_a", "conv_lom")]
        axes = ops.constant(np.arange(5))
        graph.add_outputs([ops.reduce_max(layers[name].input_value(0), axes).output(0) for name in probed])
        self.precision = available_precision("auto")
        # No interval to divide into steps may be empty.
        self.maxima = dict.fromkeys(probed, SMALLEST_MAXIMUM)
        self._request = _compile(graph, self.precision, threads)

    def predict(self, fovs: np.ndarray) -> np.ndarray:
        """See Engine."""
        update, *maxima = self._request.infer(fovs).to_tuple()
        for name, most in zip(self.maxima, maxima):
            self.maxima[name] = max(self.maxima[name], float(most))
        return update


def capabilities() -> set[str]:
    """The precisions in which this CPU computes."""
    found = {"float32"}
    if "BF16" in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        found.add("bfloat16")
    # OpenVINO has int8 on every CPU, but without VNNI sums of products of bytes may overflow.
    with suppress(OSError):  # not Linux
        if "vnni" in Path("/proc/cpuinfo").read_text():
            found.add("int8")
    return found


def available_precision(wanted: str) -> str:
    """`wanted` where this CPU computes in it, else what `auto` means; the log tells where that is less."""
    available = capabilities()
    if wanted in available:
        return wanted
    instead = "bfloat16" if "bfloat16" in available else "float32"
    if wanted != "auto":
        log.warning("this CPU does not compute in %s; the network runs in %s", wanted, instead)
    return instead


def build_graph(
    weights: dict[str, np.ndarray],
    network: Network,
    batch_size: int,
    maxima: Mapping[str, float] | None = None,
) -> openvino.Model:
    """The network of pipeline.network as an OpenVINO graph, made without loading TensorFlow.

    Weights are by name, kernels (z, y, x, in, out). The graph's input is (batch, z, y, x, 2), its
    output (batch, z, y, x, 1), float32. Convolutions in `maxima` get their input in 256 steps from 0 to
    that, and their weights in 255 a channel, which OpenVINO then computes in int8.
    """
    maxima = maxima or {}

    def conv(x: openvino.Node, name: str) -> openvino.Node:
        kernel = np.ascontiguousarray(weights[f"{name}/kernel"].transpose(4, 3, 0, 1, 2))
        bias = weights[f"{name}/bias"].reshape(1, -1, 1, 1, 1)
        pad, step = [n // 2 for n in kernel.shape[2:]], [1, 1, 1]
        filters = ops.constant(kernel)
        if name in maxima:
            zero, most = np.float32(0), np.float32(maxima[name])
            x = ops.fake_quantize(x, zero, most, zero, most, 256)
            end = np.abs(kernel).max(axis=(1, 2, 3, 4), keepdims=True)
            filters = ops.fake_quantize(filters, -end, end, -end, end, 255)
        convolved = ops.convolution(x, filters, step, pad, pad, step)
        convolved.set_friendly_name(name)
        return ops.add(convolved, ops.constant(bias))

    fov = ops.parameter((batch_size, *network.fov, 2), np.float32, name="fov")
    net = ops.transpose(fov, ops.constant(np.array([0, 4, 1, 2, 3])))
    net = conv(ops.relu(conv(net, "conv0_a")), "conv0_b")
    for i in range(1, network.depth):
        net = ops.add(net, conv(ops.relu(conv(ops.relu(net), f"conv{i}_a")), f"conv{i}_b"))
    update = conv(ops.relu(net), "conv_lom")
    update = ops.transpose(update, ops.constant(np.array([0, 2, 3, 4, 1])))
    return openvino.Model([update], [fov], "ffn")


def _compile(graph: openvino.Model, precision: str, threads: int) -> openvino.InferRequest:
    others = available_precision("auto")
    properties = {
        # what is not computed in int8 is computed as ever
        "INFERENCE_PRECISION_HINT": HINTS[others if precision == "int8" else precision],
        "INFERENCE_NUM_THREADS": threads,
        "PERFORMANCE_HINT": "LATENCY",
        # Pinned, the workers of one machine would all sit on its first core.
        "ENABLE_CPU_PINNING": False,
    }
    return openvino.Core().compile_model(graph, "CPU", properties).create_infer_request()
