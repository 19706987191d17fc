"""Read the worst offenders that a run's scores list, as far as there is something to show of them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pipeline.errors import InputError
from pipeline.geometry import triple
from pipeline.results.unreadable import read_if_there
from pipeline.wording import counted


def worst_points(path: Path) -> list[dict[str, Any]]:
    """Of each error that has a point: `point` (z, y, x), `text`, and the ids in `segmentation` and `truth`.

    Nothing where there is no such file. Raises InputError where it is no list of errors.
    """
    return _points(path, _wrong)


def lost_run_points(path: Path) -> list[dict[str, Any]]:
    """The same of the errors along skeletons that cost most run length; without ids in the truth."""
    return _points(path, _lost_run)


def conflict_points(path: Path) -> list[dict[str, Any]]:
    """The same of the places where tiles contradict each other; without ids in the truth."""
    return _points(path, _conflict)


def told_of_more(path: Path, layer: str, count: str, shown: int) -> list[str]:
    """That a layer has so many of what a list of errors counts, where these are not all; nothing else.

    Raises Unreadable.
    """
    total = json.loads(read_if_there(path) or "{}").get(count, 0)
    return [f"{layer}: the first {shown:,} of {total:,} {count}"] if shown < total else []


def _points(path: Path, shown: Callable[[int, dict[str, Any]], dict[str, Any]]) -> list[dict[str, Any]]:
    content = read_if_there(path)
    if content is None:
        return []
    try:
        found = json.loads(content)["worst"]
        return [shown(rank, wrong) for rank, wrong in enumerate(found, 1) if wrong.get("point") is not None]
    except (ValueError, KeyError, TypeError, AttributeError):
        raise InputError(f"{path} is no list of errors as a score writes it") from None


def _wrong(rank: int, wrong: dict[str, Any]) -> dict[str, Any]:
    what = wrong.get("what") or wrong["kind"]
    return {
        "point": triple(wrong["point"]),
        "text": f"{rank}. {what} ({float(wrong['bits']):.4f} bits)",
        "segmentation": [int(i) for i in wrong["segments"]],
        "truth": [int(i) for i in wrong["truth"]],
    }


def _lost_run(rank: int, lost: dict[str, Any]) -> dict[str, Any]:
    along = " and ".join(map(str, lost["skeletons"]))
    return {
        "point": triple(lost["point"]),
        "text": f"{rank}. {lost['kind']} along {along} ({float(lost['erl_nm']) / 1e3:.4g} um of ERL)",
        "segmentation": [int(i) for i in lost["segments"]],
        "truth": [],
    }


def _conflict(rank: int, conflict: dict[str, Any]) -> dict[str, Any]:
    return {
        "point": triple(conflict["point"]),
        "text": f"{rank}. {conflict['what']} ({counted(int(conflict['voxels']), 'voxel')})",
        "segmentation": [int(i) for i in conflict["segments"]],
        "truth": [],
    }
