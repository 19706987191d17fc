"""Keeper: what all ranks do together so that a training goes on from where it was kept."""

from __future__ import annotations

import logging
import time

import numpy as np

from pipeline.errors import Untrainable
from pipeline.ffn.network import assign_weights, network_variables  # sets the Keras backend
from pipeline.ffn.weights import read_weights
from pipeline.training.checkpoint import Checkpoint
from pipeline.training.finite import describe_weights, not_finite
from pipeline.training.in_hand import InHand
from pipeline.training.progress import Progress
from pipeline.training.ranks.horovod_ranks import Ranks
from pipeline.training.ranks.job import TrainingJob
from pipeline.training.training_log import TrainingLog

import keras  # isort: skip

log = logging.getLogger(__name__)


class Keeper:
    """Saves and restores the state of the network and its optimiser, and the examples in hand.

    Every method but `is_due` must be called by all ranks in the same order.
    """

    def __init__(
        self, job: TrainingJob, ranks: Ranks, model: keras.Model, optimizer: keras.optimizers.Optimizer
    ) -> None:
        self._job = job
        self._ranks = ranks
        self._model = model
        self._optimizer = optimizer
        self.kept_steps = 0
        """After which the last checkpoint was saved."""
        self._kept_at = time.monotonic()

    @property
    def is_due(self) -> bool:
        """Whether it is time for a checkpoint within a round, by rank 0's clock."""
        every_s = self._job.run.config.training.checkpoint_every_s
        return self._ranks.rank == 0 and time.monotonic() - self._kept_at >= every_s

    def restore(self, found: Checkpoint | None) -> tuple[Progress, InHand | None]:
        """Give every rank the state in rank 0's checkpoint, or its first weights.

        Returns the progress and, within a round, what this rank had in hand.
        """
        training = self._job.run.config.training
        if found is None and training.start_from is not None and self._ranks.rank == 0:
            assign_weights(self._model, read_weights(training.start_from, self._job.run.config.network))
        if found is not None:
            assign_weights(self._model, found.weights)
            for variable, value in zip(self._optimizer.variables, found.optimizer, strict=True):
                variable.assign(value)
        self._ranks.broadcast([*self._model.variables, *self._optimizer.variables])
        progress = found.progress if found else Progress()
        progress = Progress.from_json(self._ranks.gather(progress.to_json())[0])
        self.kept_steps = progress.steps
        return self._in_hand(progress) if progress.into_round else (progress, None)

    def keep(
        self, progress: Progress, training_log: TrainingLog | None, in_hand: InHand | None = None
    ) -> None:
        """Save a checkpoint, between two rounds or with what this rank has in hand; rank 0 has the log.

        Raises Untrainable, the same on all ranks, when the weights are not finite any more.
        """
        self._require_finite_weights(progress.steps)
        if in_hand is not None:
            in_hand.save(self._job.in_hand_file(progress, self._ranks.rank), self._job.place_of(progress))
            self._ranks.gather("")  # no checkpoint counts on what is not there
        if training_log is not None:
            self._checkpoint(progress, training_log).save(self._job.run.checkpoint_file)
            self._job.remove_in_hand(but={self.kept_steps, progress.steps}, at=progress)
        self.kept_steps, self._kept_at = progress.steps, time.monotonic()

    def _in_hand(self, progress: Progress) -> tuple[Progress, InHand | None]:
        """The examples that all ranks had in hand at a checkpoint within a round; else the next round begins.

        That is so where the number of ranks is another, and where what a rank kept is lost, which is told.
        """
        if not self._job.may_go_on_within(progress):
            return progress.at_next_round(), None
        path = self._job.in_hand_file(progress, self._ranks.rank)
        found = InHand.read(path, self._job.place_of(progress))
        lost = [rank for rank, has in enumerate(self._ranks.gather("1" if found else "")) if not has]
        if not lost:
            return progress, found
        log.warning(
            "what rank %d had in hand at step %d is lost: all begin new examples, and the weights will not "
            "be those of an undisturbed training",
            lost[0],
            progress.steps,
        )
        return progress.at_next_round(), None

    def _checkpoint(self, progress: Progress, training_log: TrainingLog) -> Checkpoint:
        return Checkpoint(
            lineage=self._job.lineage,
            progress=progress,
            weights=network_variables(self._model),
            averages=self._averages(),
            optimizer=[np.asarray(variable) for variable in self._optimizer.variables],
            log_entries=training_log.entries,
            precision=keras.mixed_precision.global_policy().name,
        )

    def _averages(self) -> dict[str, np.ndarray] | None:
        """The averages of the weights over the steps, if the optimiser keeps them."""
        if not self._optimizer.use_ema:
            return None
        variables = self._model.trainable_variables
        weights = [np.array(variable) for variable in variables]
        self._optimizer.finalize_variable_values(variables)
        averages = network_variables(self._model)
        for variable, value in zip(variables, weights):
            variable.assign(value)
        return averages

    def _require_finite_weights(self, steps: int) -> None:
        """All ranks have the same weights, so that all raise Untrainable or none does."""
        names = not_finite(
            {v.path: np.asarray(v) for v in (*self._model.variables, *self._optimizer.variables)}
        )
        if names:
            raise Untrainable(describe_weights(steps, names, self.kept_steps))
