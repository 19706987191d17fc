"""A rank's part in a training step on CPUs: forward and backward by compiled code."""

from __future__ import annotations

import numpy as np
from scipy.special import expit

from pipeline.config import Network
from pipeline.ffn.winograd.gradient import DifferentiableNetwork
from pipeline.training.step import Compute, Computed

import keras  # isort: skip
import tensorflow as tf  # isort: skip


def by_winograd(network: Network, threads: int, model: keras.Model) -> Compute:
    """The same as `by_keras`, in float32: the gradient differs by rounding alone."""
    variables = model.trainable_variables

    @tf.function(input_signature=[], autograph=False)
    def all_weights() -> tf.Tensor:
        return tf.concat([tf.reshape(variable.value, [-1]) for variable in variables], axis=0)

    weights = all_weights.get_concrete_function()  # which function it is need not be found out in every step
    differentiable = DifferentiableNetwork(network, threads)

    def compute(inputs: np.ndarray, labels: np.ndarray) -> Computed:
        differentiable.set_weights(weights().numpy())
        pom, loss = flood(differentiable, inputs, labels)
        gradient = differentiable.gradient()
        is_finite = bool(np.isfinite(loss) and np.isfinite(gradient).all())
        if not is_finite:
            gradient[:] = np.nan
        return Computed(pom, loss, is_finite, tf.constant(gradient))

    return compute


def flood(network: DifferentiableNetwork, inputs: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, float]:
    """The updated POM and the mean loss of a batch, as in `Stepped`; adds its gradient to the network's.

    The loss is voxelwise sigmoid cross-entropy, averaged over the voxels whose labels are not NOT_COUNTED.
    """
    counted = labels >= 0
    share = np.float32(1 / max(np.count_nonzero(counted), 1))
    pom = np.empty_like(labels)
    loss = 0.0
    for fov, label, counts, to in zip(inputs, labels, counted, pom):
        to[..., 0] = fov[..., 1] + network.forward(fov)
        of_voxels = np.maximum(to, 0) - to * label + np.log1p(np.exp(-np.abs(to)))
        loss += float(np.sum(of_voxels, where=counts)) * float(share)
        network.backward(np.where(counts, (expit(to) - label) * share, np.float32(0)))
    return pom, loss
