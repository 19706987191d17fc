"""The tiles of a run by state: finished, in progress, waiting or failed; and how far those at work are."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from pipeline.geometry import Tile
from pipeline.results.artifacts import Artifact
from pipeline.run_folder import Run
from workflows.planning.explain import Outcome
from workflows.watching.long_tasks import Line, Share, TileReport, Work, describe_tiles, report_in


class State(str, Enum):
    """What has become of a tile in an attempt."""

    FINISHED = "finished"
    IN_PROGRESS = "in progress"
    STOPPED = "stopped"
    """It was in progress when the attempt ended."""
    FAILED = "failed"
    UNREADABLE = "unreadable"
    """Its file is there, or may be, and cannot be read."""
    WAITING = "waiting"


@dataclass(frozen=True)
class TileState:
    """A tile in one pass, and what its log says of the last attempt, if it was worked on."""

    run: Run
    """As it is in that pass."""
    tile: Tile
    state: State
    report: TileReport | None

    @property
    def name(self) -> str:
        return self.run.stem(self.tile)

    @property
    def share(self) -> Share:
        share = self.report.share if self.report else Share()
        return share._replace(done=1.0) if self.state is State.FINISHED else share


def tile_states(
    run: Run,
    outcomes: Sequence[Outcome],
    lines: Mapping[str, Line],
    failed: Collection[str],
    since: float,
    alive: bool,
) -> list[TileState]:
    """The state of each tile in the attempt that began at `since`, in seconds since 1970.

    `outcomes` are those of the segmenting tasks, `lines` the last ones of the tiles' logs by name, `failed`
    the names of files that could not be made.
    """
    states = []
    for (one, tile), outcome in zip(run.floods, outcomes):
        report = report_in(lines.get(one.stem(tile)), since)
        if isinstance(outcome, Artifact):
            state = State.FINISHED
        elif outcome.refusal:
            state = State.UNREADABLE
        elif one.tile_file(tile).name in failed:
            state = State.FAILED
        elif report:
            state = State.IN_PROGRESS if alive else State.STOPPED
        else:
            state = State.WAITING
        states.append(TileState(one, tile, state, report))
    return states


def describe(states: Sequence[TileState]) -> tuple[str, float | None]:
    """How far the attempt is with its tiles, of which one was begun: in words, and the seconds left.

    Tiles that were finished by an older attempt, and those that failed, do not count.
    """
    its_own = [s for s in states if s.report or s.state is not State.FINISHED]
    its_own = [s for s in its_own if s.state is not State.FAILED]
    reports = [state.report for state in states if state.report]
    at_work = any(state.state is State.IN_PROGRESS for state in states)
    until = time.time() if at_work else max(report.time for report in reports)
    elapsed_s = until - min(report.began for report in reports)
    work = sum((Work.of(s.share, s.tile.box.size) for s in its_own if s.report), Work())
    return describe_tiles(work, len(its_own), elapsed_s)


def count(states: Sequence[TileState]) -> str:
    """`3 finished, 2 in progress, 11 waiting`."""
    counts = Counter(state.state for state in states)
    return ", ".join(f"{counts[state]:,} {state.value}" for state in State if counts[state])
