"""Sections relaxed in groups that overlap, and the one map of each section that comes of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from pipeline.results.artifacts import Artifact, Recipe, Target
from pipeline.results.records import make
from pipeline.sections.coarse import AS_IT_IS, Affine
from pipeline.sections.drift import FEWEST, drifts, told, without
from pipeline.sections.mesh import Lattice, Matches, Mesh, relax
from pipeline.sections.pair import Laid, read_pair
from pipeline.sections.places import parts, places
from pipeline.sections.stack import Stack, dump, load
from pipeline.sections.upright import laid_as_most

VERSION = 2
PLACES_VERSION = 5

SETTINGS = {"grid", "stiffness", "hold", "max_deviation"}
PLACES_SETTINGS = {"grid", "stiffness", "hold", "drift_length"}


class Place(NamedTuple):
    """Where a section as a whole lies."""

    first: Affine
    """The map that lays it as most lie, which others are."""
    by_pairs: Affine
    """From there, by pairs alone."""
    straight: Affine
    """The map of the volume that takes the drift off."""


def places_target(stack: Stack, pairs: Sequence[Artifact]) -> Target:
    """JSON: of each section matrix and translation as pairs alone have it, and the map of the volume that
    takes the drift off; what is told of the drift; and the parts between which nothing matches."""
    settings: dict[str, Any] = {"area": stack.area, "sections": list(stack.sections)}
    settings["alignment"] = stack.config.alignment.model_dump(include=PLACES_SETTINGS)
    recipe = Recipe("place sections", PLACES_VERSION, settings, _inputs(stack.section_pairs, pairs))
    return Target(places_file(stack), recipe)


def places_file(stack: Stack) -> Path:
    """Where all sections lie as wholes."""
    return stack.file("groups", "places.json")


def group_file(stack: Stack, group: Sequence[int]) -> Path:
    """How the sections of a group are bent."""
    return stack.file("groups", f"z{group[0]:06d}_z{group[-1]:06d}.npz")


def place_sections(stack: Stack, pairs: Sequence[Artifact]) -> Artifact:
    """Place all sections as wholes, by all of `stack.section_pairs`, and say how that drifts."""
    settings = stack.config.alignment
    length = settings.drift_length

    def write(path: Path) -> None:
        laid = [one for one in map(read_pair, pairs) if not one.is_refused]
        taken = _matches(laid, {})
        connected, first = parts(stack.sections, list(taken)), dict[int, Affine]()
        for part in connected:
            if within := {pair: points for pair, points in taken.items() if pair[0] in part}:
                first |= laid_as_most(part, within)
        found = places(stack.sections, _matches(laid, first), stack.box, settings)
        straight, said = dict.fromkeys(stack.sections, AS_IT_IS), []
        for part in connected:
            if length and len(part) >= FEWEST:
                drift = drifts(part, found, stack.box, length)
                straight |= dict(zip(part, without(drift, stack.box)))
                said.append(told(part, drift))
        placed = [{"z": z, **_written(a), "straight": _written(straight[z])} for z, a in found.items()]
        otherwise = {z: _written(first[z]) for z in sorted(first)}
        dump(path, {"parts": connected, "drift": said, "otherwise": otherwise, "sections": placed})

    return make(places_target(stack, pairs), write)


def pairs_of_group(stack: Stack, group: Sequence[int]) -> list[tuple[int, int]]:
    """The pairs whose sections are both in the group."""
    within = set(group)
    return [(a, b) for a, b in stack.section_pairs if a in within and b in within]


def group_target(stack: Stack, group: Sequence[int], placed: Artifact, pairs: Sequence[Artifact]) -> Target:
    """An npz file: the moves of each section's nodes, and what was left between points that match."""
    settings = {"alignment": stack.config.alignment.model_dump(include=SETTINGS), "area": stack.area}
    inputs = {"places": placed.sha256, **_inputs(pairs_of_group(stack, group), pairs)}
    recipe = Recipe("relax", VERSION, {**settings, "group": list(group)}, inputs)
    return Target(group_file(stack, group), recipe)


def relax_group(stack: Stack, group: Sequence[int], placed: Artifact, pairs: Sequence[Artifact]) -> Artifact:
    """Relax the sections of one of `stack.groups`; `pairs` are those of `pairs_of_group`.

    Points that are more than `max_deviation` pixels apart after it are left out, and it is done once more.
    """
    settings = stack.config.alignment

    def write(path: Path) -> None:
        laid = [one for one in map(read_pair, pairs) if not one.is_refused]
        placed_at = read_places(placed)
        affines = {z: place.by_pairs for z, place in placed_at.items()}
        lattice = Lattice.over(stack.box, settings.grid)
        matches = _matches(laid, {z: place.first for z, place in placed_at.items()})
        meshes = relax(group, affines, matches, lattice, settings)
        kept = {}
        for pair, apart in _apart(meshes, matches).items():
            points, to = matches[pair]
            good = apart <= settings.max_deviation
            kept[pair] = points[good], to[good]
        meshes = relax(group, affines, kept, lattice, settings)
        left = _apart(meshes, matches)
        with open(path, "wb") as file:
            np.savez_compressed(
                file,
                moves=np.stack([meshes[z].moves for z in group]).astype(np.float32),
                pairs=np.array(list(left), int).reshape(-1, 2),
                left=np.array([_figures(one, len(kept[pair][0])) for pair, one in left.items()]).reshape(
                    -1, 4
                ),
            )

    return make(group_target(stack, group, placed, pairs), write)


def read_left(artifact: Artifact) -> list[dict[str, Any]]:
    """Of each pair of a group that was not refused, what is left between points that match, in pixels."""
    with np.load(artifact.path) as file:
        return [
            {"a": int(a), "b": int(b), "median": median, "95%": most, "points": int(n), "left out": int(out)}
            for (a, b), (median, most, n, out) in zip(file["pairs"], file["left"].tolist())
        ]


def groups_of(stack: Stack, z: int) -> list[int]:
    """Which of `stack.groups` hold a section."""
    return [number for number, group in enumerate(stack.groups) if z in group]


def read_places(placed: Artifact) -> dict[int, Place]:
    """By section, what `place_sections` found."""
    found = load(placed)
    first = {int(z): _read(one) for z, one in found["otherwise"].items()}
    return {
        one["z"]: Place(first.get(one["z"], AS_IT_IS), _read(one), _read(one["straight"]))
        for one in found["sections"]
    }


def read_mesh(stack: Stack, z: int, place: Place, groups: Mapping[int, Artifact]) -> Mesh:
    """The map of a section into the volume; `groups` holds at least those of `groups_of`, by number.

    Where groups overlap, one goes over into the next from section to section. What matches is brought
    together as pairs have it; then the drift is taken off.
    """
    lattice = Lattice.over(stack.box, stack.config.alignment.grid)
    total, weights = np.zeros((2, *lattice.shape)), 0.0
    for number in groups_of(stack, z):
        group = stack.groups[number]
        at, ramp = group.index(z), stack.config.alignment.group_overlap + 1
        before = 1.0 if number == 0 else min(1.0, (at + 1) / ramp)
        after = 1.0 if number == len(stack.groups) - 1 else min(1.0, (len(group) - at) / ramp)
        with np.load(groups[number].path) as file:
            total += before * after * file["moves"][at].astype(np.float64)
        weights += before * after
    return Mesh(place.by_pairs, lattice, total / weights, place.first).then(place.straight)


def _matches(laid: Sequence[Laid], first: Mapping[int, Affine]) -> Matches:
    """The points of pairs, and where they are in the other section, both where `first` has them."""
    return {
        (one.a, one.b): (
            first.get(one.a, AS_IT_IS)(one.flow.points),
            first.get(one.b, AS_IT_IS)(one.flow.to),
        )
        for one in laid
    }


def _written(affine: Affine) -> dict[str, list[Any]]:
    return {"matrix": affine.matrix.tolist(), "moved": affine.moved.tolist()}


def _read(written: Mapping[str, Any]) -> Affine:
    return Affine(np.array(written["matrix"]), np.array(written["moved"]))


def _apart(meshes: Mapping[int, Mesh], matches: Matches) -> dict[tuple[int, int], np.ndarray]:
    """How far from each other, in pixels, points that match come to lie."""
    return {
        (a, b): np.linalg.norm(meshes[a](points) - meshes[b](to), axis=1)
        for (a, b), (points, to) in matches.items()
    }


def _figures(apart: np.ndarray, kept: int) -> list[float]:
    return [float(np.median(apart)), float(np.percentile(apart, 95)), len(apart), len(apart) - kept]


def _inputs(names: Sequence[tuple[int, int]], pairs: Sequence[Artifact]) -> dict[str, str]:
    return {f"pair {a} {b}": artifact.sha256 for (a, b), artifact in zip(names, pairs)}
