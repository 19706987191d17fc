"""Which results in a run folder are of the run as it is, and which of an earlier state of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from itertools import count
from typing import Any, TypeAlias

from apps.targets import target_of
from pipeline.errors import InputError
from pipeline.inference.pinning import with_pin
from pipeline.report.earlier import Earlier
from pipeline.report.history import records
from pipeline.results.artifacts import Artifact
from pipeline.results.group_records import GroupRecords
from pipeline.results.records import Missing, is_so_made, read
from pipeline.results.unreadable import Look
from pipeline.run_folder import Run
from workflows.planning.calls import Calls, group_records
from workflows.planning.explain import UPSTREAM, Outcome, any_missing
from workflows.stage import Stage, Submit
from workflows.stages import build

OfNow: TypeAlias = tuple[Mapping[str, str] | None, list[str]]
"""The paths of results of the run as it is, each with its stage, or None and why that cannot be told."""

NOT_SO_MADE = Missing("it is of other settings or inputs")


def so_made(
    chain: Callable[[Submit[Outcome]], list[Stage[Outcome]]], groups: GroupRecords | None = None
) -> list[Stage[Outcome]]:
    """Of every task of a chain the result, where that is of its settings and inputs, and of results of which
    that is true.

    Their records alone say so; damage is not looked for. What an earlier version of this program has made
    counts until a start makes it anew. What `groups` say is not worked out. Raises Unreadable, and InputError
    where an input cannot be read.
    """
    calls, numbers = Calls(), count()

    def submit(app: Callable[..., Any], *args: Any, **kwargs: Any) -> Outcome:
        number = next(numbers)
        if any_missing(args):
            return UPSTREAM
        if groups is not None:
            held = groups.finished(number, lambda: calls.sum_of(app.__name__, args, kwargs))
            if held is not None:
                return held[0]
        target = target_of(app.__name__, args, kwargs)
        record = read(target.path)
        if isinstance(record, Missing):
            return record
        is_of_now = is_so_made(record, target.recipe)
        return Artifact(str(target.path), record["sha256"]) if is_of_now else NOT_SO_MADE

    return chain(submit)


def of_now(run: Run) -> Mapping[str, str]:
    """The paths of what `so_made` finds of a resolved run, each with its stage. Raises as that does."""
    run = with_pin(run)  # workers may have pinned the engine since this attempt began
    stages = so_made(partial(build, run), group_records(run) if run.only is None else None)
    return {task.path: stage.name for stage in stages for task in stage.tasks if isinstance(task, Artifact)}


def told_of_now(run: Run, unreadable: str | None = None) -> OfNow:
    """As `of_now`, or None where that cannot be told, and a line that says why: what a person may look at is
    there all the same. `unreadable` is why an input cannot be read, where that is known.
    """
    if unreadable is None:
        try:
            return of_now(run), []
        except InputError as error:
            unreadable = str(error)
    return None, _untold([unreadable])


def earlier_in(run: Run, unreadable: str | None = None) -> tuple[Earlier, list[str]]:
    """What is of an earlier state in the folder of a run, for who looks at its results or takes them along,
    and a line for each reason why not all of that is known.
    """
    return earlier_beside(run, told_of_now(run, unreadable))


def earlier_beside(run: Run, told: OfNow) -> tuple[Earlier, list[str]]:
    """As `earlier_in`, beside what is known to be of the run as it is."""
    (known, untold), look = told, Look()
    earlier = Earlier(run, records(run, look, known or ()), known)
    return earlier, [*untold, *_untold(look.untold)]


def _untold(reasons: list[str]) -> list[str]:
    return [f"what is of an earlier state of this run cannot be told: {reason}" for reason in reasons]
