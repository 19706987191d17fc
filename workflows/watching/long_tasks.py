"""How far long tasks are, by what their workers log: a tile, all tiles together, the training."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

from pipeline.results.folders import files_below
from pipeline.results.log_lines import last_line
from pipeline.results.unreadable import Look
from pipeline.run_folder import Run
from pipeline.training.pace import has_scores

Line: TypeAlias = Mapping[str, Any]
"""What a worker reports, one JSON object a line."""


class Share(NamedTuple):
    """What part of a tile's seeds is done, and what part of them was before this attempt."""

    done: float = 0.0
    restored: float = 0.0

    @property
    def worked(self) -> float:
        """What this attempt did."""
        return self.done - self.restored


@dataclass(frozen=True)
class TileReport:
    """The last line of a tile's log; seconds are those since it began, or went on from a checkpoint. A tile
    that is longer than a job goes on in each: the attempt's own beginning is told beside that of its job."""

    time: float
    seconds: float
    seeds: int
    seeds_total: int
    resumed_at_seeds: int
    calls: int
    resumed_at_calls: int
    attempt_began: float | None = None
    """None, as `attempt_began_at_seeds`, in the log of an earlier version: its job is told alone."""
    attempt_began_at_seeds: int | None = None

    @property
    def share(self) -> Share:
        seeds, at = max(1, self.seeds_total), self.attempt_began_at_seeds
        return Share(self.seeds / seeds, (self.resumed_at_seeds if at is None else at) / seeds)

    @property
    def began(self) -> float:
        """When the attempt began with the tile, or went on with it, in seconds since 1970."""
        return self.time - self.seconds if self.attempt_began is None else self.attempt_began

    @property
    def calls_per_s(self) -> float:
        return (self.calls - self.resumed_at_calls) / max(self.seconds, 1e-9)


def read_tile_log(log: Path, since: float) -> TileReport | None:
    """The last report in a tile's log; None where there is none from after `since`, seconds since 1970.

    Raises Unreadable.
    """
    return report_in(last_line(log), since)


def report_in(line: Line | None, since: float) -> TileReport | None:
    """The report in the last line of a tile's log; None where there is none from after `since`."""
    try:
        names = {field.name for field in fields(TileReport)}
        report = TileReport(**{name: value for name, value in (line or {}).items() if name in names})
    except TypeError:  # there is none, or it is another version's
        return None
    return report if report and report.time >= since else None


def read_precision(log: Path) -> tuple[str, str] | None:
    """The engine and the precision that a tile's log names last; None where it names none.

    Raises Unreadable.
    """
    last = last_line(log) or {}
    return (last["engine"], last["precision"]) if {"engine", "precision"} <= last.keys() else None


def last_lines(run: Run, look: Look, known: Mapping[str, Line] | None = None) -> dict[str, Line]:
    """The last line of each log that there is of a tile, by the tile's name.

    Those `known` already, of tiles that are finished, are not read again. Logs that cannot be read are
    left out, and `look` keeps which.
    """
    lines = dict(known or {})
    for log in look(files_below, run.tile_logs_folder) or []:
        if log.stem not in lines and log.suffix == ".jsonl":
            line = look(last_line, log)
            lines |= {log.stem: line} if line is not None else {}
    return lines


def missing_image(run: Run, lines: Mapping[str, Line]) -> list[str]:
    """What training and tiles found missing of the image, a line each; `lines` are the `last_lines`."""
    return [*_missing_in_training(run), *_missing_in_tiles(run, lines)]


def _missing_in_training(run: Run) -> list[str]:
    last = (last_line(run.training_log) if run.config.trains else None) or {}
    left_out = last.get("coordinates_left_out", 0)
    if not left_out:
        return []
    return [f"{left_out:,} training coordinates were left out: the image around them is missing in part"]


def _missing_in_tiles(run: Run, lines: Mapping[str, Line]) -> list[str]:
    """One line where some of the image was missing when tiles were segmented; none where none was.

    A chunk lies in several tiles, and a voxel in the core of one.
    """
    one = run.passes[0]
    said = [lines.get(one.stem(t), {}) for t in one.grid]
    short = [line for line in said if line.get("missing_chunks")]
    if not short:
        return []
    voxels = sum(line.get("missing_voxels", 0) for line in short)
    missing = f"{voxels:,} voxels of the image were missing" if voxels else "the image was missing in part"
    return [f"{missing}, in {len(short):,} of {len(said):,} tiles: black, and nothing was seeded there"]


@dataclass(frozen=True)
class Work:
    """What is done of tiles, added up; of those that nobody has begun there is nothing to add."""

    done: float = 0.0
    """Tiles, also in part."""
    worked: float = 0.0
    """Without what older attempts had done."""
    voxels: float = 0.0
    """Those of what was worked."""

    @classmethod
    def of(cls, share: Share, voxels: int) -> Work:
        """Of one tile of so many voxels."""
        return cls(share.done, share.worked, share.worked * voxels)

    def __add__(self, other: Work) -> Work:
        return Work(self.done + other.done, self.worked + other.worked, self.voxels + other.voxels)


def describe_tiles(work: Work, tiles: int, elapsed_s: float) -> tuple[str, float | None]:
    """Share of the seeds done and rate, in words, and the seconds left, if that can be told yet.

    `tiles` is how many are to be segmented in this attempt. Rate and time left count what was done in the
    `elapsed_s` of this attempt, and not what checkpoints brought from older ones.
    """
    if work.worked <= 0 or elapsed_s < 1:
        return "starting", None
    left_s = elapsed_s * (tiles - work.done) / work.worked
    return f"{work.done / tiles:.0%} of the seeds, {work.voxels / elapsed_s:,.0f} voxels/s", left_s


QUIET_AFTER_S = 60.0
QUIET_AFTER_LINES = 3
"""A training of which nothing is logged for so long, and for the time of so many lines, goes on slower than
the last one says, or not at all."""


def describe_training(run: Run, since: float, now: float | None = None) -> tuple[str, float | None]:
    """FOVs seen, rate and metrics, in words, and the seconds left, if that can be told yet.

    A log from before `since`, seconds since 1970, does not count: the ranks have not opened it yet. Of a
    training that is at work `now` it is told where nothing was logged for long. Raises Unreadable.
    """
    last = last_line(run.training_log)
    if last is None or run.training_log.stat().st_mtime < since:
        return "starting ranks", None
    seen, total = last["fovs_seen"], run.config.training.fovs
    loss = "not finite" if last["loss"] is None else f"{last['loss']:.3f}"
    said = f"{seen:,} of {total:,} FOVs, {last['fovs_per_s']:.0f} FOV/s, loss {loss}, "
    if has_scores(last):
        said += f"accuracy {last['accuracy']:.3f}, F1 {last['f1']:.3f}"
    else:
        said += "no example ended since the line before"
    a_line_s = last.get("step_s", 0.0) * run.config.training.report_every_steps
    quiet_s = (now or 0.0) - run.training_log.stat().st_mtime
    if quiet_s > max(QUIET_AFTER_S, QUIET_AFTER_LINES * a_line_s):
        return f"{said}, nothing logged for {duration(quiet_s)}", None
    return said, max(0, total - seen) / max(last["fovs_per_s"], 1e-9)


def duration(seconds: float) -> str:
    """`75` -> `1:15`, `4000` -> `1:06:40`; `0:00` where clocks disagree so far that it would be less."""
    minutes, s = divmod(max(0, round(seconds)), 60)
    hours, m = divmod(minutes, 60)
    return f"{hours}:{m:02d}:{s:02d}" if hours else f"{m}:{s:02d}"
