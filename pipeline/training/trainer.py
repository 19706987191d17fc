"""One rank's training: flood its own examples, average gradients with the other ranks."""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable

import fastremap
import numpy as np

from pipeline.errors import InputError
from pipeline.ffn.network import build_network, network_variables  # sets the Keras backend
from pipeline.ffn.repeatable import make_tensorflow_repeatable
from pipeline.ffn.weights import read_weights
from pipeline.geometry import Box, Triple
from pipeline.run_folder import Run
from pipeline.training.checkpoint import Checkpoint
from pipeline.training.examples import Example, ExampleMaker, FovStream, TrainingVolume
from pipeline.training.finite import describe, describe_weights, find_fault, not_finite
from pipeline.training.metrics import Tally
from pipeline.training.precision import keras_policy
from pipeline.training.progress import Progress
from pipeline.training.ranks.horovod_ranks import Ranks
from pipeline.training.ranks.job import TrainingJob
from pipeline.training.schedule import learning_rate
from pipeline.training.training_log import TrainingLog
from pipeline.volumes import open_image, open_labels

import keras  # isort: skip
import tensorflow as tf  # isort: skip

MAX_GRADIENT = 0.7
"""Entries of the gradient are cut off here: floods of the first steps can end in huge logits."""

Step = Callable[[np.ndarray, np.ndarray], tuple[tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor]]
"""(batch, z, y, x, 2) input and (batch, z, y, x, 1) labels -> updated POM in logits, mean loss, whether loss
and gradient of this rank are finite, whether the mean gradient of all ranks is."""


def train_rank(job: TrainingJob) -> None:
    """Train to the job's last step, as the rank that the environment says."""
    training = job.run.config.training
    tf.config.threading.set_intra_op_parallelism_threads(training.threads_per_rank)
    # a site may allow more operations at a time, which changes no result
    tf.config.threading.set_inter_op_parallelism_threads(int(os.environ.get("TF_NUM_INTEROP_THREADS", "1")))
    make_tensorflow_repeatable()
    keras.utils.set_random_seed(job.run.config.seed)
    keras.mixed_precision.set_global_policy(keras_policy(training.precision))
    ranks = Ranks()
    Trainer(job, ranks).run()
    ranks.leave()


class Trainer:
    """The state of one rank: network, optimiser, examples, metrics.

    Training goes in rounds of `checkpoint_every_steps` steps. Every round starts new examples,
    made from (seed, round, rank, slot, number) alone, so that a training resumed from the
    checkpoint between two rounds is the same, bit by bit, as one that was never stopped.
    """

    def __init__(self, job: TrainingJob, ranks: Ranks) -> None:
        config = job.run.config
        self._job = job
        self._training = config.training
        self._ranks = ranks
        self._model = build_network(config.network, config.training.batch_size, config.seed)
        self._optimizer = keras.optimizers.Adam()
        self._optimizer.build(self._model.trainable_variables)
        self._examples = example_maker(job, ranks.rank, ranks.size)
        some_ignored = self._examples.volume.ignored is not None
        self._step = compile_step(self._model, self._optimizer, ranks, some_ignored)
        self._tally = Tally()

    def run(self) -> None:
        """Go on from the checkpoint, or from random weights, to the last step.

        Raises InputError, the same on all ranks, when loss, gradient or weights are not finite any more.
        """
        found = self._job.checkpoint() if self._ranks.rank == 0 else None
        progress = self._restore(found)
        log = self._open_log(found)
        while not self._job.is_complete(progress):
            self._round(progress, log)
            before, progress = progress, self._job.after_round(progress)
            self._require_finite_weights(progress.steps, kept_steps=before.steps)
            if log is not None:
                self._checkpoint(progress, log)

    def _round(self, progress: Progress, log: TrainingLog | None) -> None:
        """The round that follows on `progress`, on examples that no other round has seen any of."""
        config = self._job.run.config
        streams = [
            self._examples.stream((config.seed, progress.rounds, self._ranks.rank, slot), self._finished)
            for slot in range(self._training.batch_size * self._training.examples_in_turn)
        ]
        batch = Batch(streams, self._training.batch_size, config.network.fov)
        fovs_seen, step = progress.fovs_seen, progress.steps
        stop = step + self._job.steps_of_round(progress)
        began, reported = time.monotonic(), fovs_seen
        while step < stop:
            self._optimizer.learning_rate = learning_rate(self._training, fovs_seen)
            pom, loss, own_is_finite, all_are_finite = self._step(batch.inputs, batch.labels)
            if not all_are_finite:  # so it is on every rank: what is not finite has spread in the mean
                fault = ""
                if not own_is_finite:
                    fault = str(find_fault(self._ranks.rank, float(loss), pom.numpy(), batch.centres))
                raise InputError(describe(step + 1, self._ranks.gather(fault), progress.steps))
            batch.advance(pom.numpy())
            self._tally.add_step(float(loss))
            step, fovs_seen = step + 1, fovs_seen + self._job.fovs_per_step
            if step % self._training.report_every_steps == 0 or step == stop:
                rate = (fovs_seen - reported) / (time.monotonic() - began)
                self._report(step, fovs_seen, rate, log)
                began, reported = time.monotonic(), fovs_seen

    def _require_finite_weights(self, steps: int, kept_steps: int) -> None:
        """All ranks have the same weights, so that all raise InputError or none does."""
        names = not_finite(
            {v.path: np.asarray(v) for v in (*self._model.variables, *self._optimizer.variables)}
        )
        if names:
            raise InputError(describe_weights(steps, names, kept_steps))

    def _finished(self, example: Example) -> None:
        self._tally.add_example(example)

    def _report(self, step: int, fovs_seen: int, fovs_per_s: float, log: TrainingLog | None) -> None:
        """Sum the interval's metrics over all ranks; rank 0 logs them."""
        tally = Tally.from_vector(self._ranks.total(self._tally.as_vector()))
        self._tally = Tally()
        if log is not None:
            log.append(
                {
                    "step": step,
                    "fovs_seen": fovs_seen,
                    **tally.scores(),
                    "learning_rate": float(self._optimizer.learning_rate),
                    "fovs_per_s": round(fovs_per_s, 2),
                }
            )

    def _restore(self, found: Checkpoint | None) -> Progress:
        """Give every rank the state in rank 0's checkpoint, or its first weights; returns the progress."""
        start_from = self._training.start_from
        if found is None and start_from is not None and self._ranks.rank == 0:
            assign_weights(self._model, read_weights(start_from, self._job.run.config.network))
        if found is not None:
            assign_weights(self._model, found.weights)
            for variable, value in zip(self._optimizer.variables, found.optimizer):
                variable.assign(value)
        self._ranks.broadcast([*self._model.variables, *self._optimizer.variables])
        progress = found.progress if found else Progress()
        return Progress.from_json(self._ranks.gather(progress.to_json())[0])

    def _checkpoint(self, progress: Progress, log: TrainingLog) -> None:
        optimizer = [np.asarray(variable) for variable in self._optimizer.variables]
        weights = network_variables(self._model)
        checkpoint = Checkpoint(self._job.lineage, progress, weights, optimizer, log.entries)
        checkpoint.save(self._job.run.checkpoint_file)

    def _open_log(self, found: Checkpoint | None) -> TrainingLog | None:
        """Rank 0's log."""
        run = self._job.run
        if self._ranks.rank != 0:
            return None
        return TrainingLog(
            run.training_log, run.logs_folder / "tensorboard", found.log_entries if found else ()
        )


class Batch:
    """The FOVs of one step, as the arrays that the network takes; all streams take turns in giving them."""

    def __init__(self, streams: list[FovStream], size: int, fov: Triple) -> None:
        self._waiting = deque((stream, next(stream)) for stream in streams)
        self._shown: list[FovStream] = []
        self.centres: list[Triple] = []
        self.inputs = np.empty((size, *fov, 2), np.float32)
        self.labels = np.empty((size, *fov, 1), np.float32)
        self._show()

    def advance(self, pom: np.ndarray) -> None:
        """Give the streams shown their updated POM, (batch, z, y, x, 1) logits, and show the next ones."""
        for slot, stream in enumerate(self._shown):
            self._waiting.append((stream, stream.send(pom[slot, ..., 0])))
        self._show()

    def _show(self) -> None:
        self._shown, self.centres = [], []
        for slot in range(len(self.inputs)):
            stream, fov = self._waiting.popleft()
            self._shown.append(stream)
            self.centres.append(fov.centre)
            self.inputs[slot, ..., 0] = fov.image
            self.inputs[slot, ..., 1] = fov.pom
            self.labels[slot, ..., 0] = fov.labels


def compile_step(
    model: keras.Model, optimizer: keras.optimizers.Optimizer, ranks: Ranks, some_ignored: bool = False
) -> Step:
    """The training step as one TensorFlow graph; with `some_ignored`, labels may be NOT_COUNTED.

    All gradients travel as one vector: one message a step, and one order of summation. Where a rank's part is
    not finite all of what it sends is NaN, so that every rank finds the mean not finite in the same step.
    """
    loss_of = mean_loss_of_known if some_ignored else mean_loss
    variables = model.trainable_variables
    sizes = [int(np.prod(variable.shape)) for variable in variables]

    @tf.function
    def step(inputs: tf.Tensor, labels: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor]:
        with tf.GradientTape() as tape:
            pom = inputs[..., 1:] + model(inputs, training=True)
            loss = loss_of(labels, pom)
        gradients = tape.gradient(loss, [variable.value for variable in variables])
        flat = tf.concat([tf.reshape(gradient, [-1]) for gradient in gradients], axis=0)
        own_is_finite = tf.math.is_finite(loss) & all_finite(flat)
        flat = ranks.average(tf.where(own_is_finite, flat, np.nan))
        all_are_finite = all_finite(flat)
        flat = tf.clip_by_value(flat, -MAX_GRADIENT, MAX_GRADIENT)
        parts = [tf.reshape(part, v.shape) for part, v in zip(tf.split(flat, sizes), variables)]
        optimizer.apply(parts, variables)
        return pom, loss, own_is_finite, all_are_finite

    shape = model.input_shape
    inputs = tf.TensorSpec(shape, tf.float32)
    labels = tf.TensorSpec((*shape[:-1], 1), tf.float32)
    return step.get_concrete_function(inputs, labels)


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


def assign_weights(model: keras.Model, weights: dict[str, np.ndarray]) -> None:
    """Set the network's weights by name."""
    for layer in model.layers:
        for variable in layer.weights:
            variable.assign(weights[f"{layer.name}/{variable.name}"])


def example_maker(job: TrainingJob, rank: int, ranks: int) -> ExampleMaker:
    """Examples around every `ranks`-th coordinate from the `rank`-th on: no two ranks share a row."""
    config = job.run.config
    coordinates = np.load(job.coordinates)[rank::ranks]
    return ExampleMaker(
        read_training_volume(job.run),
        coordinates,
        config.network,
        config.training,
    )


def read_training_volume(run: Run) -> TrainingVolume:
    """Image and labels of the training box."""
    box = run.config.training.box
    assert isinstance(box, Box), "a resolved configuration has a training box"
    # only equality of labels counts, and small numbers need less memory than ids of 64 bits
    volume = open_labels(run)
    labels, _ = fastremap.renumber(volume.read(box), preserve_zero=True, in_place=True)
    ignored = volume.ignored(box)
    return TrainingVolume(
        box, open_image(run).read(box), labels, *run.normalisation, ignored if ignored.any() else None
    )
