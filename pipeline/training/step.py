"""One step of training: loss, gradient, its mean over all ranks, the optimiser."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from typing import NamedTuple

import numpy as np

from pipeline.training.optimizers import Clip
from pipeline.training.ranks.averaging import Averaging

import keras  # isort: skip
import tensorflow as tf  # isort: skip


class Computed(NamedTuple):
    """What a rank computes by itself in a step."""

    pom: np.ndarray
    """Updated, (batch, z, y, x, 1) float32 logits."""
    loss: float
    """Mean over the voxels whose labels count."""
    own_is_finite: bool
    """Whether loss and gradient of this rank are."""
    gradient: tf.Tensor
    """By all weights in a row, float32; NaN all over where anything is not finite."""


class Ended(NamedTuple):
    """What is known at the end of a step."""

    all_are_finite: bool
    """Whether the mean gradient of all ranks is."""
    at_s: float
    """When all weights had changed, by time.monotonic()."""


Compute = Callable[[np.ndarray, np.ndarray], Computed]
"""(batch, z, y, x, 2) input and (batch, z, y, x, 1) labels, both float32 -> this rank's part in the step."""

Update = Callable[[tf.Tensor], tf.Tensor]
"""Takes this rank's gradient as one vector; changes the weights of all alike, tells if all are finite."""


class Step:
    """Steps of one rank, each in two parts: what comes next can be prepared while ranks average."""

    def __init__(
        self,
        compute: Compute,
        update: Update,
        talking: Callable[[], AbstractContextManager[None]] | None = None,
    ) -> None:
        """With `talking` ranks average in `update`, within a context of it and in a thread of its own."""
        self._compute, self._update = compute, update
        self._talking = talking or nullcontext
        self._beside = ThreadPoolExecutor(1, "update") if talking else None

    def begin(self, inputs: np.ndarray, labels: np.ndarray) -> Computed:
        """Compute, and leave the update under way; both arrays may be changed then."""
        computed = self._compute(inputs, labels)
        if self._beside is None:  # a rank that waits for nobody has nothing to gain from two threads
            self._under_way: Future[Ended] = Future()
            self._under_way.set_result(self._finish(computed.gradient))
        else:
            self._under_way = self._beside.submit(self._finish, computed.gradient)
        return computed

    def end(self) -> Ended:
        """The weights are changed now."""
        return self._under_way.result()

    def _finish(self, gradient: tf.Tensor) -> Ended:
        with self._talking():
            return Ended(bool(self._update(gradient)), time.monotonic())


def by_keras(model: keras.Model, some_ignored: bool = False) -> Compute:
    """Forward and backward as one TensorFlow graph; with `some_ignored`, labels may be NOT_COUNTED."""
    loss_of = mean_loss_of_known if some_ignored else mean_loss
    variables = model.trainable_variables

    @tf.function(autograph=False)
    def gradient_of(inputs: tf.Tensor, labels: tf.Tensor) -> tuple[tf.Tensor, ...]:
        with tf.GradientTape() as tape:
            pom = inputs[..., 1:] + model(inputs, training=True)
            loss = loss_of(labels, pom)
        gradients = tape.gradient(loss, [variable.value for variable in variables])
        flat = tf.concat([tf.reshape(gradient, [-1]) for gradient in gradients], axis=0)
        is_finite = tf.math.is_finite(loss) & all_finite(flat)
        return pom, loss, is_finite, tf.where(is_finite, flat, np.nan)

    shape = model.input_shape
    inputs = tf.TensorSpec(shape, tf.float32)
    labels = tf.TensorSpec((*shape[:-1], 1), tf.float32)
    compiled = gradient_of.get_concrete_function(inputs, labels)

    def compute(inputs: np.ndarray, labels: np.ndarray) -> Computed:
        pom, loss, is_finite, gradient = compiled(inputs, labels)
        return Computed(pom.numpy(), float(loss), bool(is_finite), gradient)

    return compute


def weights_update(
    model: keras.Model, optimizer: keras.optimizers.Optimizer, ranks: Averaging, clip: Clip
) -> Update:
    """A TensorFlow function of this rank's gradient: takes the optimiser's step by the mean of all ranks'.

    It returns whether that is finite. All gradients travel as one vector: one message a step, and one order
    of summation. Where a rank's part is not finite all of what it sends is to be NaN, so that every rank
    finds the mean not finite in the same step.
    """
    variables = model.trainable_variables
    sizes = [int(np.prod(variable.shape)) for variable in variables]

    # without AutoGraph, as no Python in it depends on a tensor: to convert Horovod's takes a second
    @tf.function(input_signature=[tf.TensorSpec([sum(sizes)], tf.float32)], autograph=False)
    def update(flat: tf.Tensor) -> tf.Tensor:
        flat = ranks.average(flat)
        all_are_finite = all_finite(flat)
        flat = clip(flat)
        parts = [tf.reshape(part, v.shape) for part, v in zip(tf.split(flat, sizes), variables)]
        optimizer.apply(parts, variables)
        return all_are_finite

    return update.get_concrete_function()


def all_finite(values: tf.Tensor) -> tf.Tensor:
    """Whether none of some floating-point numbers is NaN or infinite: one bool."""
    return tf.reduce_all(tf.math.is_finite(values))


def mean_loss(labels: tf.Tensor, pom: tf.Tensor) -> tf.Tensor:
    """Voxelwise sigmoid cross-entropy of a POM in logits, averaged over all voxels."""
    return tf.reduce_mean(tf.nn.sigmoid_cross_entropy_with_logits(labels=labels, logits=pom))


def mean_loss_of_known(labels: tf.Tensor, pom: tf.Tensor) -> tf.Tensor:
    """As `mean_loss`, over the voxels whose labels are not NOT_COUNTED; 0 where none is."""
    counted = tf.cast(labels >= 0, tf.float32)
    loss = tf.nn.sigmoid_cross_entropy_with_logits(labels=tf.maximum(labels, 0.0), logits=pom)
    return tf.reduce_sum(loss * counted) / tf.maximum(tf.reduce_sum(counted), 1.0)
