"""Put the tiles of a section together: one place and one contrast for each, by what neighbours share."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.sparse.linalg import spsolve

from pipeline.results.artifacts import Artifact, Recipe, Target
from pipeline.results.records import make
from pipeline.sections.grey import mean_and_stddev
from pipeline.sections.stack import Stack, dump, load
from pipeline.sections.tiles import TileSection
from pipeline.settings.sections import GREY, Montage

VERSION = 3

NOMINAL = 0.01
"""How much a nominal place counts next to a shift that was found: it decides where nothing else does."""


def montage_target(stack: Stack, section: TileSection, shifts: Sequence[Artifact]) -> Target:
    """JSON: places and contrast of the tiles, every pair with its residual or why it was refused."""
    settings: dict[str, Any] = {
        "montage": stack.config.montage.model_dump(include={"min_quality", "max_residual"})
    }
    places = {f"place of {t.name}": f"{t.y} {t.x}" for t in section.tiles}
    inputs = {f"shifts {i}": one.sha256 for i, one in enumerate(shifts)}
    inputs |= {tile.name: tile.stamp for tile in section.tiles}
    corrected = {f"{one.a} to {one.b}": f"{one.y} {one.x}" for one in section.corrected}
    if corrected:
        settings["corrections"] = corrected
    recipe = Recipe("montage", VERSION, {**settings, **places}, inputs)
    return Target(stack.file("montage", f"{section.name}.json"), recipe)


def make_montage(stack: Stack, section: TileSection, shifts: Sequence[Artifact]) -> Artifact:
    """Place the tiles of a section by the shifts of all its pairs."""

    def write(path: Path) -> None:
        pairs = [pair for one in shifts for pair in load(one)]
        dump(path, solve(section, pairs, stack.config.montage))

    return make(montage_target(stack, section, shifts), write)


def solve(section: TileSection, pairs: list[dict[str, Any]], settings: Montage) -> dict[str, Any]:
    """Places by least squares; of the shifts that the others contradict the worst for its quality is refused,
    and so on.

    What a person says of a pair goes before what was found, and is not refused.
    """
    pairs = _corrected(section, pairs)
    index = {tile.name: i for i, tile in enumerate(section.tiles)}
    ends = np.array([(index[p["a"]], index[p["b"]]) for p in pairs], int).reshape(-1, 2)
    shifts = np.array([p["shift"] for p in pairs], float).reshape(-1, 2)
    quality = np.array([p["quality"] for p in pairs], float)
    used = quality >= settings.min_quality
    doubtful = np.array([not p.get("corrected", False) for p in pairs], bool)
    seen = np.array(["grey" in p for p in pairs], bool)
    nominal = np.array([(tile.y, tile.x) for tile in section.tiles])
    while True:
        places = _differences(ends[used], shifts[used], nominal)
        residuals = np.linalg.norm(places[ends[:, 1]] - places[ends[:, 0]] - shifts, axis=1)
        refusable = np.flatnonzero(used & doubtful & (residuals > settings.max_residual))
        if not len(refusable):
            break
        # around four tiles all are contradicted alike: then it is the one that is least alike
        used[max(refusable, key=lambda i: residuals[i] / max(quality[i], 1e-3))] = False
    return {
        "z": section.z,
        "places": {tile.name: places[i].tolist() for tile, i in zip(section.tiles, index.values())},
        "contrast": _contrast(
            section, ends[used & seen], [p["grey"] for p, u in zip(pairs, used & seen) if u]
        ),
        "guessed": [section.tiles[i].name for i in _apart(len(index), ends[used])],
        "pairs": [
            {**_plain(pair), "residual": float(residual), "refused": _why(pair, u, settings)}
            for pair, residual, u in zip(pairs, residuals, used)
        ],
    }


def _corrected(section: TileSection, pairs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The pairs with a person's shifts in place of those that were `found`, and those not compared."""
    corrected, compared = [], set[str]()
    for pair in pairs:
        for one in section.corrected:
            shift = one.of(pair["a"], pair["b"])
            if shift is not None:
                compared.add(one.where)
                pair = {**pair, "shift": shift, "quality": 1.0, "corrected": True, "found": pair["shift"]}
        corrected.append(pair)
    for one in section.corrected:
        if one.where not in compared:
            shift = [one.y, one.x]
            corrected.append({"a": one.a, "b": one.b, "shift": shift, "quality": 1.0, "corrected": True})
    return corrected


def _plain(pair: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in pair.items() if name != "grey"}


def _why(pair: dict[str, Any], used: bool, settings: Montage) -> str | None:
    if used:
        return None
    return "quality" if pair["quality"] < settings.min_quality else "contradicted"


def _differences(ends: np.ndarray, wanted: np.ndarray, nominal: np.ndarray) -> np.ndarray:
    """Values, (tiles, k), whose differences along `ends` (pairs, 2) are those `wanted` (pairs, k), as near
    as they can be, and that are as `nominal` where nothing is wanted."""
    n, m = len(nominal), len(ends)
    rows = np.arange(m)
    ones = np.ones(m)
    matrix = coo_array(
        (np.concatenate([-ones, ones]), (np.concatenate([rows, rows]), ends.T.ravel())), shape=(m, n)
    ).tocsc()
    held = coo_array((np.full(n, NOMINAL**2), (np.arange(n), np.arange(n))), shape=(n, n)).tocsc()
    # what differs from the nominal values is solved for: small numbers, and 0 where nothing is known
    beyond = wanted - (nominal[ends[:, 1]] - nominal[ends[:, 0]])
    found = spsolve((matrix.T @ matrix + held).tocsc(), matrix.T @ beyond)
    return nominal + np.asarray(found).reshape(nominal.shape)


def _apart(count: int, ends: np.ndarray) -> list[int]:
    """The tiles that no shift connects to most others: their places are the table's word."""
    graph = coo_array((np.ones(len(ends)), ends.T), shape=(count, count))
    _, part = connected_components(graph, directed=False)
    return np.flatnonzero(part != np.bincount(part).argmax()).tolist()


def _contrast(section: TileSection, ends: np.ndarray, grey: list[Any]) -> dict[str, list[float]]:
    """Of each tile the factor and the summand that make neighbours equally grey where they overlap.

    Alone, each tile would get the mean and the standard deviation of GREY.
    """
    mean, stddev = GREY
    own = np.array([mean_and_stddev(tile.read()) for tile in section.tiles])
    means, spreads = own[:, 0], np.maximum(own[:, 1], 1e-3)
    a, b = ends.T
    both = np.array(grey, float).reshape(-1, 2, 2)
    spread = np.log(np.maximum(both[:, :, 1], 1e-3))
    factors = np.exp(
        _differences(ends, (spread[:, 0] - spread[:, 1])[:, None], np.log(stddev / spreads)[:, None])
    )[:, 0]
    at = both[:, :, 0]
    wanted = factors[a] * at[:, 0] - factors[b] * at[:, 1]
    summands = _differences(ends, wanted[:, None], (mean - factors * means)[:, None])[:, 0]
    return {t.name: [float(f), float(s)] for t, f, s in zip(section.tiles, factors, summands)}
