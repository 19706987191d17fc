"""What becomes of a gradient: how it is clipped, and the optimiser, Keras's, that it is given to."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pipeline.config import Training

import keras  # isort: skip
import tensorflow as tf  # isort: skip

Clip = Callable[[tf.Tensor], tf.Tensor]
"""Takes the mean gradient of all ranks as one vector, and gives it back with what is too much cut off."""


def make_optimizer(training: Training) -> keras.optimizers.Optimizer:
    """The optimiser of `training.optimizer`; its rate is set before every step."""
    given: dict[str, Any] = {}
    if training.ema is not None:
        given |= {"use_ema": True, "ema_momentum": training.ema}
    if training.momentum is not None:
        given["momentum"] = training.momentum
    if training.weight_decay is not None:
        given["weight_decay"] = training.weight_decay
    makers = {
        "adam": keras.optimizers.Adam,
        "adamw": keras.optimizers.AdamW,
        "sgd": keras.optimizers.SGD,
        "lamb": keras.optimizers.Lamb,
    }
    return makers[training.optimizer](**given)


def clip_of(training: Training) -> Clip:
    """Clips entries to `training.clip_value`, then the whole gradient to `training.clip_norm`."""

    def clip(flat: tf.Tensor) -> tf.Tensor:
        if training.clip_value is not None:
            flat = tf.clip_by_value(flat, -training.clip_value, training.clip_value)
        return flat if training.clip_norm is None else tf.clip_by_norm(flat, training.clip_norm)

    return clip
