"""Search: which settings train best, found by Optuna; trials that promise little are ended early.

A trial is a point that is trained in rungs, each to twice the FOVs of the one before. After each its F1 is
reported, and where that is below the median of the other trials at that rung, it goes on no further. All that
is known stands in a journal in the search's folder: one that is started again goes on with it, and with the
trials that were under way, each at its own rung.
"""

from __future__ import annotations

import logging
import math
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, get_args

from pipeline.config import RunConfig
from pipeline.errors import InputError, Untrainable
from pipeline.results.artifacts import publishing
from pipeline.results.unreadable import is_there, read_if_there
from workflows.studies.point import Value

if TYPE_CHECKING:
    from optuna.study import Study
    from optuna.trial import FrozenTrial, Trial

RUNGS = 3
STARTUP_TRIALS = 4
"""That are drawn at random, and never ended early."""

NAME = "search"
FOVS, TRIALS = 4000, 12
"""Of a search, unless the user says otherwise."""

_TURNS: defaultdict[str, Lock] = defaultdict(Lock)
"""By settings: trials are threads of one driver."""

Train = Callable[[Mapping[str, Value], int], float]
"""Trains a point with some settings to so many FOVs, from where it was; returns its score. Raises Untrainable
where these settings cannot be trained."""


@dataclass(frozen=True)
class Space:
    """The values that a setting may have: some, or all between two, spread evenly by their logarithms."""

    key: str
    choices: Sequence[Value] = ()
    low: float = 0.0
    high: float = 0.0

    @classmethod
    def parse(cls, text: str) -> Space:
        """Read `training.batch_size=1,2,4` or `training.learning_rate=1e-4..1e-2`. Raises InputError."""
        key, sign, values = text.partition("=")
        low, dots, high = values.partition("..")
        try:
            if dots and 0 < float(low) < float(high) < math.inf:
                return cls(key, low=float(low), high=float(high))
            if sign and key and values and not dots:
                return cls(key, [_value(part) for part in values.split(",")])
        except ValueError:
            pass
        raise InputError(f"--space {text!r}: expected KEY=LOW..HIGH, both above 0, or KEY=A,B,...")

    def __str__(self) -> str:
        """The values as `parse` reads them."""
        return ",".join(map(str, self.choices)) if self.choices else f"{self.low}..{self.high}"

    @property
    def is_whole(self) -> bool:
        """Whether it is all whole numbers between two, as the setting takes no others."""
        return not self.choices and _takes_whole(self.key)

    @property
    def ends(self) -> Sequence[Value]:
        """The values that must be possible if all are to be."""
        return self.choices or (self.low, self.high)

    def suggest(self, trial: Trial) -> Value:
        """The value that a trial has, or is given now."""
        if self.choices:
            chosen = trial.suggest_categorical(self.key, list(self.choices))
            assert chosen is not None, "`parse` takes no choice that is nothing"
            return chosen
        if self.is_whole:
            return trial.suggest_int(self.key, int(self.low), int(self.high), log=True)
        return trial.suggest_float(self.key, self.low, self.high, log=True)


def _takes_whole(key: str) -> bool:
    """Whether a setting, if it is one, takes whole numbers alone."""
    kind: Any = RunConfig
    for name in key.split("."):
        fields = getattr(kind, "model_fields", {})
        kind = fields[name].annotation if name in fields else None
    return _is_whole(kind)


def _is_whole(kind: Any) -> bool:
    return kind is int or any(map(_is_whole, get_args(kind)))


def rungs_of(fovs: int) -> list[int]:
    """FOVs at the end of each rung, the last one at all of them."""
    return sorted({max(1, fovs >> n) for n in range(RUNGS)})


def open_study(journal: Path, seed: int) -> Study:
    """The search whose journal this is, or a new one. Raises InputError where Optuna is not installed, and
    where the journal is damaged."""
    optuna = _optuna()
    journal.parent.mkdir(parents=True, exist_ok=True)
    _take_off_what_is_torn(journal)
    with _reading(journal):
        study: Study = optuna.create_study(
            storage=_storage(journal),
            study_name=NAME,
            direction="maximize",
            load_if_exists=True,
            pruner=optuna.pruners.MedianPruner(n_startup_trials=STARTUP_TRIALS),
        )
        # a start that goes on does not draw again what the one before has drawn
        seed += len(study.get_trials())
    study.sampler = optuna.samplers.TPESampler(seed=seed, n_startup_trials=STARTUP_TRIALS)
    return study


def states_of(journal: Path) -> list[str]:
    """Of each trial in a journal, if there is one, its state in small letters; nothing is written.

    Raises InputError where it is damaged.
    """
    optuna = _optuna()
    if not is_there(journal):
        return []
    with _reading(journal):
        storage = _storage(journal)
        if NAME not in optuna.get_all_study_names(storage):  # a start was stopped as it began
            return []
        study = optuna.load_study(study_name=NAME, storage=storage)
        return [trial.state.name.lower() for trial in study.get_trials()]


@contextmanager
def _reading(journal: Path) -> Iterator[None]:
    """Have Optuna read a journal in this context. Raises InputError where it is damaged."""
    try:
        yield
    except (ValueError, LookupError, TypeError) as error:
        raise InputError(
            f"the journal of the search, {journal}, is damaged: {error}; put a copy of it in its place, or "
            "move its folder away to begin another search, to which its trainings are not lost"
        ) from None


def _optuna() -> Any:
    try:
        import optuna
    except ImportError:
        raise InputError("a search needs Optuna: pip install 'optuna>=4'") from None
    optuna.logging.set_verbosity(logging.WARNING)
    return optuna


def _storage(journal: Path) -> Any:
    from optuna.storages.journal import JournalFileBackend, JournalStorage

    return JournalStorage(JournalFileBackend(str(journal)))


def _take_off_what_is_torn(journal: Path) -> None:
    """Cut off the end of a journal that a full disk kept from being written whole: Optuna would go on in that
    line, and could read neither again."""
    written = read_if_there(journal) or b""
    whole = written[: written.rfind(b"\n") + 1]
    if whole != written:
        with publishing(journal) as temporary:
            temporary.write_bytes(whole)


def unfinished(study: Study) -> list[FrozenTrial]:
    """Trials that were under way when an earlier start of the search ended."""
    from optuna.trial import TrialState

    return study.get_trials(states=(TrialState.RUNNING,))


def still_to_do(study: Study, trials: int) -> list[FrozenTrial | None]:
    """Of so many trials those that are not done: the unfinished ones, and None for each that is new."""
    under_way = unfinished(study)
    new = max(0, trials - len(study.get_trials()))
    return [*under_way, *[None] * new]


def pursue(
    study: Study, earlier: FrozenTrial | None, spaces: Sequence[Space], rungs: Sequence[int], train: Train
) -> str:
    """Take an unfinished trial, or a new one, as far as it is worth; returns how it ended.

    Trials of equal settings are one training, in one folder: no two of them are in `train` at a time, and
    what one has reached the others take from it.

    Raises Untrainable where its settings cannot be trained; that ends the trial. What else is raised, as
    where a file is not there, leaves it unfinished.
    """
    from optuna.trial import Trial, TrialState

    trial: Any = study.ask() if earlier is None else Trial(study, earlier._trial_id)
    known = {} if earlier is None else earlier.intermediate_values
    settings = {space.key: space.suggest(trial) for space in spaces}
    score = 0.0
    for rung, fovs in enumerate(rungs):
        if rung in known:
            score = known[rung]
        else:
            with _TURNS[repr(sorted(settings.items()))]:
                reached = _reached(study, settings, rung)
                try:
                    score = train(settings, fovs) if reached is None else reached
                except Untrainable:
                    study.tell(trial, state=TrialState.FAIL)
                    raise
                trial.report(score, rung)
        is_last_known = rung + 1 not in known
        if fovs != rungs[-1] and is_last_known and trial.should_prune():
            study.tell(trial, state=TrialState.PRUNED)
            return "pruned"
    study.tell(trial, score)
    return "complete"


def _reached(study: Study, settings: Mapping[str, Value], rung: int) -> float | None:
    """The score of these very settings at a rung, if a trial has come there with them."""
    alike = [trial for trial in study.get_trials(deepcopy=False) if trial.params == settings]
    return next((t.intermediate_values[rung] for t in alike if rung in t.intermediate_values), None)


def _value(text: str) -> Value:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
