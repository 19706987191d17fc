"""What in the folder of a run is of an earlier state of it, for who looks at a result or takes it along."""

from __future__ import annotations

from pathlib import Path

from pipeline.errors import InputError
from pipeline.report.earlier import Earlier
from pipeline.report.history import records
from pipeline.results.unreadable import Look
from workflows.planning.earlier import of_now
from workflows.watching.status_view import read_run


def earlier_in(folder: Path) -> tuple[Earlier, list[str]]:
    """What is of an earlier state in a run's folder, and a line for each reason why not all of that is known.

    Raises InputError when `folder` is no run folder.
    """
    run, unreadable = read_run(folder)
    known, look = None, Look()
    try:
        known = of_now(run) if unreadable is None else None
    except InputError as error:  # what a person may look at is there all the same
        unreadable = str(error)
    earlier = Earlier(run, records(run, look), known)
    why = look.untold if unreadable is None else [unreadable, *look.untold]
    return earlier, [f"what is of an earlier state of this run cannot be told: {reason}" for reason in why]
