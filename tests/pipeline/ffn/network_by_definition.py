"""The network and its gradient in float64, by the definition of its convolutions."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import correlate

from pipeline.config import Network


def random_weights(network: Network, seed: int = 0) -> dict[str, np.ndarray]:
    """Weights with which activations neither grow nor vanish from layer to layer."""
    rng, weights = np.random.default_rng(seed), {}
    layers = [(f"conv{i}_{part}", 3, network.features) for i in range(network.depth) for part in "ab"]
    for name, size, outputs in [*layers, ("conv_lom", 1, 1)]:
        inputs = 2 if name == "conv0_a" else network.features
        kernel = rng.normal(0, np.sqrt(1 / (size**3 * inputs)), (size, size, size, inputs, outputs))
        weights[f"{name}/kernel"] = kernel.astype(np.float32)
        weights[f"{name}/bias"] = rng.normal(0, 0.1, outputs).astype(np.float32)
    return weights


def decided_weights(network: Network, seed: int = 0) -> dict[str, np.ndarray]:
    """Random weights by which hardly any activation is so near to zero that rounding decides its ReLU."""
    rng, weights = np.random.default_rng(seed), random_weights(network, seed)
    for name, values in weights.items():
        if name.endswith("bias"):
            values[:] = rng.choice([-3, 3], values.shape)
        else:
            values /= 6
    return weights


def by_definition(weights: dict[str, np.ndarray], network: Network, fov: np.ndarray) -> np.ndarray:
    """The update of the POM, (z, y, x, 1), for one FOV, (z, y, x, 2)."""
    return activations(weights, network, fov)["conv_lom"]


def activations(weights: dict[str, np.ndarray], network: Network, fov: np.ndarray) -> dict[str, np.ndarray]:
    """What each layer gives; at the end of a residual module that is its sum with what came before."""

    def conv(x: np.ndarray, name: str) -> np.ndarray:
        return filtered(x, weights[f"{name}/kernel"].astype(np.float64)) + weights[f"{name}/bias"]

    inner = conv(fov.astype(np.float64), "conv0_a")
    net = conv(relu(inner), "conv0_b")
    found = {"conv0_a": inner, "conv0_b": net}
    for i in range(1, network.depth):
        inner = conv(relu(net), f"conv{i}_a")
        net = net + conv(relu(inner), f"conv{i}_b")
        found |= {f"conv{i}_a": inner, f"conv{i}_b": net}
    return {**found, "conv_lom": conv(relu(net), "conv_lom")}


def gradient_by_definition(
    weights: dict[str, np.ndarray], network: Network, fov: np.ndarray, slope: np.ndarray
) -> dict[str, np.ndarray]:
    """By each weight, of a loss whose gradient by the update of the POM is `slope`, (z, y, x)."""
    found = activations(weights, network, fov)
    gradient = {}

    def back(slopes: np.ndarray, name: str, data: np.ndarray) -> np.ndarray:
        """Through a layer, whose input is relu(data)."""
        kernel = weights[f"{name}/kernel"].astype(np.float64)
        gradient[f"{name}/kernel"] = kernel_gradient(relu(data), slopes, len(kernel))
        gradient[f"{name}/bias"] = slopes.sum(axis=(0, 1, 2))
        return filtered(slopes, kernel[::-1, ::-1, ::-1].swapaxes(3, 4)) * (data > 0)

    slopes = back(slope[..., np.newaxis], "conv_lom", found[f"conv{network.depth - 1}_b"])
    for i in range(network.depth - 1, 0, -1):
        inner = back(slopes, f"conv{i}_b", found[f"conv{i}_a"])
        slopes = slopes + back(inner, f"conv{i}_a", found[f"conv{i - 1}_b"])
    inner = back(slopes, "conv0_b", found["conv0_a"])
    gradient["conv0_a/kernel"] = kernel_gradient(fov.astype(np.float64), inner, 3)
    gradient["conv0_a/bias"] = inner.sum(axis=(0, 1, 2))
    return gradient


def kernel_gradient(data: np.ndarray, slopes: np.ndarray, size: int) -> np.ndarray:
    """Of the kernel of a convolution of `data` whose results have the gradient `slopes`."""
    z, y, x = slopes.shape[:3]
    padded = np.pad(data, [(size // 2, size // 2)] * 3 + [(0, 0)])
    taps = [
        np.einsum("zyxi,zyxo->io", padded[k : k + z, j : j + y, i : i + x], slopes, optimize=True)
        for k, j, i in np.ndindex(size, size, size)
    ]
    return np.reshape(taps, (size, size, size, data.shape[-1], slopes.shape[-1]))


def filtered(x: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """(z, y, x, in) by a kernel (z, y, x, in, out); zero beyond the edges."""
    outputs = [
        sum(correlate(x[..., i], kernel[..., i, o], mode="constant") for i in range(x.shape[-1]))
        for o in range(kernel.shape[-1])
    ]
    return np.stack(outputs, axis=-1)


def relu(x: np.ndarray) -> np.ndarray:
    return np.maximum(x, 0)
