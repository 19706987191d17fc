"""What a start would throw away: finished work of other settings or inputs, and its price."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeGuard

from pipeline.config import RunConfig
from pipeline.errors import InputError
from pipeline.results.artifacts import Artifact
from pipeline.results.finished import Finished
from pipeline.results.log_lines import lines_of
from pipeline.results.records import Missing, read
from pipeline.results.unreadable import is_there
from pipeline.run_folder import Run
from pipeline.settings.run_file import read_config
from pipeline.training.pace import fovs_and_seconds
from pipeline.training.start import where_training_starts
from pipeline.wording import counted
from workflows.planning.explain import UPSTREAM, Outcome, foresight, outcomes, refusals

TOLD = "report"
"""The stage that tells of work and is none itself."""
FREE_NODE_HOURS = 5 / 60
"""What may be lost without a question: a few minutes of a node, less than it takes to answer."""


@dataclass(frozen=True)
class Discarded:
    """Finished tasks of one stage that a start would make again."""

    stage: str
    tasks: int
    node_hours: float
    why: str
    """The reason of most of them."""

    def __str__(self) -> str:
        tasks = counted(self.tasks, "finished task")
        return f"{self.stage}: {tasks}, {self.node_hours:.2f} node-hours: {self.why}"


def discarded(run: Run, known: Finished | None = None) -> list[Discarded]:
    """What a start of a resolved run would make again although it is finished, stage by stage.

    What is found finished and stays is added to `known`.

    Damaged results do not count: they are lost already. Nor does a training that goes on further, but what
    was made by its network does. Prices are what the records say that the tasks took, and the training's log.
    Reads these only.
    Raises Unreadable: what cannot be read may be finished.
    """
    found: list[Discarded] = []
    known = Finished() if known is None else known
    if not is_there(run.folder):  # nor need one work out what a million tasks are
        return []
    with foresight() as place:
        now = outcomes(run, known=known, foresee_in=place)
        if all(isinstance(task, Artifact) for stage in now for task in stage.tasks):
            return []
        # what is known is not looked at again
        before_now = outcomes(run, compare=False, known=known.copy(), foresee_in=place)
    for refusal in refusals([*now, *before_now]):
        raise refusal
    start, changed = where_training_starts(run), False
    for wanted, there in zip(now, before_now):
        if wanted.name == TOLD:
            continue
        lost = [
            (after.why, read(Path(before.path)))
            for after, before in zip(wanted.tasks, there.tasks)
            if isinstance(before, Artifact) and _is_lost(after, changed)
        ]
        goes_on_at = start.goes_on_at if start is not None and wanted.name == "train" else 0
        if goes_on_at and changed and UPSTREAM in wanted.tasks:  # it reads what is made anew
            found.append(_training_under_way(run, goes_on_at, UPSTREAM.why))
        elif lost and not goes_on_at:
            why = Counter(why for why, _ in lost).most_common(1)[0][0]
            found.append(Discarded(wanted.name, len(lost), _price(run, [of for _, of in lost]), why))
        changed |= bool(lost)
    if start is not None and start.lost and not any(each.stage == "train" for each in found):
        found.append(_training_under_way(run, start.lost, f"its checkpoint {start.why_lost}"))
    return found


def _is_lost(after: Outcome, changed: bool) -> TypeGuard[Missing]:
    """Whether a finished task has to run again for a change, its own or one that comes before it."""
    return isinstance(after, Missing) and not after.is_damage and (changed or after is not UPSTREAM)


def refuse_to_discard(run: Run) -> Finished:
    """Raise InputError where a start would throw away more than a few minutes of a node's work, unasked.

    Returns what of the run is finished. Raises Unreadable.
    """
    finished = Finished()
    lost = discarded(run, finished)
    if sum(each.node_hours for each in lost) > FREE_NODE_HOURS:
        way_out = "set back what changed, name another --run-dir, or go on with --discard"
        raise InputError("\n".join([*describe(run, lost), way_out]))
    return finished


def describe(run: Run, lost: list[Discarded]) -> Iterator[str]:
    """What would be lost, line by line; nothing where nothing is."""
    if lost:
        total = sum(each.node_hours for each in lost)
        waits = any(each.why == UPSTREAM.why for each in lost)
        much = f"{'up to ' * waits}{total:.2f} node-hours"
        yield f"this start would throw away {much} of finished work in {run.folder}:"
        yield from (f"  {each}" for each in lost)
        if waits:
            yield "what an earlier stage has to run for is kept where that comes out as it was"


def _training_under_way(run: Run, fovs: int, why: str) -> Discarded:
    """A training that was stopped after so many FOVs: its price is what its log says."""
    seen, seconds = fovs_and_seconds(lines_of(run.training_log))
    hours = fovs / seen * seconds / 3600 * _training_nodes(_as_started(run)) if seen else 0.0
    return Discarded("train", 1, hours, why)


def _price(run: Run, records: list[dict[str, Any] | Missing]) -> float:
    """Node-hours of some tasks; a record has of a training that went on from a checkpoint the last part."""
    config = _as_started(run)
    hours = sum(_node_hours(config, record) for record in records)
    if not any(isinstance(record, dict) and record["stage"] == "train" for record in records):
        return hours
    _, seconds = fovs_and_seconds(lines_of(run.training_log))
    return max(hours, seconds / 3600 * _training_nodes(config))


def _as_started(run: Run) -> RunConfig:
    """The settings of the last start, whose nodes may have had more workers and ranks than this one has."""
    with suppress(InputError):
        return read_config(run.config_file)
    return run.config


def _node_hours(config: RunConfig, record: dict[str, Any] | Missing) -> float:
    """What a task took, by its record: a tile shares its node with other workers."""
    if isinstance(record, Missing):
        return 0.0
    hours = float(record["seconds"]) / 3600
    return hours * _training_nodes(config) if record["stage"] == "train" else hours / config.site.workers


def _training_nodes(config: RunConfig) -> int:
    ranks = config.training.ranks
    return -(-ranks // (config.site.ranks_per_node or ranks))
