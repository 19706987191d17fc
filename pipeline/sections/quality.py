"""How well everything fits, what was refused, guessed or lost, and where to look first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.results.artifacts import Artifact, Recipe, Target
from pipeline.results.records import make
from pipeline.sections.group import read_left, read_mesh, read_places
from pipeline.sections.pair import Laid, read_pair
from pipeline.sections.residual_map import ResidualMap, residual_map
from pipeline.sections.stack import Stack, dump, load
from pipeline.sections.tiles import TileSection
from pipeline.sections.volume import Montages

VERSION = 5

WORST = 10

MANY = 0.25
"""Share of pairs of tiles from which on it is a failure that they are refused: some show resin alone."""


def quality_target(
    stack: Stack,
    montages: Montages,
    pairs: Sequence[Artifact],
    placed: Artifact,
    groups: Mapping[int, Artifact],
) -> Target:
    """JSON; see `judge`."""
    inputs = {"places": placed.sha256, **{f"montage {z}": one.sha256 for z, (_, one) in montages.items()}}
    inputs |= {f"pair {i}": one.sha256 for i, one in enumerate(pairs)}
    inputs |= {f"group {number}": one.sha256 for number, one in groups.items()}
    settings: dict[str, Any] = {
        "box": str(stack.box),
        "missing": [name for section, _ in montages.values() for name in section.missing],
        "lost": list(stack.lost),
        "overlap": stack.config.alignment.group_overlap,
    }
    corrections = _corrections(stack, {z: section for z, (section, _) in montages.items()})
    if corrections:
        settings["corrections"] = corrections
    return Target(stack.quality_file, Recipe("quality", VERSION, settings, inputs))


def judge(
    stack: Stack,
    montages: Montages,
    pairs: Sequence[Artifact],
    placed: Artifact,
    groups: Mapping[int, Artifact],
) -> Artifact:
    """Write down the residuals of montage and alignment, in pixels, and all that is doubtful.

    Residuals say how far what was measured agrees with itself, not how far it is from the truth.
    """

    def write(path: Path) -> None:
        made = {z: load(montage) for z, (_, montage) in montages.items()}
        where = residual_map(stack, pairs, placed, groups)
        places = load(placed)
        found = {
            "sections": len(stack.sections),
            "lost": list(stack.lost),
            "missing": [name for section, _ in montages.values() for name in section.missing],
            "montage": montage_figures(made),
            "alignment": _alignment(pairs, groups, places["parts"], where),
            "drift": places["drift"],
            "otherwise": [int(z) for z in places["otherwise"]],
            "map": where.told(),
            "astray": [{"z": z, "share": share} for z, share in where.astray.items()],
            "cut": _cut(stack, montages, made, placed, groups),
            "corrections": _corrections(stack, {z: section for z, (section, _) in montages.items()}),
        }
        dump(path, found)

    return make(quality_target(stack, montages, pairs, placed, groups), write)


def _corrections(stack: Stack, sections: Mapping[int, TileSection]) -> list[dict[str, Any]]:
    """What a person said, in the order of sections, with where it stands and why."""
    shifts = [{"kind": "shift", **asdict(one)} for section in sections.values() for one in section.corrected]
    return [*shifts, *({"kind": "exclude", **asdict(one)} for one in stack.excluded)]


def montage_figures(made: Mapping[int, dict[str, Any]]) -> dict[str, Any]:
    """What is told of the montages of sections, each as `make_montage` wrote it."""
    compared = [{"z": z, **pair} for z, one in made.items() for pair in one["pairs"]]
    used = [pair for pair in compared if pair["refused"] is None]
    refused = [pair for pair in compared if pair["refused"] is not None]
    return {
        "pairs": len(compared),
        "refused": refused,
        "many_refused": len(refused) >= max(1, MANY * len(compared)),
        "guessed": [name for one in made.values() for name in one["guessed"]],
        "residual_px": _figures([pair["residual"] for pair in used]),
        "worst": sorted(used, key=lambda pair: -pair["residual"])[:WORST],
        "of_sections": {
            z: _figures([p["residual"] for p in one["pairs"] if p["refused"] is None])
            for z, one in made.items()
        },
    }


def _alignment(
    pairs: Sequence[Artifact],
    groups: Mapping[int, Artifact],
    parts: list[list[int]],
    where: ResidualMap,
) -> dict[str, Any]:
    laid = [read_pair(one) for one in pairs]
    # a pair that two groups share is told as the later one has it
    left = {(one["a"], one["b"]): one for group in groups.values() for one in read_left(group)}
    for pair, one in left.items():
        one["at"] = where.worst_at[pair]
    return {
        "pairs": len(laid),
        "refused": [_told(one) for one in laid if one.is_refused],
        "parts": parts,
        "points": {
            "asked": sum(len(one.flow.asked) for one in laid),
            "found": sum(len(one.flow.points) for one in laid),
        },
        "left_out": sum(one["left out"] for one in left.values()),
        "residual_px": _figures([one["median"] for one in left.values()]),
        "worst": sorted(left.values(), key=lambda one: -one["95%"])[:WORST],
        "of_pairs": list(left.values()),
    }


def _told(one: Laid) -> dict[str, int]:
    return {"a": one.a, "b": one.b, "features": one.inliers, "asked": len(one.flow.asked)}


def _cut(
    stack: Stack,
    montages: Montages,
    made: Mapping[int, dict[str, Any]],
    placed: Artifact,
    groups: Mapping[int, Artifact],
) -> dict[int, float]:
    """By section, how many pixels of it stick out of the volume, where any do: they are not in it."""
    low, high = np.array(stack.box.start[1:]), np.array(stack.box.stop[1:])
    found, places = {}, read_places(placed)
    for z, (section, _) in montages.items():
        starts = np.array([made[z]["places"][tile.name] for tile in section.tiles])
        ends = starts + [tile.shape for tile in section.tiles]
        corners = np.concatenate(
            [
                starts,
                ends,
                np.column_stack([starts[:, 0], ends[:, 1]]),
                np.column_stack([ends[:, 0], starts[:, 1]]),
            ]
        )
        there = read_mesh(stack, z, places[z], groups)(corners)
        out = float(max((low - there).max(), (there - high).max()))
        if out > 1:
            found[z] = round(out, 1)
    return found


def _figures(values: Sequence[float]) -> dict[str, float | None]:
    if not values:
        return {"median": None, "99%": None, "largest": None}
    return {
        "median": float(np.median(values)),
        "99%": float(np.percentile(values, 99)),
        "largest": float(max(values)),
    }
