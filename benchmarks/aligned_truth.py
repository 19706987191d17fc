"""Where the tissue that a made-up microscope took comes to lie in the volume to which it is aligned."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.geometry import Box
from pipeline.results.artifacts import Artifact
from pipeline.sections.group import group_file, groups_of, places_file, read_mesh, read_places
from pipeline.sections.mesh import Mesh
from pipeline.sections.picture import SectionPicture
from pipeline.sections.stack import Stack, load
from pipeline.sections.tiles import TileSection
from pipeline.synthetic.microscope import Microscope, Truth

REPOSITORY = Path(__file__).parents[1]

MICROSCOPE = Microscope(sections=48, lost=(17,), folded=(30,), missing=((8, 0, 1), (40, 2, 2)))

Sections = Mapping[int, TileSection]


def run_program(name: str, *arguments: str) -> None:
    """Run a script of workflows/, whose words go to standard error. Where it fails, this program ends too."""
    command = [sys.executable, str(REPOSITORY / "workflows" / name), "--quiet", *arguments]
    done = subprocess.run(command, stdout=sys.stderr)
    if done.returncode != 0:
        sys.exit(f"error: {name} ended with exit code {done.returncode}")


def montage_of(stack: Stack, section: TileSection) -> dict[str, Any]:
    """What `make_montage` found."""
    return load(Artifact(str(stack.file("montage", f"{section.name}.json")), ""))


def mesh_of(stack: Stack, z: int) -> Mesh:
    """The map of a section from its montage into the volume."""
    files = {n: group_file(stack, stack.groups[n]) for n in groups_of(stack, z)}
    groups = {n: Artifact(str(path), "") for n, path in files.items()}
    return read_mesh(stack, z, read_places(Artifact(str(places_file(stack)), ""))[z], groups)


def in_volume(stack: Stack, section: TileSection, truth: Truth, tissue: np.ndarray) -> np.ndarray:
    """Where points of the tissue come to lie, (n, 2); NaN where no tile of the section shows them."""
    at, is_there = truth.distortions[section.z].undone(tissue)
    places, montage = np.full(tissue.shape, np.nan), montage_of(stack, section)["places"]
    for tile in section.tiles:
        taken = truth.places[tile.name]
        inside = is_there & ((at >= taken) & (at <= taken + tile.shape[0] - 1)).all(axis=1)
        places[inside] = at[inside] - taken + montage[tile.name]
    return mesh_of(stack, section.z)(places)


def in_tissue(stack: Stack, section: TileSection, truth: Truth, points: np.ndarray) -> np.ndarray:
    """From where in the tissue points of the volume, (n, 2), come.

    The tiles of a section lie where they were taken but for the few hundredths of a pixel that the montage is
    wrong, and but for what is common to all of them.
    """
    montage = montage_of(stack, section)["places"]
    common = np.mean([np.array(place) - truth.places[name] for name, place in montage.items()], axis=0)
    return truth.distortions[section.z](mesh_of(stack, section.z).undone(points) - common)


def labels_in_volume(
    stack: Stack, sections: Sections, truth: Truth, labels: np.ndarray, box: Box
) -> np.ndarray:
    """The labels of the tissue, (z, y, x), as they come to lie in a box of the volume: of each voxel the
    nearest. 0 in sections that are not there, and beyond the tissue."""
    found = np.zeros(box.shape, labels.dtype)
    (first, y, x), (_, height, width) = box.start, box.shape
    points = np.indices((height, width)).reshape(2, -1).T + np.array([y, x], float)
    for z, section in sections.items():
        if first <= z < box.stop[0]:
            at = np.rint(in_tissue(stack, section, truth, points)).astype(int)
            inside = ((at >= 0) & (at < labels.shape[1:])).all(axis=1)
            of_section = np.zeros(len(points), labels.dtype)
            of_section[inside] = labels[z, at[inside, 0], at[inside, 1]]
            found[z - first] = of_section.reshape(height, width)
    return found


def looked_up(stack: Stack, sections: Sections, truth: Truth, box: Box) -> np.ndarray:
    """The tissue in a box of it, uint8 (z, y, x), as the tiles show it, looked up where it was really taken;
    as grey as the montage makes it, and 0 where no tile shows it."""
    found = np.zeros(box.shape, np.uint8)
    (first, y, x), (_, height, width) = box.start, box.shape
    tissue = np.indices((height, width)).reshape(2, -1).T + np.array([y, x], float)
    for z, section in sections.items():
        if first <= z < box.stop[0]:
            montage = {**montage_of(stack, section), "places": truth.places}
            at, _ = truth.distortions[z].undone(tissue)
            values, there = SectionPicture(section, montage).sample(at.T.reshape(2, height, width), order=3)
            found[z - first] = np.where(there, np.clip(np.round(values), 1, 255), 0)
    return found
