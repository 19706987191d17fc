"""What a run would do, without doing it: which tasks would be reused, which would run, and why.

The same chain that Parsl is given is walked here with records instead of futures. What corrections make of
the id table is worked out on the way: by it alone is known which blocks of the volume they change.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache, partial
from itertools import count
from pathlib import Path
from typing import Any, TypeAlias

from apps.targets import OF_MANY, target_of
from pipeline import reconciliation
from pipeline.errors import InputError, Unreadable
from pipeline.results.artifacts import Artifact, file_sha256
from pipeline.results.bucket import Bucket
from pipeline.results.finished import Finished, record_stamp
from pipeline.results.group_records import GROUP, GroupRecords
from pipeline.results.records import NEVER_DONE, RECORD, Missing, inspect
from pipeline.results.unreadable import names_in
from pipeline.run_folder import Run
from workflows.planning.calls import Calls, group_records
from workflows.stage import Stage, Submit
from workflows.stages import build

UPSTREAM = Missing("an earlier stage has to run first")
UNREADABLE = "cannot be read"
Outcome: TypeAlias = Artifact | Missing
"""Of a task: what would be reused, or why it would run."""


@dataclass(frozen=True, kw_only=True)
class Foreseen(Missing):
    """Why a task would run, and what it would make: worked out beside the run folder."""

    artifact: Artifact


@dataclass(frozen=True)
class StageStatus:
    """How many of a stage's tasks are finished, and why the others would run: (reason, tasks)."""

    name: str
    tasks: int
    finished: int
    reasons: list[tuple[str, int]]


def explain(run: Run, verify: bool = False) -> list[StageStatus]:
    """The status of every stage of a resolved run, in order; only records and file sizes are read, and for
    corrections that are to be made what they need. Raises ContradictionError where these are in conflict.

    With `verify` every finished file is read and compared with its SHA-256. A task whose input has to be
    made again may yet be reused, if the input comes out as it was. What cannot be read is one of the reasons.
    """
    with foresight() as place:
        return [status_of(stage) for stage in outcomes(run, verify, foresee_in=place)]


@contextmanager
def foresight() -> Iterator[Path]:
    """A folder for what is worked out and not kept."""
    with tempfile.TemporaryDirectory(prefix="ffn-plan-") as place:
        yield Path(place)


def outcomes(
    run: Run,
    verify: bool = False,
    compare: bool = True,
    known: Finished | None = None,
    foresee_in: Path | None = None,
) -> list[Stage[Outcome]]:
    """As `explain`, task by task; without `compare` a finished file counts whatever it was made of.

    `known` are results of this very run that were found before: they are not looked at again, and what is
    found now is added, but for what rests on something foreseen. Without `foresee_in`, a folder, corrections
    are not worked out, and what follows on them has to wait for them. What the records of groups say is not
    worked out and read anew.
    """
    groups = group_records(run) if compare and not verify and run.only is None else None
    return outcomes_of(partial(build, run), verify, compare, known, foresee_in, groups)


def outcomes_of(
    chain: Callable[[Submit[Outcome]], list[Stage[Outcome]]],
    verify: bool = False,
    compare: bool = True,
    known: Finished | None = None,
    foresee_in: Path | None = None,
    groups: GroupRecords | None = None,
) -> list[Stage[Outcome]]:
    """The same of whatever hands its tasks to `submit`."""
    known = Finished() if known is None else known
    foreseen: list[Foreseen] = []
    calls = Calls()
    numbers, names = count(), lru_cache(maxsize=16)(lambda folder: frozenset(names_in(Path(folder))))

    def foresee(app: str, found: Missing, name: str, args: tuple[Any, ...]) -> Missing:
        if app == "correct" and foresee_in is not None:
            found = _corrected(found, foresee_in / name, args)
            if isinstance(found, Foreseen):
                foreseen.append(found)
        return found

    def submit(app: Callable[..., Any], *args: Any, **kwargs: Any) -> Outcome:
        number = next(numbers)
        if (before := known.found(number)) is not None:
            return before
        if foreseen:
            args = _with_artifacts(args)
        if any_missing(args):
            return UPSTREAM
        try:
            if groups is not None and not foreseen:
                held = groups.finished(number, lambda: calls.sum_of(app.__name__, args, kwargs))
                if held is not None:
                    known.note(number, *held)
                    return held[0]
            target = target_of(app.__name__, args, kwargs)
            folder, _, name = str(target.path).rpartition("/")
            if names(folder).isdisjoint((name, f"{name}{RECORD}")):
                # one listing instead of a look for each of very many files
                return foresee(app.__name__, Missing(NEVER_DONE), name, args)
            stamp = record_stamp(target.path)  # before the record is read: one that comes after it is another
            found = inspect(target, verify, compare, known.touched)
            if isinstance(found, Missing):
                return foresee(app.__name__, found, name, args)
        except Unreadable as refusal:
            return Missing(UNREADABLE, refusal=refusal)
        if not foreseen:  # what was foreseen may turn out to be something else
            known.note(number, found, stamp)
            if groups is not None and app.__name__ in OF_MANY and not isinstance(target.parts, Bucket):
                known.looked_into.add(number // GROUP)
        return found

    return chain(submit)


def _corrected(why: Missing, path: Path, args: tuple[Any, ...]) -> Missing:
    """What the task `correct` would make with these arguments, at `path`, if it is not there already; `why`
    alone where it would fail for a file that may be made again. Raises Unreadable and ContradictionError.
    """
    try:
        if not path.exists():
            reconciliation.write_corrected(path, *args)
    except (Unreadable, reconciliation.ContradictionError):
        raise
    except InputError:
        return why
    return Foreseen(why=why.why, is_damage=why.is_damage, artifact=Artifact(str(path), file_sha256(path)))


def _with_artifacts(values: Any) -> Any:
    """The arguments with artifacts in place of what is foreseen, however deep."""
    if isinstance(values, Foreseen):
        return values.artifact
    if type(values) is dict:
        return {key: _with_artifacts(value) for key, value in values.items()}
    if type(values) in (tuple, list):
        return type(values)(map(_with_artifacts, values))
    return values


def refusals(stages: Iterable[Stage[Outcome]]) -> list[Unreadable]:
    """What cannot be read of the results of some stages, and why."""
    tasks = [task for stage in stages for task in stage.tasks]
    return [task.refusal for task in tasks if isinstance(task, Missing) and task.refusal]


def status_of(stage: Stage[Outcome]) -> StageStatus:
    """A stage's outcomes, summed up."""
    reasons = Counter(task.why for task in stage.tasks if isinstance(task, Missing))
    finished = len(stage.tasks) - sum(reasons.values())
    return StageStatus(stage.name, len(stage.tasks), finished, reasons.most_common())


def tiles_segmented(statuses: Iterable[StageStatus]) -> int:
    """How many segmentations of tiles are finished, those of each pass counted."""
    return sum(status.finished for status in statuses if status.name == "segment")


def results(run: Run) -> list[Stage[Path]]:
    """The file that each task of a resolved run makes, in the order of the tasks."""

    def submit(app: Callable[..., Any], *args: Any, **kwargs: Any) -> Artifact:
        return Artifact(str(target_of(app.__name__, args, kwargs).path), sha256="")

    return [Stage(stage.name, [Path(task.path) for task in stage.tasks]) for stage in build(run, submit)]


def any_missing(values: Any) -> bool:
    """Whether anything in tuples, lists and dictionaries, however deep, is missing."""
    for value in values.values() if isinstance(values, dict) else values:
        if type(value) is Artifact:  # most of them are
            continue
        if isinstance(value, Missing) or (isinstance(value, (tuple, list, dict)) and any_missing(value)):
            return True
    return False
