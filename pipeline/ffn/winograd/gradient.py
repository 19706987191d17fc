"""The network and its gradient on CPUs, for training: forward.c and backward.c with their memory."""

from __future__ import annotations

import ctypes

import numpy as np

from pipeline.config import Network
from pipeline.ffn.winograd.compiled import NetworkStruct, library
from pipeline.ffn.winograd.memory import aligned, aligned_copy
from pipeline.ffn.winograd.transforms import POINTS, transform

VALUES = (2 * len(POINTS) + 1) ** 3
"""Of a kernel, at all points along three axes."""


class DifferentiableNetwork:
    """The network of given sizes, to be called forward and then backward for one FOV after the other.

    Weights and gradients are single vectors, float32: of conv0_a, conv0_b, conv1_a, and so on to conv_lom
    each kernel (z, y, x, in, out) and then its biases. The number of threads does not change a bit. Raises
    ValueError where `library(network)` is None.
    """

    def __init__(self, network: Network, threads: int) -> None:
        found = library(network)
        if found is None:
            raise ValueError(f"the compiled code is not for this CPU, or not for {network}")
        self._library, self._threads, self._shape = found, threads, network.fov
        features, depth = found.ffn_features(network.features), network.depth
        self._layers = _places(network, features)
        self._all = np.concatenate([np.ravel(places) for places in self._layers])
        self._transforms = aligned_copy(np.stack([transform(len(POINTS)), transform(len(POINTS) - 1)]))
        kernels = (2 * depth - 1) * VALUES * features**2
        self._kernels, self._turned = _floats(kernels), _floats(kernels)
        self._biases = _floats(2 * depth * features)
        self._network = NetworkStruct((ctypes.c_int * 3)(*network.fov), depth, features)
        numbers = found.ffn_weights(self._reference)
        self._weights, self._gradient = _floats(numbers), _floats(numbers)
        self._network.transforms = self._transforms.ctypes.data
        self._network.first = self._weights.ctypes.data
        self._network.kernels = self._kernels.ctypes.data
        self._network.biases = self._biases.ctypes.data
        self._network.last = self._weights[self._layers[-2].flat[0] :].ctypes.data
        layer = found.ffn_activations_bytes(self._reference)
        self._activations, self._slopes = aligned(2 * depth * layer), aligned(2 * layer)
        self._parts = aligned(found.ffn_parts_bytes(self._reference))
        self._scratch = aligned(found.ffn_training_scratch_bytes(self._reference) * threads)

    def set_weights(self, weights: np.ndarray) -> None:
        """Take other weights; the gradient is zero again."""
        self._weights[self._all] = weights
        self._gradient[:] = 0
        for places, to in zip(self._layers[1:-1:2], np.split(self._biases, 2 * self._network.depth)):
            to[: len(places)] = self._weights[places]
        self._network.last_bias = weights[-1]
        memory = self._weights, self._kernels, self._turned, self._scratch
        self._library.ffn_evaluate_kernels(self._reference, *_addresses(*memory), self._threads)

    def forward(self, fov: np.ndarray) -> np.ndarray:
        """What to add to the POM, (z, y, x) float32, for one FOV, (z, y, x, 2) float32."""
        self._fov = self._checked(fov, 2)
        update = np.empty(self._shape, np.float32)
        memory = self._fov, update, self._activations, self._scratch
        self._library.ffn_forward(self._reference, *_addresses(*memory), self._threads)
        return update

    def backward(self, slope: np.ndarray) -> None:
        """Add a loss's gradient, given that by the last update: `slope`, (z, y, x) float32."""
        slope = self._checked(slope, 1)
        memory = self._fov, slope, self._activations, self._turned, self._slopes, self._parts, self._gradient
        self._library.ffn_backward(self._reference, *_addresses(*memory, self._scratch), self._threads)

    def gradient(self) -> np.ndarray:
        """The sum over all calls of `backward` since the weights were set."""
        return self._gradient[self._all]

    @property
    def _reference(self) -> ctypes._CArgObject:
        return ctypes.byref(self._network)

    def _checked(self, array: np.ndarray, numbers: int) -> np.ndarray:
        # of any other shape the C code would read what is not there
        return np.ascontiguousarray(array, np.float32).reshape(*self._shape, numbers)


def _places(network: Network, features: int) -> list[np.ndarray]:
    """Where in the C code's vector, of `features` features, each layer's kernel and its biases are: ints."""
    shapes: list[tuple[int, ...]] = []
    wanted: list[tuple[int, ...]] = []
    for size, ins, outs in [(3, 2, 0), *[(3, 0, 0)] * (2 * network.depth - 1), (1, 0, 1)]:
        for count, to in ((features, shapes), (network.features, wanted)):
            to += [(size, size, size, ins or count, outs or count), (outs or count,)]
    ends = np.cumsum([int(np.prod(shape)) for shape in shapes])
    return [
        (np.arange(end - np.prod(shape), end).reshape(shape))[tuple(map(slice, part))]
        for end, shape, part in zip(ends, shapes, wanted)
    ]


def _floats(count: int) -> np.ndarray:
    return aligned(4 * count).view(np.float32)


def _addresses(*arrays: np.ndarray) -> list[int]:
    return [array.ctypes.data for array in arrays]
