"""One rank's training: flood its own examples, average gradients with the other ranks."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from pipeline.errors import Untrainable
from pipeline.ffn.network import build_network  # sets the Keras backend
from pipeline.ffn.repeatable import make_tensorflow_repeatable
from pipeline.results.artifacts import remove
from pipeline.training.batch import Batch
from pipeline.training.checkpoint import Checkpoint
from pipeline.training.dealing import Dealer
from pipeline.training.example import Example
from pipeline.training.examples import ExampleMaker, ExampleStream
from pipeline.training.finite import describe, find_fault
from pipeline.training.in_hand import InHand
from pipeline.training.keeping import Keeper
from pipeline.training.metrics import Tally
from pipeline.training.optimizers import clip_of, make_optimizer
from pipeline.training.pictures import Pictures, side_by_side
from pipeline.training.precision import shared_policy, uses_winograd
from pipeline.training.progress import Progress
from pipeline.training.ranks.averaging import Alone, average_variables
from pipeline.training.ranks.horovod_ranks import Ranks
from pipeline.training.ranks.job import TrainingJob
from pipeline.training.sampling import read_coordinates
from pipeline.training.schedule import learning_rate
from pipeline.training.shares import Shares, weighted
from pipeline.training.step import Step, by_keras, weights_update
from pipeline.training.step_times import StepTimes
from pipeline.training.training_log import TrainingLog
from pipeline.training.training_volume import open_training_volumes
from pipeline.training.waiting import InputClock
from pipeline.training.winograd_step import by_winograd

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


class AllRanks(NamedTuple):
    """What a report tells every rank."""

    is_due: bool
    """A checkpoint."""
    taken: tuple[int, ...]
    """Coordinates that each rank has taken of the round's deal, if they are dealt."""
    busy_s: Sequence[float]
    """Seconds of the interval in which each did not wait for others, where shares are measured."""


class Trainer:
    """The state of one rank: network, optimiser, examples, metrics.

    Training goes in rounds of `checkpoint_every_steps` steps. Every round starts new examples,
    made from (seed, round, rank, slot, number) alone, and a checkpoint within a round keeps how far they are,
    so that a training that is resumed is the same, bit by bit, as one that was never stopped.
    """

    def __init__(self, job: TrainingJob, ranks: Ranks) -> None:
        config = job.run.config
        self._job = job
        self._training = config.training
        self._ranks = ranks
        self._shares = Shares(config.training, ranks.rank)
        batch_size = None if self._shares.are_measured else config.training.batch_size
        self._model = build_network(config.network, batch_size, config.seed)
        self._optimizer = make_optimizer(config.training)
        self._optimizer.build(self._model.trainable_variables)
        coordinates, self._left_out = read_coordinates(job.run, job.coordinates)
        share = coordinates if config.training.epochs else coordinates[ranks.rank :: ranks.size]
        volumes = open_training_volumes(job.run)
        self._examples = ExampleMaker(volumes, share, config.network, config.training)
        self._step = self._open_step()
        self._tally = Tally()
        self._input_clock = InputClock()
        show = config.training.pictures and ranks.rank == 0
        self._pictures = Pictures(job.run.logs_folder / "pictures") if show else None
        self._keeper = Keeper(job, ranks, self._model, self._optimizer)

    def run(self) -> None:
        """Go on from the checkpoint, or from random weights, to the job's last step.

        Raises Untrainable, the same on all ranks, when loss, gradient or weights are not finite any more.
        """
        found = self._job.checkpoint() if self._ranks.rank == 0 else None
        progress, in_hand = self._keeper.restore(found)
        log = self._open_log(found)
        while not self._job.is_complete(progress):
            taken = self._round(progress, log, in_hand)
            if self._job.stops_within_round(progress):
                break
            progress, in_hand = self._job.after_round(replace(progress, taken=taken)), None
            self._keeper.keep(progress, log)
        if self._pictures is not None:
            self._pictures.finish()

    def _round(self, progress: Progress, log: TrainingLog | None, in_hand: InHand | None) -> tuple[int, ...]:
        """The round that follows on `progress`, on examples that no other round has seen any of.

        Or, of a round that is under way, what is left of it, with the examples that it has `in_hand`; where
        the job stops within it, what comes before, and a checkpoint. Returns how many coordinates each rank
        has taken of the round's deal, if they are dealt.
        """
        config = self._job.run.config
        examples = replace(self._examples, dealer=self._dealer(progress))
        places = self._training.batch_size * self._training.examples_in_turn
        key = config.seed, progress.rounds, self._ranks.rank
        with self._input_clock.waiting():
            streams = {
                slot: ExampleStream(examples, (*key, slot), self._finished, at)
                for slot, at in (in_hand.streams if in_hand else dict.fromkeys(range(places))).items()
            }
            fovs = [stream.fovs() for stream in streams.values()]
            batch = Batch(fovs, self._shares.own, config.network.fov)
        fovs_seen, step = progress.fovs_seen, progress.steps
        stop, end = step + self._job.steps_to_stop(progress), step + self._job.steps_of_round(progress)
        times, fault = StepTimes(), ""
        while step < stop:
            times.begin()
            self._optimizer.learning_rate = learning_rate(self._training, fovs_seen)
            found = self._step.begin(batch.inputs, batch.labels)
            if not found.own_is_finite and not fault:
                fault = str(find_fault(self._ranks.rank, found.loss, found.pom, batch.centres))
            is_last_of_interval = (step + 1) % self._training.report_every_steps == 0 or step + 1 == stop
            if self._pictures is not None and is_last_of_interval:
                self._pictures.add(step + 1, side_by_side(batch.inputs[0], batch.labels[0], found.pom[0]))
            batch.advance(found.pom)  # while ranks average
            ready_s = time.monotonic()
            with times.waiting():
                all_are_finite, updated_s = self._step.end()
            self._input_clock.add(ready_s - updated_s)
            if (step + 1) % self._training.local_steps == 0 or step + 1 == stop:
                if self._training.local_steps > 1:
                    all_are_finite = self._average(is_end=step + 1 == stop)
                if not all_are_finite:  # so it is on every rank: what is not finite has spread in the mean
                    raise Untrainable(describe(step + 1, self._ranks.gather(fault), self._keeper.kept_steps))
            self._tally.add_step(found.loss * self._shares.weight)
            step, fovs_seen = step + 1, fovs_seen + self._job.fovs_per_step
            times.end()
            if is_last_of_interval:
                busy_s, speed = times.busy_s, times.take(self._job.fovs_per_step)
                all_ranks = self._report(step, fovs_seen, speed, busy_s, log, examples.dealer)
                if (all_ranks.is_due or step == stop) and step < end and self._training.local_steps == 1:
                    so_far = self._job.after_steps(progress, step - progress.steps)
                    slots = list(streams)
                    held = {slots[index]: streams[slots[index]].whereabouts for index in batch.order}
                    self._keeper.keep(replace(so_far, taken=all_ranks.taken), log, InHand(held))
                if self._shares.are_measured:
                    self._shares.agree(all_ranks.busy_s)
                    batch.resize(self._shares.own)
        return all_ranks.taken

    def _average(self, is_end: bool) -> bool:
        """Give all ranks the mean of their weights, and whether it is finite.

        At the end of a round the optimiser's state is averaged too: a checkpoint holds that of all ranks.
        """
        own = self._optimizer.variables if is_end else []
        return average_variables([*self._model.trainable_variables, *own], self._ranks)

    def _open_step(self) -> Step:
        network, training = self._job.run.config.network, self._training
        policy = keras.mixed_precision.global_policy().name
        averaging = self._ranks if training.local_steps == 1 else Alone()
        update = weights_update(self._model, self._optimizer, averaging, clip_of(training))
        if self._shares.are_measured:
            update = weighted(update, self._shares)
        engine = "winograd" if uses_winograd(training, network, policy) else "keras"
        self._computed_by = {"engine": engine, "dtype_policy": policy}
        if engine == "winograd":
            print("winograd computes the network, in float32", flush=True)
            compute = by_winograd(network, training.threads_per_rank, self._model)
        else:
            print(f"TensorFlow computes the network, in {policy}", flush=True)
            compute = by_keras(self._model, any(one.ignored is not None for one in self._examples.volumes))
        average_here = self._ranks.size > 1 and training.local_steps == 1
        return Step(compute, update, self._ranks.talking if average_here else None)

    def _dealer(self, progress: Progress) -> Dealer | None:
        """Who deals this rank its coordinates in the round, if they are dealt."""
        if not self._training.epochs:
            return None
        taken = progress.taken[self._ranks.rank] if progress.taken else 0
        return Dealer(
            progress.deal,
            self._ranks.rank,
            self._ranks.size,
            len(self._examples.coordinates),
            self._job.run.config.seed,
            taken,
        )

    def _finished(self, example: Example) -> None:
        self._tally.add_example(example)

    def _report(
        self,
        step: int,
        fovs_seen: int,
        speed: dict[str, float],
        busy_s: float,
        log: TrainingLog | None,
        dealer: Dealer | None,
    ) -> AllRanks:
        """Bring together what the ranks have of the interval; rank 0 logs it."""
        own = [self._input_clock.share(), dealer.taken if dealer else 0, busy_s]
        every = np.zeros((3, self._ranks.size))
        every[:, self._ranks.rank] = own
        vector = np.concatenate([[self._keeper.is_due], every.ravel(), self._tally.as_vector()])
        [due], every, sums = np.split(self._ranks.total(vector), [1, 1 + every.size])
        waits, taken, busy = every.reshape(3, -1)
        tally, self._tally = Tally.from_vector(sums), Tally()
        print(f"step {step}: {own[0]:.2%} of the time since the last line this rank waited for input")
        if log is not None:
            log.append(
                {
                    "step": step,
                    "fovs_seen": fovs_seen,
                    "lineage": self._job.lineage,
                    **tally.scores(),
                    "learning_rate": float(self._optimizer.learning_rate),
                    **speed,
                    **self._computed_by,
                    "input_wait_share": round(float(waits.mean()), 4),
                    "input_wait_most": round(float(waits.max()), 4),
                    "input_wait_rank": int(waits.argmax()),
                    **({"shares": list(self._shares.of_ranks)} if self._shares.are_measured else {}),
                    **({"coordinates_left_out": self._left_out} if self._left_out else {}),
                }
            )
        return AllRanks(bool(due), tuple(map(int, taken)) if dealer else (), busy.tolist())

    def _open_log(self, found: Checkpoint | None) -> TrainingLog | None:
        """Rank 0's log; of a training that begins, pictures of another one are gone too."""
        run = self._job.run
        if self._ranks.rank != 0:
            return None
        log = TrainingLog(
            run.training_log, run.logs_folder / "tensorboard", found.log_entries if found else ()
        )
        if found is None:
            remove(run.logs_folder / "pictures")
        return log
