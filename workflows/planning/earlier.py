"""Which results in a run folder are of the run as it is, and which of an earlier state of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from apps.targets import target_of
from pipeline.inference.pinning import with_pin
from pipeline.report.earlier import Earlier
from pipeline.report.history import records
from pipeline.results.artifacts import Artifact
from pipeline.results.records import Missing, read
from pipeline.results.unreadable import Look
from pipeline.run_folder import Run
from workflows.stages import build

UNMADE = ""
"""Instead of its SHA-256, of a result that is not there as the run makes it now."""


def of_now(run: Run) -> frozenset[str]:
    """The paths of those results in its folder that a resolved run would make: of its settings and inputs,
    and of results of which that is true.

    Their records alone say so; damage is not looked for. Raises Unreadable, and InputError where an input
    cannot be read.
    """
    found: set[str] = set()

    def submit(app: Callable[..., Any], *args: Any, **kwargs: Any) -> Artifact:
        target = target_of(app.__name__, args, kwargs)
        path, record = str(target.path), read(target.path)
        if isinstance(record, Missing) or not _all_made(args):
            return Artifact(path, UNMADE)
        if record["fingerprint"] != target.recipe.fingerprint:
            return Artifact(path, UNMADE)
        found.add(path)
        return Artifact(path, record["sha256"])

    # workers may have pinned the engine since this attempt began
    build(with_pin(run), submit)
    return frozenset(found)


def earlier_stages(run: Run) -> frozenset[str]:
    """The stages of a run of which its folder has results of an earlier state alone, or in part.

    What cannot be read is not among them. Raises InputError where an input cannot be read.
    """
    look = Look()
    known = look(of_now, run)
    return Earlier(run, records(run, look), known).stages


def _all_made(values: Any) -> bool:
    """Whether no artifact in tuples, lists and dictionaries, however deep, is UNMADE."""
    for value in values.values() if isinstance(values, dict) else values:
        if type(value) is Artifact:
            if value.sha256 == UNMADE:
                return False
        elif isinstance(value, (tuple, list, dict)) and not _all_made(value):
            return False
    return True
