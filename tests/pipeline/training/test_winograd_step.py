"""A step by the compiled code is the step that TensorFlow takes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.config import Network, RunConfig, Training
from pipeline.errors import InputError
from pipeline.ffn.network import assign_weights, build_network
from pipeline.ffn.winograd.gradient import DifferentiableNetwork
from pipeline.run_folder import Run
from pipeline.training.checkpoint import Checkpoint
from pipeline.training.example import NOT_COUNTED
from pipeline.training.precision import uses_winograd
from pipeline.training.progress import Progress, Stretch
from pipeline.training.ranks.job import TrainingJob
from pipeline.training.step import mean_loss_of_known
from pipeline.training.winograd_step import flood
from tests.pipeline.ffn.network_by_definition import decided_weights, random_weights
from tests.pipeline.ffn.winograd_instructions import needs_compiled

import tensorflow as tf  # isort: skip

BATCH = 2


def shown(network: Network, some_ignored: bool) -> tuple[np.ndarray, np.ndarray]:
    """A batch of floods on their way: inputs and labels."""
    rng = np.random.default_rng(3)
    inputs = rng.standard_normal((BATCH, *network.fov, 2)).astype(np.float32)
    z = np.arange(network.fov[0])[:, np.newaxis, np.newaxis, np.newaxis]
    labels = np.broadcast_to(np.where(z < network.fov[0] // 2 + 2, 0.95, 0.05), (BATCH, *network.fov, 1))
    inputs[..., 1:] = np.where(rng.random(labels.shape) < 0.8, 3, -3) * (2 * labels - 1)
    labels = labels.astype(np.float32)
    if some_ignored:
        labels[0, :, :4] = NOT_COUNTED
    return inputs, labels


@needs_compiled
@pytest.mark.parametrize("some_ignored", [False, True])
@pytest.mark.parametrize(
    "network",
    [
        Network(fov=(9, 9, 9), deltas=(2, 2, 2), depth=2, features=4),
        Network(fov=(13, 13, 13), deltas=(3, 3, 3), depth=5, features=16),
        Network(fov=(9, 17, 17), deltas=(2, 4, 4), depth=3, features=24),
        Network(fov=(17, 17, 17), deltas=(4, 4, 4), depth=4, features=32),
    ],
)
def test_pom_loss_and_gradient_are_those_of_tensorflow(network: Network, some_ignored: bool) -> None:
    inputs, labels = shown(network, some_ignored)
    model = build_network(network, BATCH)
    assign_weights(model, decided_weights(network))
    with tf.GradientTape() as tape:
        expected_pom = inputs[..., 1:] + model(inputs)
        expected_loss = mean_loss_of_known(labels, expected_pom)
    gradients = tape.gradient(expected_loss, [variable.value for variable in model.trainable_variables])
    expected = np.concatenate([np.ravel(gradient) for gradient in gradients])

    compiled = DifferentiableNetwork(network, threads=2)
    compiled.set_weights(np.concatenate([np.ravel(variable) for variable in model.trainable_variables]))
    pom, loss = flood(compiled, inputs, labels)
    np.testing.assert_allclose(pom, expected_pom, atol=1e-3)
    np.testing.assert_allclose(loss, float(expected_loss), rtol=1e-5)
    assert np.linalg.norm(compiled.gradient() - expected) < 1e-4 * np.linalg.norm(expected)


@needs_compiled
def test_a_training_that_goes_on_in_bfloat16_is_not_computed_in_float32_unsaid(tmp_path: Path) -> None:
    """A start that would go on so is refused before anything runs."""
    network = Network(fov=(5, 5, 5), deltas=(1, 1, 1), depth=2, features=8)
    assert uses_winograd(Training(engine="winograd"), network, "float32")
    assert not uses_winograd(Training(), network, "mixed_bfloat16")

    def job(**training: Any) -> TrainingJob:
        run = Run(tmp_path, RunConfig(network=network, training=Training(fovs=800, **training)))
        return TrainingJob(run, tmp_path / "coordinates.npy", "a training")

    progress = Progress(1, 50, (Stretch(400, ranks=2, threads_per_rank=1),))
    path = job().run.checkpoint_file
    path.parent.mkdir()
    Checkpoint(
        "a training", progress, random_weights(network), [np.zeros(1)], precision="mixed_bfloat16"
    ).save(path)
    assert job().checkpoint() is not None
    assert job(engine="winograd", precision="float32").checkpoint() is None
    with pytest.raises(InputError, match="begun in mixed_bfloat16 and goes on in it: leave the"):
        job(engine="winograd").checkpoint()


@needs_compiled
def test_where_no_voxel_is_known_loss_and_gradient_are_zero() -> None:
    network = Network(fov=(5, 5, 5), deltas=(1, 1, 1), depth=2, features=8)
    compiled = DifferentiableNetwork(network, threads=1)
    compiled.set_weights(np.concatenate([values.ravel() for values in random_weights(network).values()]))
    inputs = np.random.default_rng(1).standard_normal((1, 5, 5, 5, 2)).astype(np.float32)
    _, loss = flood(compiled, inputs, np.full((1, 5, 5, 5, 1), NOT_COUNTED, np.float32))
    assert loss == 0
    assert not compiled.gradient().any()
