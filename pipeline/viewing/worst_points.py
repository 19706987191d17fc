"""Read the worst offenders that a run's score lists, as far as there is something to show of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pipeline.errors import InputError
from pipeline.geometry import triple
from pipeline.results.unreadable import read_if_there


def worst_points(path: Path) -> list[dict[str, Any]]:
    """Of each error that has a point: `point` (z, y, x), `text`, and the ids in `segmentation` and `truth`.

    Nothing where there is no such file. Raises InputError where it is no list of errors.
    """
    content = read_if_there(path)
    if content is None:
        return []
    try:
        found = json.loads(content)["worst"]
        return [_shown(rank, wrong) for rank, wrong in enumerate(found, 1) if wrong.get("point") is not None]
    except (ValueError, KeyError, TypeError, AttributeError):
        raise InputError(f"{path} is no list of errors as a score writes it") from None


def _shown(rank: int, wrong: dict[str, Any]) -> dict[str, Any]:
    what = wrong.get("what") or wrong["kind"]
    return {
        "point": triple(wrong["point"]),
        "text": f"{rank}. {what} ({float(wrong['bits']):.4f} bits)",
        "segmentation": [int(i) for i in wrong["segments"]],
        "truth": [int(i) for i in wrong["truth"]],
    }
