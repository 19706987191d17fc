"""One rank's training: flood its own examples, average gradients with the other ranks."""

from __future__ import annotations

import os

import fastremap
import numpy as np

from pipeline.errors import InputError
from pipeline.ffn.network import assign_weights, build_network, network_variables  # sets the Keras backend
from pipeline.ffn.repeatable import make_tensorflow_repeatable
from pipeline.ffn.weights import read_weights
from pipeline.geometry import Box
from pipeline.run_folder import Run
from pipeline.training.batch import Batch
from pipeline.training.checkpoint import Checkpoint
from pipeline.training.examples import Example, ExampleMaker, TrainingVolume
from pipeline.training.finite import describe, describe_weights, find_fault, not_finite
from pipeline.training.metrics import Tally
from pipeline.training.precision import shared_policy
from pipeline.training.progress import Progress
from pipeline.training.ranks.averaging import Alone, average_variables
from pipeline.training.ranks.horovod_ranks import Ranks
from pipeline.training.ranks.job import TrainingJob
from pipeline.training.sampling import read_coordinates
from pipeline.training.schedule import learning_rate
from pipeline.training.step import compile_step
from pipeline.training.step_times import StepTimes
from pipeline.training.training_log import TrainingLog
from pipeline.volumes import open_image, open_labels

import keras  # isort: skip
import tensorflow as tf  # isort: skip


def train_rank(job: TrainingJob) -> None:
    """Train to the job's last step, as the rank that the environment says."""
    training = job.run.config.training
    tf.config.threading.set_intra_op_parallelism_threads(training.threads_per_rank)
    # a site may allow more operations at a time, which changes no result
    tf.config.threading.set_inter_op_parallelism_threads(int(os.environ.get("TF_NUM_INTEROP_THREADS", "1")))
    make_tensorflow_repeatable()
    keras.utils.set_random_seed(job.run.config.seed)
    ranks = Ranks()
    keras.mixed_precision.set_global_policy(shared_policy(job, ranks))
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
        coordinates, self._left_out = read_coordinates(job.run, job.coordinates)
        self._examples = example_maker(job, coordinates[ranks.rank :: ranks.size])
        some_ignored = self._examples.volume.ignored is not None
        in_every_step = config.training.local_steps == 1
        self._step = compile_step(
            self._model, self._optimizer, ranks if in_every_step else Alone(), some_ignored
        )
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
        times, fault = StepTimes(), ""
        while step < stop:
            times.begin()
            self._optimizer.learning_rate = learning_rate(self._training, fovs_seen)
            pom, loss, own_is_finite, all_are_finite = self._step(batch.inputs, batch.labels)
            if not all_are_finite and not own_is_finite and not fault:
                fault = str(find_fault(self._ranks.rank, float(loss), pom.numpy(), batch.centres))
            if (step + 1) % self._training.local_steps == 0 or step + 1 == stop:
                if self._training.local_steps > 1:
                    all_are_finite = self._average(is_end=step + 1 == stop)
                if not all_are_finite:  # so it is on every rank: what is not finite has spread in the mean
                    raise InputError(describe(step + 1, self._ranks.gather(fault), progress.steps))
            batch.advance(pom.numpy())
            self._tally.add_step(float(loss))
            step, fovs_seen = step + 1, fovs_seen + self._job.fovs_per_step
            times.end()
            if step % self._training.report_every_steps == 0 or step == stop:
                self._report(step, fovs_seen, times.take(self._job.fovs_per_step), log)

    def _average(self, is_end: bool) -> bool:
        """Give all ranks the mean of their weights, and whether it is finite.

        At the end of a round the optimiser's state is averaged too: a checkpoint holds that of all ranks.
        """
        own = self._optimizer.variables if is_end else []
        return average_variables([*self._model.trainable_variables, *own], self._ranks)

    def _require_finite_weights(self, steps: int, kept_steps: int) -> None:
        """All ranks have the same weights, so that all raise InputError or none does."""
        names = not_finite(
            {v.path: np.asarray(v) for v in (*self._model.variables, *self._optimizer.variables)}
        )
        if names:
            raise InputError(describe_weights(steps, names, kept_steps))

    def _finished(self, example: Example) -> None:
        self._tally.add_example(example)

    def _report(self, step: int, fovs_seen: int, speed: dict[str, float], log: TrainingLog | None) -> None:
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
                    **speed,
                    **({"coordinates_left_out": self._left_out} if self._left_out else {}),
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
        precision = keras.mixed_precision.global_policy().name
        checkpoint = Checkpoint(self._job.lineage, progress, weights, optimizer, log.entries, precision)
        checkpoint.save(self._job.run.checkpoint_file)

    def _open_log(self, found: Checkpoint | None) -> TrainingLog | None:
        """Rank 0's log."""
        run = self._job.run
        if self._ranks.rank != 0:
            return None
        return TrainingLog(
            run.training_log, run.logs_folder / "tensorboard", found.log_entries if found else ()
        )


def example_maker(job: TrainingJob, coordinates: np.ndarray) -> ExampleMaker:
    """Examples around a rank's own coordinates."""
    config = job.run.config
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
