"""What a run would do, without doing it: which tasks would be reused, which would run, and why.

The same chain that Parsl is given is walked here with records instead of futures.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache, partial
from itertools import count
from pathlib import Path
from typing import Any, TypeAlias

from apps.targets import target_of
from pipeline.errors import Unreadable
from pipeline.results.artifacts import Artifact
from pipeline.results.finished import Finished, record_stamp
from pipeline.results.records import NEVER_DONE, RECORD, Missing, inspect
from pipeline.results.unreadable import names_in
from pipeline.run_folder import Run
from workflows.stage import Stage, Submit
from workflows.stages import build

UPSTREAM = Missing("an earlier stage has to run first")
UNREADABLE = "cannot be read"
Outcome: TypeAlias = Artifact | Missing
"""Of a task: what would be reused, or why it would run."""


@dataclass(frozen=True)
class StageStatus:
    """How many of a stage's tasks are finished, and why the others would run: (reason, tasks)."""

    name: str
    tasks: int
    finished: int
    reasons: list[tuple[str, int]]


def explain(run: Run, verify: bool = False) -> list[StageStatus]:
    """The status of every stage of a resolved run, in order; only records and file sizes are read.

    With `verify` every finished file is read and compared with its SHA-256. A task whose input has to be
    made again may yet be reused, if the input comes out as it was. What cannot be read is one of the reasons.
    """
    return [status_of(stage) for stage in outcomes(run, verify)]


def outcomes(
    run: Run, verify: bool = False, compare: bool = True, known: Finished | None = None
) -> list[Stage[Outcome]]:
    """As `explain`, task by task; without `compare` a finished file counts whatever it was made of.

    `known` are results of this very run that were found before: they are not looked at again, and what is
    found now is added.
    """
    return outcomes_of(partial(build, run), verify, compare, known)


def outcomes_of(
    chain: Callable[[Submit[Outcome]], list[Stage[Outcome]]],
    verify: bool = False,
    compare: bool = True,
    known: Finished | None = None,
) -> list[Stage[Outcome]]:
    """The same of whatever hands its tasks to `submit`."""
    known = Finished() if known is None else known
    numbers, names = count(), lru_cache(maxsize=16)(lambda folder: frozenset(names_in(Path(folder))))

    def submit(app: Callable[..., Any], *args: Any, **kwargs: Any) -> Outcome:
        number = next(numbers)
        if (before := known.found(number)) is not None:
            return before
        if _any_missing(args):
            return UPSTREAM
        try:
            target = target_of(app.__name__, args, kwargs)
            folder, _, name = str(target.path).rpartition("/")
            if names(folder).isdisjoint((name, f"{name}{RECORD}")):
                return Missing(NEVER_DONE)  # one listing instead of a look for each of very many files
            stamp = record_stamp(target.path)  # before the record is read: one that comes after it is another
            found = inspect(target, verify, compare)
        except Unreadable as refusal:
            return Missing(UNREADABLE, refusal=refusal)
        if isinstance(found, Artifact):
            known.note(number, found, stamp)
        return found

    return chain(submit)


def refusals(stages: Iterable[Stage[Outcome]]) -> list[Unreadable]:
    """What cannot be read of the results of some stages, and why."""
    tasks = [task for stage in stages for task in stage.tasks]
    return [task.refusal for task in tasks if isinstance(task, Missing) and task.refusal]


def status_of(stage: Stage[Outcome]) -> StageStatus:
    """A stage's outcomes, summed up."""
    reasons = Counter(task.why for task in stage.tasks if isinstance(task, Missing))
    finished = len(stage.tasks) - sum(reasons.values())
    return StageStatus(stage.name, len(stage.tasks), finished, reasons.most_common())


def results(run: Run) -> list[Stage[Path]]:
    """The file that each task of a resolved run makes, in the order of the tasks."""

    def submit(app: Callable[..., Any], *args: Any, **kwargs: Any) -> Artifact:
        return Artifact(str(target_of(app.__name__, args, kwargs).path), sha256="")

    return [Stage(stage.name, [Path(task.path) for task in stage.tasks]) for stage in build(run, submit)]


def _any_missing(values: Any) -> bool:
    """Whether anything in tuples, lists and dictionaries, however deep, is missing."""
    for value in values.values() if isinstance(values, dict) else values:
        if isinstance(value, Missing) or (isinstance(value, (tuple, list, dict)) and _any_missing(value)):
            return True
    return False
