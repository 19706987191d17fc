"""What in a run folder is of an earlier state of the run: it is not shown as what the run has made."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from pipeline.report.grids import Grids
from pipeline.report.history import STAGES, expected_tasks
from pipeline.results.unreadable import ABSENT, reading
from pipeline.run_folder import Run

P = ParamSpec("P")
Found = TypeVar("Found")


def made_by(run: Run) -> dict[Path, str]:
    """Of what people look at in a run's folder the stage that makes it."""
    return {
        run.aligned_folder: "render",
        run.quality_file: "quality",
        run.model_file: "train",
        run.training_log: "train",
        run.logs_folder / "pictures": "train",
        run.validation_file: "choose",
        run.segmentation_folder: "write",
        run.id_table_file: "merge",
        run.corrections_file: "correct",
        run.conflicts_file: "conflicts",
        run.agglomeration_file: "agglomerate",
        run.edges_file: "agglomerate",
        run.metrics_file: "score",
        run.run_length_file: "run length",
        run.folder / "evaluation" / "skeletons.npz": "skeletons",
        run.worst_file: "worst",
        run.verdicts_file: "worst",
    }


class Earlier:
    """What is of an earlier state among the records `found` in the folder of a run.

    `of_now` are the paths of the results that the run as it is would make, each with its stage: their records
    need not be among `found`. None where that is not known: then only what is of stages, tiles or blocks that
    the run has no more is taken for earlier.
    """

    def __init__(
        self, run: Run, found: Iterable[Mapping[str, Any]], of_now: Mapping[str, str] | None = None
    ) -> None:
        expected = expected_tasks(run)
        is_of_now = Grids(run).have if of_now is None else lambda record: record["path"] in of_now
        by_age: dict[bool, list[Mapping[str, Any]]] = {True: [], False: []}
        for record in found:
            by_age[STAGES[record["stage"]] in expected and is_of_now(record)].append(record)
        self.records_of_now, self.records_before = by_age[True], by_age[False]
        self.fingerprints = frozenset(record["fingerprint"] for record in by_age[False])
        """Of the records of an earlier state."""
        known = (STAGES[record["stage"]] for record in self.records_of_now)
        self._expected = expected
        self._made = made = Counter(known if of_now is None else of_now.values())
        before = {STAGES[record["stage"]] for record in by_age[False]}
        # what an earlier grid has left lies beside a stage that is done, and is part of nothing
        self.stages = frozenset(name for name in before if made[name] < expected.get(name, 1))
        """Those of which there is nothing to show but what is of an earlier state, or is so in part."""
        self._last_end = max(
            (r["started"] + r["seconds"] for r in by_age[False] if r["stage"] == "train"), default=0.0
        )

    def left_of(self, stage: str) -> int:
        """How many tasks of a stage that has begun are not done; 0 where none has left a record."""
        return max(0, self._expected.get(stage, 0) - self._made[stage]) if self._made[stage] else 0

    def has_training_log(self, run: Run) -> bool:
        """Whether the log is that of an earlier training: while another is under way it is newer than
        the network that is there. Raises Unreadable.
        """
        with suppress(*ABSENT), reading(run.training_log):
            return "train" in self.stages and run.training_log.stat().st_mtime < self._last_end
        return False

    def unless(
        self, stage: str | None, read: Callable[P, Found], *args: P.args, **kwargs: P.kwargs
    ) -> Found | None:
        """What `read(*args, **kwargs)` returns, where that is of the run as it is; else None."""
        return None if stage in self.stages else read(*args, **kwargs)

    def told(self) -> list[str]:
        """A line about what is left out, if anything is."""
        names = [name for name in dict.fromkeys(STAGES.values()) if name in self.stages]
        return [f"of an earlier state of this run, and not shown: {', '.join(names)}"] if names else []
