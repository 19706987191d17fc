"""The picture of a run: at work, ended or dead, what is done, what goes on and what went wrong."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rich.console import RenderableType
from rich.table import Table

from pipeline.checkup.before_run import read_warnings
from pipeline.errors import InputError
from pipeline.reconciliation import written_voxel_size_nm
from pipeline.reconciliation.segments import count_in_volume
from pipeline.results.artifacts import Artifact
from pipeline.results.attempts import processes_of
from pipeline.results.finished import Finished
from pipeline.results.log_lines import last_line
from pipeline.results.records import Missing
from pipeline.results.unreadable import Look
from pipeline.run_folder import Run
from pipeline.settings.resolve import resolve
from pipeline.settings.run_file import read_config
from workflows.command_line import kept_run_file
from workflows.planning.explain import Outcome, StageStatus, outcomes, refusals, status_of
from workflows.planning.stage_table import stage_table
from workflows.running.gates import gate_lines
from workflows.running.jobs import leftover_jobs
from workflows.running.summary import outcome_lines
from workflows.stage import Stage
from workflows.watching.environments import Environment, environments, mixed_environments
from workflows.watching.long_tasks import Line, describe_training, duration, last_lines, missing_image
from workflows.watching.run_state import LastAttempt, ends_of_logs, last_attempt, read_failures
from workflows.watching.tile_states import State, TileState, count, describe, tile_states

KINDS = ("driver", "interchange", "manager", "worker", "rank", "helper")
MOST_UNTOLD = 5
MOST_TILES = 16
MOST_FAILURES = 5
MOST_CHARACTERS = 300


class Memory:
    """What was found of a run and does not change as long as the same attempt is watched."""

    def __init__(self) -> None:
        self._of: object = None
        self.results = Finished()
        """As `outcomes` knows them."""
        self.lines: dict[str, Line] = {}
        """The last lines of the logs of finished tiles, by the tile's name."""
        self.environments: dict[str, Environment] = {}
        """Those in which finished tiles were made, by the tile's name."""
        self.in_volume: int | None = None
        """Segments of the volume, once they are counted: in a bucket the list of them is fetched for that."""

    def keep_to(self, of: object) -> None:
        """Forget all that was found of anything else than `of`."""
        if of != self._of:
            self._of, self.results, self.lines, self.environments = of, Finished(), {}, {}
            self.in_volume = None


def status_view(folder: Path, memory: Memory | None = None) -> Iterator[RenderableType]:
    """The picture of a run, part by part. Raises InputError when `folder` is no run folder.

    What cannot be read is told in a line, and the rest is shown; Unreadable is raised where that is the
    run's settings. What `memory` holds is not looked at again: a finished file that is damaged meanwhile is
    not noticed.
    """
    memory = memory or Memory()
    run, unreadable = read_run(folder)
    look = Look()
    attempt = look(last_attempt, run.folder)
    memory.keep_to((run, unreadable, attempt and attempt.owner.attempt))
    began, alive = (attempt.began, attempt.alive) if attempt else (time.time(), False)
    stages = outcomes(run, compare=unreadable is None, known=memory.results)
    failures = look(read_failures, run, began) or []
    given_up = {failure["target"] for failure in failures if not failure["tried_again"]}
    segmenting = next(stage for stage in stages if stage.name == "segment")
    reports = last_lines(run, look, memory.lines)
    tiles = tile_states(run, segmenting.tasks, reports, given_up, began, alive)
    finished = [state for state in tiles if state.state is State.FINISHED]
    memory.lines = {tile.name: reports[tile.name] for tile in finished if tile.name in reports}
    made = [(tile.run, tile.tile) for tile in finished]
    memory.environments = look(environments, made, memory.environments) or memory.environments

    who = list(who_works(run, attempt, look))
    warnings, outcome = look(read_warnings, run) or [], look(_outcome_lines, run, stages, memory) or []
    missing = look(missing_image, run, reports) or []
    gates = look(gate_lines, run, stages) or []
    statuses = [status_of(stage) for stage in stages]
    under_way = look(_under_way, run, statuses, tiles, attempt) or {}
    ends = None if attempt and attempt.exit == 0 else look(ends_of_logs, run, began)
    untold = list(dict.fromkeys([*look.untold, *map(str, refusals(stages))]))

    yield from who
    if unreadable is not None:
        yield f"\nAn input cannot be read from here: {unreadable}"
        yield "Finished files were not compared with the input and the settings."
    yield from untold[:MOST_UNTOLD]
    if len(untold) > MOST_UNTOLD:
        yield f"and {len(untold) - MOST_UNTOLD:,} more that cannot be read"
    yield from (
        f"warning: {line}" for line in [*warnings, *missing, *mixed_environments(memory.environments)]
    )
    yield from outcome
    yield ""
    yield stage_table(statuses, "to do", under_way)
    yield from gates
    yield f"\ntiles: {count(tiles)}"
    yield from _tiles_at_work(tiles)
    yield from what_failed(run, failures, ends or [])


def _outcome_lines(run: Run, stages: list[Stage[Outcome]], memory: Memory) -> list[str]:
    """As `outcome_lines`; where the table of ids is to be made anew, a line that says so."""
    (listed,) = (stage.tasks for stage in stages if stage.name == "properties")
    is_listed = all(isinstance(task, Artifact) for task in listed)
    if is_listed and memory.in_volume is None:
        memory.in_volume = count_in_volume(run)
    lines = outcome_lines(run, memory.in_volume if is_listed else None)
    tables = [stage.tasks[:1] for stage in stages if stage.name in ("merge", "correct")]
    if lines and any(isinstance(task, Missing) and not task.refusal for of in tables for task in of):
        return ["segments      not shown: they, or what they are made of, are to be made anew"]
    return lines


def read_run(folder: Path) -> tuple[Run, str | None]:
    """The run of a folder, and what is wrong with its input, if that cannot be read from here.

    Raises InputError when `folder` is no run folder.
    """
    run = Run(folder.resolve(), read_config(kept_run_file(folder)))
    try:
        return resolve(run.config, run.folder, trust_kept=True), None
    except InputError as error:
        if run.config.inference.box is None:  # every start writes it down
            raise InputError(
                f"{folder} is no run folder: the {run.config_file.name} in it was written by no start of a "
                f"run; as a run file it is refused: {error}"
            ) from None
        # its place is all that is asked of a result now; what the input would decide of it may be anything
        image = run.config.data.image if run.config.sections is None else f"{run.aligned_folder}"
        size_nm = Look()(written_voxel_size_nm, run) or run.config.data.voxel_size_nm or (1.0, 1.0, 1.0)
        data = run.config.data.model_copy(update={"image": image, "voxel_size_nm": size_nm})
        reconciliation = run.config.reconciliation.model_copy(update={"corrections": None})
        updates = {"data": data, "sections": None, "reconciliation": reconciliation}
        config = run.config.model_copy(update=updates)
        return Run(run.folder, config, {"image": "", "labels": ""}), str(error)


def who_works(run: Run, attempt: LastAttempt | None, look: Look) -> Iterator[str]:
    """Whose run it is and how it is, its processes on this host and its batch jobs."""
    yield f"run folder  {run.folder}"
    if attempt is None:
        trained = look(_trained_by_others, run)
        yield f"state       {'cannot be told' if look.untold else trained or 'nobody has worked here yet'}"
        return
    owner = attempt.owner
    yield f"state       attempt {owner.attempt}, {attempt.state}"
    yield f"driver      {owner.host}, pid {owner.pid}, user {owner.user}, since {owner.started}"
    yield f"command     {owner.command}"
    pids = defaultdict(list)
    for process in look(processes_of, run.folder) or []:
        pids[process.kind].append(str(process.pid))
    here = [f"{kind} {' '.join(pids[kind])}" for kind in KINDS if kind in pids]
    yield f"processes   {', '.join(here) or 'none on this host'}"
    for label, jobs in (look(leftover_jobs, run) or {}).items():
        states = [f"{job.provider} {job.job_id} {job.state.lower()}" for job in jobs]
        yield f"batch jobs  of {label!r}, when last seen: {', '.join(states)}"


def _trained_by_others(run: Run) -> str | None:
    """Of a folder in which no run was started and something is trained, as a point of a study, when that was
    heard of last. Raises Unreadable."""
    if last_line(run.training_log) is None:
        return None
    since = duration(time.time() - run.training_log.stat().st_mtime)
    return f"no run was started here; a training, as that of a study, was last heard of {since} ago"


def _under_way(
    run: Run, statuses: list[StageStatus], tiles: list[TileState], attempt: LastAttempt | None
) -> dict[str, str]:
    """What the attempt does, or was stopped at, in the stages of long tasks."""
    unfinished = [stage.name for stage in statuses if stage.finished < stage.tasks]
    said: dict[str, tuple[str, float | None]] = {}
    if "train" in unfinished and "sample" not in unfinished:
        if attempt is None and last_line(run.training_log) is not None:
            return {"train": describe_training(run, since=0.0)[0]}
        if attempt is not None:
            said["train"] = describe_training(run, attempt.began, time.time() if attempt.alive else None)
    if attempt and any(tile.state in (State.IN_PROGRESS, State.STOPPED) for tile in tiles):
        said["segment"] = describe(tiles)
    if attempt and attempt.alive:
        return {n: f"{text}, {duration(s)} left" if s else text for n, (text, s) in said.items()}
    return {name: f"stopped after {text}" for name, (text, left_s) in said.items() if left_s is not None}


def _tiles_at_work(tiles: list[TileState]) -> Iterator[RenderableType]:
    """How far each tile is that is in progress, or was when the attempt ended."""
    at_work = [(t, t.report) for t in tiles if t.state in (State.IN_PROGRESS, State.STOPPED) and t.report]
    if not at_work:
        return
    table = Table(box=None, padding=(0, 2, 0, 0))
    for column in ("  tile", "seeds", "calls", "calls/s", "reported"):
        table.add_column(column, justify="left" if column == "  tile" else "right")
    for tile, report in at_work[:MOST_TILES]:
        table.add_row(
            f"  {tile.name}",
            f"{tile.share.done:.0%} of {report.seeds_total:,}",
            f"{report.calls:,}",
            f"{report.calls_per_s:.1f}",
            f"{duration(time.time() - report.time)} ago",
        )
    yield table
    if len(at_work) > MOST_TILES:
        yield f"  and {len(at_work) - MOST_TILES:,} more"


def what_failed(
    run: Run, failures: list[dict[str, Any]], ends: list[tuple[Path, list[str]]]
) -> Iterator[str]:
    """Failures as `read_failures` gives them, and the ends of logs, as `ends_of_logs` does."""
    if failures:
        yield from _failures(failures)
    for log, lines in ends:
        yield f"\nthe end of {log.relative_to(run.folder)}:"
        yield from (f"  {_clipped(line)}" for line in lines)


def _failures(failures: list[dict[str, Any]]) -> Iterator[str]:
    given_up = sum(not failure["tried_again"] for failure in failures)
    yield f"\nfailures in this attempt: {len(failures):,}, of which {given_up:,} were not tried again"
    for failure in failures[:MOST_FAILURES]:
        since = duration(time.time() - failure["time"])
        what = "tried again" if failure["tried_again"] else "given up"
        yield f"  {since} ago  {failure['target']}, {failure['kind']}, {what}: {_clipped(failure['error'])}"
    if len(failures) > MOST_FAILURES:
        yield f"  and {len(failures) - MOST_FAILURES:,} more in logs/failures.jsonl"


def _clipped(text: str) -> str:
    return text if len(text) <= MOST_CHARACTERS else text[:MOST_CHARACTERS] + " ..."
