"""The network on PyTorch: the fastest way found to run it on GPUs, for one FOV at a time above all.

As a program it prints the precisions in which PyTorch computes on a GPU here, if it finds one.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from pipeline.config import Network
from pipeline.errors import InputError
from pipeline.ffn.weights import EPSILON, norms, read_weights
from pipeline.inference.engines import CPU_PRECISIONS, fitting
from pipeline.results.artifacts import Artifact

try:
    import torch
    from torch.nn import functional
except ImportError:
    raise InputError("inference.engine is 'torch', but PyTorch is not installed here") from None

DTYPES = {
    "float32": torch.float32,
    "tensorfloat32": torch.float32,
    "bfloat16": torch.bfloat16,
    "float16": torch.float16,
}
"""Of weights and activations. The update is float32 in each, as its last layer always is."""

Forward = Callable[[torch.Tensor], torch.Tensor]
Predict = Callable[[np.ndarray], np.ndarray]


class TorchEngine:
    """Runs on a GPU where PyTorch finds one, else on `threads` threads of the CPU; `precision` is what it
    came to.

    On a GPU the whole network is one launch: what it consists of takes about as long to be launched piece by
    piece as to be computed. cuDNN chooses its algorithms by rule and not by timing, so that the same FOV
    gives the same bits in every process on the same kind of GPU.
    """

    name = "torch"

    def __init__(
        self, model: Artifact, network: Network, precision: str, threads: int, batch_size: int = 1
    ) -> None:
        on_gpu = torch.cuda.is_available()
        self.precision = fitting(precision, precisions())
        device = torch.device("cuda" if on_gpu else "cpu")
        forward = build_network(read_weights(model.path, network), network, self.precision, device)
        if on_gpu:
            self._predict = _one_launch(forward, (batch_size, *network.fov, 2), self.precision)
        else:
            torch.set_num_threads(threads)
            self._predict = _on_cpu(forward)

    def predict(self, fovs: np.ndarray) -> np.ndarray:
        """See Engine."""
        return self._predict(fovs)


def precisions() -> tuple[str, ...]:
    """Those in which PyTorch computes here, the one that `auto` means first."""
    if not torch.cuda.is_available():
        return CPU_PRECISIONS
    if torch.version.hip is not None:
        return ("float32", "bfloat16", "float16")
    if torch.cuda.get_device_capability() < (8, 0):
        return ("float32", "float16")
    return ("tensorfloat32", "float32", "bfloat16", "float16")


def build_network(
    weights: dict[str, np.ndarray], network: Network, precision: str, device: torch.device
) -> Forward:
    """The network of pipeline.ffn.network, from (n, z, y, x, 2) to (n, z, y, x, 1), both float32.

    Weights are by name, kernels (z, y, x, in, out). Channels stay last in memory, as they are in a FOV and as
    the matrix units of GPUs want them.
    """
    dtype = DTYPES[precision]

    def placed(name: str) -> tuple[torch.Tensor, torch.Tensor]:
        kernel = torch.from_numpy(weights[f"{name}/kernel"]).to(device).permute(4, 3, 0, 1, 2)
        bias = torch.from_numpy(weights[f"{name}/bias"]).to(device)
        return kernel.to(dtype, memory_format=torch.channels_last_3d), bias.to(dtype)

    layers = {f"conv{i}_{part}": placed(f"conv{i}_{part}") for i in range(network.depth) for part in "ab"}
    last = torch.from_numpy(weights["conv_lom/kernel"].reshape(-1, 1)).to(device)
    last_bias = torch.from_numpy(weights["conv_lom/bias"]).to(device)

    def conv(x: torch.Tensor, name: str) -> torch.Tensor:
        kernel, bias = layers[name]
        return functional.conv3d(x, kernel, bias, padding=1)

    normalised = norms(network) if network.normalisation == "layer" else []
    learned = {
        f"{name}/{part}": torch.from_numpy(weights[f"{name}/{part}"]).to(device, dtype)
        for name in normalised
        for part in ("gamma", "beta")
    }

    def norm(x: torch.Tensor, name: str) -> torch.Tensor:
        if name not in normalised:
            return x
        gamma, beta = learned[f"{name}/gamma"], learned[f"{name}/beta"]
        features_last = x.permute(0, 2, 3, 4, 1)
        found = functional.layer_norm(features_last, gamma.shape, gamma, beta, EPSILON)
        return found.permute(0, 4, 1, 2, 3)

    def forward(fovs: torch.Tensor) -> torch.Tensor:
        net = fovs.to(dtype).permute(0, 4, 1, 2, 3)
        net = conv(torch.relu(conv(net, "conv0_a")), "conv0_b")
        for i in range(1, network.depth):
            before = torch.relu(norm(net, f"norm{i}"))
            net = net + conv(torch.relu(conv(before, f"conv{i}_a")), f"conv{i}_b")
        return torch.relu(norm(net, "norm_lom")).permute(0, 2, 3, 4, 1).float() @ last + last_bias

    return forward


def _on_cpu(forward: Forward) -> Predict:
    def predict(fovs: np.ndarray) -> np.ndarray:
        result: np.ndarray = forward(torch.from_numpy(fovs)).numpy()
        return result

    return predict


def _one_launch(forward: Forward, shape: tuple[int, ...], precision: str) -> Predict:
    """`forward` recorded on the GPU for FOVs of `shape`, between buffers that the GPU reaches by itself."""
    sent = torch.zeros(shape).pin_memory()
    fovs_there = sent.cuda()
    torch.backends.cudnn.deterministic = True
    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.allow_tf32 = precision == "tensorfloat32"
    aside = torch.cuda.Stream()
    with torch.cuda.stream(aside):  # libraries are loaded by the first call, which cannot be recorded
        forward(fovs_there)
    aside.synchronize()
    recorded = torch.cuda.CUDAGraph()
    with torch.cuda.graph(recorded):
        updates_there = forward(fovs_there)
    received = torch.empty_like(updates_there, device="cpu").pin_memory()

    def predict(fovs: np.ndarray) -> np.ndarray:
        np.copyto(sent.numpy(), fovs)
        fovs_there.copy_(sent, non_blocking=True)
        recorded.replay()
        received.copy_(updates_there, non_blocking=True)
        torch.cuda.current_stream().synchronize()
        result: np.ndarray = received.numpy()
        return result

    return predict


if __name__ == "__main__":
    print(*(precisions() if torch.cuda.is_available() else ()))
