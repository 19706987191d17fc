"""What was done when: the attempts on a run, and of every stage the tasks that each of them finished."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from pipeline import agglomeration, evaluation, reconciliation
from pipeline.report.alignment import tasks_of_sections
from pipeline.report.charts import ticks
from pipeline.report.headline import ending
from pipeline.results.artifacts import Artifact, Parts, Recipe, Target
from pipeline.results.attempts import is_alive, read_attempts, read_owner
from pipeline.results.folders import files_below
from pipeline.results.records import Missing, inspect, read, record_path
from pipeline.results.unreadable import Look, names_in
from pipeline.run_folder import Run

STAGES = {
    "phantom": "phantom",
    "shifts": "shifts",
    "montage": "montage",
    "overview": "overview",
    "match sections": "match",
    "place sections": "place",
    "relax": "relax",
    "aligned volume": "render",
    "render": "render",
    "quality": "quality",
    "sample": "sample",
    "train": "train",
    "infer to try": "try",
    "score try": "try",
    "choose": "choose",
    "take chosen": "choose",
    "import checkpoint": "import network",
    "infer": "segment",
    "consensus": "consensus",
    "evidence": "compare",
    "join": "join",
    "merge": "merge",
    "correct": "correct",
    "list corrections": "correct",
    "conflicts": "conflicts",
    "volume": "volume",
    "write": "write",
    "measure": "measure",
    "properties": "properties",
    "downsample": "downsample",
    "mesh": "mesh",
    "list mesh": "store meshes",
    "mesh shard": "store meshes",
    "trace": "trace",
    "list skeletons": "store skeletons",
    "skeletons shard": "store skeletons",
    "points": "points",
    "resegment": "resegment",
    "agglomerate": "agglomerate",
    "edges": "agglomerate",
    "count": "count",
    "count uncorrected": "count",
    "score": "score",
    "worst": "worst",
    "skeletons": "skeletons",
    "run length": "run length",
}
"""Recipes by the names that users know, in the order in which they run."""

TOLD = {"started", "command", "user", "host", "cpu", "python", "commit", "dirty", "packages"}
"""Of an attempt; where some of it is missing, its line was torn."""

GAP_S = 1.0
"""Work of one stage that is no further apart than this is drawn as one bar."""


def attempts(run: Run, look: Look) -> list[dict[str, Any]]:
    """All attempts on the run, oldest first; `began` and `over` are their times in seconds since 1970."""
    found, owner = [], look(read_owner, run.folder)
    at_work = owner.attempt if owner is not None and look(is_alive, run.folder, owner) else None
    for attempt in look(read_attempts, run.folder) or []:
        if attempt.keys() >= TOLD:
            began = _seconds(attempt["started"])
            over = _seconds(attempt["ended"]) if attempt["ended"] else None
            says = ending(attempt, attempt["attempt"] == at_work)
            found.append({**attempt, "began": began, "over": over, "says": says})
    return found


def records(run: Run, look: Look, but: Collection[str] = ()) -> list[dict[str, Any]]:
    """The completion records of everything in the run folder that is as they say, each with its `file`'s name
    and its `path`; not those of the paths in `but`.
    """
    folders = [
        run.phantom_file.parent,
        run.alignment_folder,
        run.model_file.parent,
        run.validation_folder,
        run.tiles_folder,
        run.agglomeration_folder,
        run.folder / "evaluation",
    ]
    files = [file for folder in folders for file in look(files_below, folder) or []]
    files += [run.folder / name for name in sorted(look(names_in, run.folder) or [])]
    found = []
    suffix = record_path(run.model_file).name.removeprefix(run.model_file.name)
    for file in files:
        if file.name.endswith(suffix):
            made = file.with_name(file.name.removesuffix(suffix))
            record = None if str(made) in but else look(_record, run, made)
            if record is not None and record["stage"] in STAGES:
                found.append({**record, "file": made.name, "path": str(made)})
    return found


def expected_tasks(run: Run) -> dict[str, int]:
    """How many tasks each stage of the whole run has, by the name that users know."""
    passes, imported = run.passes, int(not run.config.trains)
    imported += sum(one.has_own_network for one in passes)
    network = {"sample": 1, "train": len(run.config.training.parts)} if run.config.trains else {}
    network |= {"try": 2 * len(run.trials), "choose": 2} if run.trials else {}
    network |= {"import network": imported} if imported else {}
    tasks = {"phantom": 1} if run.uses_phantom else tasks_of_sections(run)
    tasks |= network | {"segment": len(passes) * len(run.grid)}
    if len(passes) > 1:
        tasks["consensus"] = len(run.grid)
    tasks["compare"] = len(run.grid)
    tasks["join"] = reconciliation.count_groups(run)
    corrects = run.config.reconciliation.corrections is not None
    tasks |= {"merge": 1, **({"correct": 2} if corrects else {}), "conflicts": 1, "volume": 1}
    tasks["write"] = tasks["measure"] = len(reconciliation.blocks(run))
    tasks["properties"] = 1
    levels = reconciliation.levels(run)[1:]
    if levels:
        tasks["downsample"] = sum(len(reconciliation.level_blocks(run, level)) for level in levels)
    if run.config.reconciliation.meshes:
        tasks |= {
            "mesh": len(reconciliation.mesh_cells(run)),
            "store meshes": 1 + reconciliation.count_shards(run),
        }
    if run.config.reconciliation.skeletons:
        tasks |= {
            "trace": len(reconciliation.trace_cells(run)),
            "store skeletons": 1 + reconciliation.count_shards(run),
        }
    if run.config.agglomeration.enabled:
        blocks = len(agglomeration.blocks(run))
        tasks |= {"points": blocks, "resegment": blocks, "agglomerate": 2}
    if run.config.evaluation.box is not None:
        tasks |= {"count": len(evaluation.blocks(run)) * (1 + corrects), "score": 1, "worst": 1}
    if run.config.evaluation.makes_skeletons:
        tasks["skeletons"] = 1
    if run.config.evaluation.measures_run_length:
        tasks["run length"] = 1
    return tasks


def stages(run: Run, found: Iterable[Mapping[str, Any]], tried: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """A row a stage: tasks, finished ones, and how many of these by the last attempt; seconds, and on what.

    `busy_s` adds up over tasks. What an earlier attempt finished was reused by the last one.
    """
    by_stage: dict[str, list[Mapping[str, Any]]] = {}
    for record in found:
        by_stage.setdefault(STAGES[record["stage"]], []).append(record)
    last_began = tried[-1]["began"] if tried else 0.0
    rows = []
    for name, tasks in expected_tasks(run).items():
        made = by_stage.get(name, [])
        rows.append(
            {
                "name": name,
                "tasks": tasks,
                "finished": len(made),
                "reused": sum(_end(record) < last_began for record in made),
                "busy_s": sum(record["seconds"] for record in made),
                "hosts": sorted({record["host"] for record in made}),
                "processors": sorted({record["processor"] for record in made}),
            }
        )
    return rows


def timeline(found: Iterable[Mapping[str, Any]], tried: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Of each attempt that finished something, the times at which each stage was at work, in seconds of it.

    A task belongs to the attempt in which it ended; one that went on from a checkpoint may have begun before.
    """
    shown = []
    for attempt, following in zip(tried, [*tried[1:], None]):
        until = following["began"] if following else float("inf")
        mine = [r for r in found if attempt["began"] <= _end(r) < until]
        spans: dict[str, list[tuple[float, float]]] = {name: [] for name in STAGES.values()}
        for record in mine:
            began = max(0.0, record["started"] - attempt["began"])
            spans[STAGES[record["stage"]]].append((began, _end(record) - attempt["began"]))
        if mine:
            seconds = max(end for of in spans.values() for _, end in of)
            shown.append(
                {
                    "attempt": attempt["attempt"],
                    "tasks": len(mine),
                    "seconds": seconds,
                    "ticks": ticks(seconds),
                    "stages": [
                        {"name": name, "at_work": _joined(of), "tasks": len(of)}
                        for name, of in spans.items()
                        if of
                    ],
                }
            )
    return shown


def _record(run: Run, path: Path) -> dict[str, Any] | None:
    """The record of a file that is as it says; else None. Raises Unreadable."""
    record = read(path)
    if isinstance(record, Missing):
        return None
    recipe = Recipe(record["stage"], record["version"], record["settings"], record["inputs"])
    parts: Parts | None = None
    if record["parts"]:
        parts = run.aligned_folder if path.is_relative_to(run.alignment_folder) else run.volume
    return record if isinstance(inspect(Target(path, recipe, parts)), Artifact) else None


def _joined(spans: list[tuple[float, float]]) -> list[list[float]]:
    """The spans, those that overlap or nearly touch as one."""
    joined: list[list[float]] = []
    for began, ended in sorted(spans):
        if joined and began <= joined[-1][1] + GAP_S:
            joined[-1][1] = max(joined[-1][1], ended)
        else:
            joined.append([began, ended])
    return joined


def _end(record: Mapping[str, Any]) -> float:
    return float(record["started"] + record["seconds"])


def _seconds(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()
