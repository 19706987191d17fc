"""What a user reads after a run: the scores and where the volume is, or what failed and why."""

from __future__ import annotations

import json
import shlex
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from parsl.dataflow.errors import PropagatedException
from rich.console import Console

from pipeline.checkup.before_run import read_warnings
from pipeline.errors import InputError
from pipeline.evaluation.trust import doubts_of_run_length
from pipeline.machine.own import REPOSITORY
from pipeline.reconciliation.outcome import read_outcome
from pipeline.reconciliation.segments import count_in_volume
from pipeline.report.scores import shapes
from pipeline.results.agglomerated_ids import read_summary
from pipeline.results.tile_labels import NOT_FINITE_AT
from pipeline.results.unreadable import Look, read_if_there, reading
from pipeline.run_folder import Run
from pipeline.settings.scored import why_not_scored
from pipeline.wording import counted
from workflows.output import say
from workflows.planning.explain import results
from workflows.running.alignment_lines import alignment_lines
from workflows.running.gates import HeldBackError
from workflows.running.run_scores import print_scores_of_run
from workflows.running.training_lines import training_lines
from workflows.scores_as_text import run_length_lines
from workflows.stage import Stage
from workflows.watching.environments import environments, mixed_environments
from workflows.watching.long_tasks import last_lines, missing_image, read_precision

NOT_BEGUN = (PropagatedException, HeldBackError)
"""Why a task has not run that others, or a person, kept from running."""

MOST_NAMED = 10
"""Of a stage's missing files, and of corrections that were not made."""


def print_summary(run: Run, console: Console) -> None:
    """Scores with their conventions, where the volume is, and how to look at it."""
    if run.config.evaluation.box is not None:
        print_scores_of_run(run, console)
    if run.config.evaluation.measures_run_length:
        found = json.loads(run.run_length_file.read_text())
        say(console, *run_length_lines(found))
        say(console, *(f"WARNING: {doubt}" for doubt in doubts_of_run_length(found)))
    nothing = why_not_scored(run)
    if nothing is not None:
        say(console, "", f"nothing to score: {nothing}", "")
    if run.config.sections is not None:
        say(console, *alignment_lines(json.loads(run.quality_file.read_text()), run))
    look = Look()
    say(console, *_lines_of_volume(run, look))
    say(console, *_lines_of_network(run, look))
    say(
        console,
        f"segmentation  {_place(run)}",
        f"look at it    {viewing(run)}",
        f"report        {run.report_page}",
        f"everything    {run.folder}",
    )


def _lines_of_volume(run: Run, look: Look) -> list[str]:
    """What the segmentation is like, and what was made of it."""
    outcome = look(outcome_lines, run, look(count_in_volume, run)) or []
    corrected = look(correction_lines, run) or []
    shaped = [f"shapes        {line}" for line in look(shapes, run) or []]
    joined = look(agglomeration_line, run) if run.config.agglomeration.enabled else None
    return [*outcome, *corrected, *shaped, *([joined] if joined else [])]


def _lines_of_network(run: Run, look: Look) -> list[str]:
    """What was warned of, how the network was trained and chosen, and how it ran."""
    missing = look(missing_image, run, last_lines(run, look)) or []
    mixed = mixed_environments(look(environments, run.floods) or {})
    tried, trained = look(describe_choice, run) or [], training_lines(run, look)
    kept, network = look(read_warnings, run) or [], look(_describe_network, run) or []
    warnings = [f"warning       {line}" for line in [*kept, *missing, *mixed, *look.untold]]
    return [*warnings, *trained, *tried, *network]


def _place(run: Run) -> str:
    """Where the segmentation lies, as Neuroglancer and CloudVolume read it."""
    volume = run.volume
    return f"precomputed://file://{volume}" if isinstance(volume, Path) else run.volume_uri


def viewing(run: Run) -> str:
    """A line for a shell that shows a run in a browser."""
    return shlex.join([sys.executable, str(REPOSITORY / "workflows" / "view.py"), str(run.folder)])


def outcome_lines(run: Run, in_volume: int | None) -> list[str]:
    """What the segmentation is like, and a line for each reason to doubt it; none before there is one.

    `in_volume` is how many segments the volume has; None: it is not whole. Raises Unreadable.
    """
    outcome, voxels = read_outcome(run), run.grid.tiled_voxels
    if outcome is None:
        return []
    doubts = [f"WARNING       {doubt}" for doubt in outcome.doubts(voxels)]
    told = [f"conflicts     {outcome.describe_conflicts()}, listed in {run.conflicts_file.name}"]
    return [
        f"segments      {outcome.describe(voxels, in_volume)}",
        *(told if outcome.conflicts else []),
        *doubts,
    ]


def describe_choice(run: Run) -> list[str]:
    """How each network that was tried scored, and which one was chosen; nothing where none were. Raises
    Unreadable."""
    if not run.trials:
        return []
    with reading(run.validation_file):
        found = json.loads(run.validation_file.read_bytes())
    box, chosen = run.config.training.validation_box, found["chosen_fovs"]
    lines = [f"chosen        the network after {chosen:,} FOVs, in {box}: {found['rule']}"]
    for one in found["networks"]:
        filled, mark = one["filled"], ", chosen" if one["fovs"] == chosen else ""
        if NOT_FINITE_AT in one:
            lines.append(f"              {one['fovs']:>11,} FOVs: NaN or infinity at {one[NOT_FINITE_AT]}")
            continue
        lines.append(
            f"              {one['fovs']:>11,} FOVs: filled ARE {filled['are']:.4f}, VOI split "
            f"{filled['voi_split']:.4f}, merge {filled['voi_merge']:.4f}, "
            f"coverage {one['coverage']:.1%}{mark}"
        )
    return lines


def correction_lines(run: Run) -> list[str]:
    """What became of a person's corrections, and of each that was not made why; none before it is known.

    Raises Unreadable.
    """
    text = read_if_there(run.corrections_file) if run.config.reconciliation.corrections else None
    if text is None:
        return []
    found = json.loads(text)
    counts, rows = found["counts"], found["corrections"]
    already = counts["one_already"] + counts["apart_already"]
    lost = [row for row in rows if row["why_not"]]
    said = (
        f"corrections   {counted(counts['joined'], 'join')} and {counted(counts['cut'], 'cut')} made, "
        f"{already:,} were so already, {len(lost):,} could not be made; each is in "
        f"{run.corrections_file.name}"
    )
    return [said, *map(_not_made, lost[:MOST_NAMED]), *_more(lost)]


def _not_made(row: dict[str, Any]) -> str:
    points = " and ".join(", ".join(map(str, point)) for point in row["points"])
    return f"WARNING       {row['where']}: {row['kind']} {points} (z, y, x) was not made: {row['why_not']}"


def _more(lost: list[dict[str, Any]]) -> list[str]:
    more = len(lost) - MOST_NAMED
    return [f"WARNING       not made either: {counted(more, 'other correction')}"] if more > 0 else []


def agglomeration_line(run: Run) -> str | None:
    """What agglomeration has joined; None before it is done. Raises Unreadable."""
    found = read_summary(run.agglomeration_file)
    if found is None:
        return None
    return (
        f"agglomerated  {found['joins']:,} of {found['points']:,} decision points join "
        f"{counted(found['segments_joined'], 'segment')}, for {counted(found['calls'], 'network call')}; "
        + (f"{found['kept_apart']:,} more would, but for a person's cuts; " if found["kept_apart"] else "")
        + f"edges with scores: {run.edges_file.name}"
    )


def _describe_network(run: Run) -> list[str]:
    """How the network ran, for each kind of CPU or GPU that the tiles met; where not as asked, that too."""
    wanted = run.config.inference.precision
    met = Counter(read_precision(one.tile_log(tile)) for one, tile in run.floods)
    lines = []
    for how, tiles in met.most_common():
        if how is not None:
            engine, precision = how
            instead = "" if wanted in ("auto", precision) else f", {wanted} is not available there"
            lines.append(f"network       {engine} in {precision}, {counted(tiles, 'tile')}{instead}")
    return lines


def cause_lines(stages: Sequence[Stage]) -> list[str]:
    """Each cause of failures once, with the number of its tasks."""
    errors = (future.exception() for stage in stages for future in stage.tasks)
    causes = Counter(one_line(e) for e in errors if e is not None and not isinstance(e, NOT_BEGUN))
    return [f"error: {cause}" + (f" ({n:,} tasks)" if n > 1 else "") for cause, n in causes.most_common()]


def print_failures(run: Run, stages: list[Stage], console: Console) -> None:
    """Each cause once with the number of its tasks, what is missing by name, and how to go on."""
    missing = []
    for stage, files in zip(stages, results(run)):
        errors = [future.exception() for future in stage.tasks]
        names = [file.name for file, error in zip(files.tasks, errors) if error is not None]
        if names:
            missing.append(f"  {stage.name}, {len(names):,} of {len(errors):,}: {_first(names)}")
    lines = [*cause_lines(stages), "missing:", *missing]
    lines += [f"Everything else is finished and kept in {run.folder}; logs: {run.logs_folder}."]
    lines += [f"A page with all of it: ffn report {shlex.quote(str(run.folder))}"]
    lines += ["Run the same command again to try just what is missing."]
    say(console, *lines)


def _first(names: list[str]) -> str:
    more = f" and {len(names) - MOST_NAMED:,} more" if len(names) > MOST_NAMED else ""
    return ", ".join(names[:MOST_NAMED]) + more


def one_line(error: BaseException) -> str:
    """An input error's own message; any other error with its type in front."""
    text = " ".join(str(error).split())
    return text if isinstance(error, InputError) else f"{type(error).__name__}: {text}"
