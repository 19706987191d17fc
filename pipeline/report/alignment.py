"""What the report says of an alignment: residuals, where they are largest, and what to look at."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from pipeline import sections
from pipeline.errors import InputError
from pipeline.report.charts import line_chart
from pipeline.results.unreadable import read_if_there
from pipeline.run_files import RunFiles
from pipeline.run_folder import Run

WORST = 10
MOST_CORRECTIONS = 50
MOST_MAPS = 24
"""Sections of which a map is shown: those with the largest cells."""

PICTURES = 3
"""Of pairs of tiles, and as many of pairs of sections."""


def alignment(files: RunFiles) -> dict[str, Any] | None:
    """What the quality file says, as the page shows it; None where there is none.

    Raises InputError where it is of an earlier version, and Unreadable.
    """
    text = read_if_there(files.quality_file)
    if text is None:
        return None
    found = json.loads(text)
    if not {"map", "corrections", "drift", "otherwise", "astray"} <= found.keys():
        raise InputError(f"{files.quality_file} is of an earlier version: align once more")
    montage, aligned = found["montage"], found["alignment"]
    measured = [pair for pair in montage["worst"] if not pair.get("corrected")]
    cut = {int(z): pixels for z, pixels in found["cut"].items()}
    return {
        "sections": found["sections"],
        "lost": found["lost"][:WORST],
        "lost_in_all": len(found["lost"]),
        "missing": len(found["missing"]),
        "cut": len(cut),
        "cut_px": max(cut.values(), default=0.0),
        "montage": {
            "pairs": montage["pairs"],
            "refused": len(montage["refused"]),
            "many_refused": montage["many_refused"],
            "guessed": len(montage["guessed"]),
            "residual_px": montage["residual_px"],
            "worst": [_of_tiles(pair) for pair in montage["worst"][:WORST]],
        },
        "alignment": {
            "pairs": aligned["pairs"],
            "refused": len(aligned["refused"]),
            "parts": len(aligned["parts"]),
            "points": aligned["points"],
            "left_out": aligned["left_out"],
            "residual_px": aligned["residual_px"],
            "worst": [_of_sections(pair) for pair in aligned["worst"][:WORST]],
        },
        "drift": _drift(found["drift"]),
        "otherwise": found["otherwise"][:WORST],
        "otherwise_in_all": len(found["otherwise"]),
        "astray": sorted(found["astray"], key=lambda one: -one["share"])[:WORST],
        "astray_in_all": len(found["astray"]),
        "corrections": [_of_correction(one) for one in found["corrections"][:MOST_CORRECTIONS]],
        "corrections_in_all": len(found["corrections"]),
        "chart": _chart(montage["of_sections"], aligned["of_pairs"]),
        "map": _map(found["map"]),
        "pictures": [
            *({"of": "tiles", **_of_tiles(pair)} for pair in measured[:PICTURES]),
            *({"of": "sections", **_of_sections(pair)} for pair in aligned["worst"][:PICTURES]),
        ],
    }


def _drift(parts: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
    """What was taken off the places of sections as wholes; None where that was not looked for."""
    if not parts:
        return None
    far = [z for part in parts for z in part["far"]]
    figures = {name: max(part[name] for part in parts) for name in ("drift_px", "table_px")}
    return {**figures, "far": far[:WORST], "far_in_all": len(far)}


def tasks_of_sections(run: Run) -> dict[str, int]:
    """How many tasks each stage has that makes a run's image of sections. Raises InputError."""
    if run.config.sections is None:
        return {}
    stack, there = sections.read_stack(run.config.sections, run.folder)
    montage = stack.config.montage
    tasks = {
        "shifts": sum(len(sections.batches(section, montage)) for section in there.values()),
        "montage": len(there),
        "overview": len(there),
        "match": len(stack.section_pairs),
        "place": 1,
        "relax": len(stack.groups),
        "render": 1 + len(sections.blocks(stack)),
        "quality": 1,
    }
    return {name: number for name, number in tasks.items() if number}


def _of_correction(one: Mapping[str, Any]) -> dict[str, Any]:
    pair = f"{one['b']} from {one['a']}" if one["kind"] == "shift" else ""
    shift = [one["y"], one["x"]] if one["kind"] == "shift" else None
    told = {name: one[name] for name in ("kind", "section", "where", "note")}
    return {**told, "pair": pair, "shift": shift}


def _of_tiles(pair: Mapping[str, Any]) -> dict[str, Any]:
    return {name: pair[name] for name in ("z", "a", "b", "residual", "quality")}


def _of_sections(pair: Mapping[str, Any]) -> dict[str, Any]:
    named = {"median": "median", "most": "95%", "points": "points", "left_out": "left out"}
    figures = {name: pair[own] for name, own in named.items()}
    return {"a": pair["a"], "b": pair["b"], "at": pair["at"], **figures}


def _chart(
    montages: Mapping[str, Mapping[str, float | None]], pairs: Sequence[Mapping[str, Any]]
) -> dict[str, Any] | None:
    """Residuals over sections; None where there are too few of them for lines."""
    of = defaultdict[int, list[Mapping[str, Any]]](list)
    for pair in pairs:
        of[pair["a"]].append(pair)
        of[pair["b"]].append(pair)
    shown = sorted(of)
    if len(shown) < 2:
        return None
    return line_chart(
        shown,
        {
            "sections, median": [float(np.mean([p["median"] for p in of[z]])) for z in shown],
            "sections, 95%": [max(p["95%"] for p in of[z]) for z in shown],
            "tiles, median": [montages[str(z)]["median"] for z in shown],
        },
        of_places=True,
    )


def _map(found: Mapping[str, Any]) -> dict[str, Any]:
    """The maps of some sections, in their order; how many there are."""
    most = {
        int(z): max((cell for row in cells for cell in row if cell is not None), default=0.0)
        for z, cells in found["of_sections"].items()
    }
    shown = sorted(sorted(most, key=lambda z: (-most[z], z))[:MOST_MAPS])
    return {
        "side_px": found["side_px"],
        "in_all": len(most),
        "most": max(most.values(), default=0.0),
        "sections": [{"z": z, "most": most[z], "cells": found["of_sections"][str(z)]} for z in shown],
    }
