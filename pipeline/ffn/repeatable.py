"""TensorFlow as this project wants it: the same bits each time."""

from __future__ import annotations

import tensorflow as tf


def make_tensorflow_repeatable() -> None:
    """Compute in ways that give the same bits in every process on the same kind of device.

    Otherwise each process chooses among a GPU's algorithms by how fast they happened to be.
    """
    tf.config.experimental.enable_op_determinism()
    # TensorFlow 2.18's remapper gives up on our graph, with an error message on every start.
    tf.config.optimizer.set_experimental_options({"remapping": False})
