"""What a run would do, without doing it: which tasks would be reused, which would run, and why.

The same chain that Parsl is given is walked here with records instead of futures.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator, MutableMapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, TypeAlias

from apps.targets import target_of
from pipeline.errors import InputError
from pipeline.results.artifacts import Artifact
from pipeline.results.records import NEVER_DONE, Missing, inspect, record_path
from pipeline.run_folder import Run
from workflows.stages import Stage, build

UPSTREAM = Missing("an earlier stage has to run first")
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
    made again may yet be reused, if the input comes out as it was.
    """
    return [status_of(stage) for stage in outcomes(run, verify)]


def outcomes(
    run: Run,
    verify: bool = False,
    compare: bool = True,
    known: MutableMapping[tuple[str, int], Artifact] | None = None,
) -> list[Stage[Outcome]]:
    """As `explain`, task by task; without `compare` a finished file counts whatever it was made of.

    `known` are results of this very run that were found before, by app and which of its tasks it is: they
    are not looked at again, and what is found now is added.
    """
    known = {} if known is None else known
    tasks, names = Counter[str](), cache(_names)

    def submit(app: Callable[..., Any], *args: Any, **kwargs: Any) -> Outcome:
        task = app.__name__, tasks[app.__name__]
        tasks[app.__name__] += 1
        if task in known:
            return known[task]
        if any(isinstance(arg, Missing) for arg in _flat(args)):
            return UPSTREAM
        target = target_of(app.__name__, args, kwargs)
        if names(target.path.parent).isdisjoint((target.path.name, record_path(target.path).name)):
            return Missing(NEVER_DONE)  # one listing instead of a look for each of very many files
        found = inspect(target, verify, compare)
        if isinstance(found, Artifact):
            known[task] = found
        return found

    return build(run, submit)


def _names(folder: Path) -> set[str]:
    """What is in a folder; nothing where there is none. Raises InputError where it cannot be read."""
    try:
        return set(os.listdir(folder))
    except FileNotFoundError:
        return set()
    except OSError as error:
        raise InputError(f"cannot read {folder}: {error.strerror or error}") from error


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


def _flat(values: Any) -> Iterator[Any]:
    """The values in tuples, lists and dictionaries, however deep."""
    for value in values.values() if isinstance(values, dict) else values:
        if isinstance(value, (tuple, list, dict)):
            yield from _flat(value)
        else:
            yield value
