"""Montage and align what a made-up microscope took, and compare with what it did.

    python benchmarks/sections.py --seed 1

Prints one line of JSON. Errors are in pixels of sections, against the truth: of the montage, how far each
tile is from where it was taken, beside what all tiles of its section have in common; of the alignment, where
points of the tissue come to lie in the volume, beside the one affine map of the whole volume that fits best
(nobody can know it). `neighbours` is how far a point of the tissue is from itself between one section and the
next that is there, `absolute` how far it is from where it should be, `drift` the most that a section is as a
whole.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

REPOSITORY = Path(__file__).parents[1]
if not __package__:
    sys.path[0] = str(REPOSITORY)

from pipeline.results.artifacts import Artifact  # noqa: E402
from pipeline.sections.coarse import Affine  # noqa: E402
from pipeline.sections.group import groups_of, read_mesh  # noqa: E402
from pipeline.sections.stack import Stack, load, read_stack  # noqa: E402
from pipeline.sections.tiles import TileSection  # noqa: E402
from pipeline.settings.align_file import load_align_config  # noqa: E402
from pipeline.synthetic.microscope import Microscope, Truth  # noqa: E402

EVERY = 16
"""Pixels between the points at which the alignment is compared."""

MICROSCOPE = Microscope(sections=48, lost=(17,), folded=(30,), missing=((8, 0, 1), (40, 2, 2)))

SETTINGS = """
tiles: {table: tiles.csv, voxel_size_nm: [10, 10, 10]}
site: {workers: %d}
"""

Sections = Mapping[int, TileSection]


def montage_errors(stack: Stack, sections: Sections, truth: Truth) -> np.ndarray:
    """Of every tile, in pixels, beside what all of its section have in common."""
    errors = []
    for section in sections.values():
        places = _montage(stack, section)["places"]
        wrong = np.array([np.array(place) - truth.places[name] for name, place in places.items()])
        errors.append(np.linalg.norm(wrong - wrong.mean(axis=0), axis=1))
    return np.concatenate(errors)


def alignment_errors(stack: Stack, sections: Sections, truth: Truth, extent: int) -> dict[str, np.ndarray]:
    """`absolute` and `neighbours` of every point, and `drift` of every section; see above."""
    low, high = EVERY, extent - EVERY
    axis = np.arange(low, high, EVERY) + truth.margin
    tissue = np.stack(np.meshgrid(axis, axis, indexing="ij"), axis=-1).reshape(-1, 2).astype(float)
    there = {z: _in_volume(stack, section, truth, tissue) for z, section in sections.items()}
    seen = {z: np.isfinite(places[:, 0]) for z, places in there.items()}
    common = Affine.fitted(
        np.concatenate([tissue[seen[z]] for z in there]),
        np.concatenate([places[seen[z]] for z, places in there.items()]),
    )
    wrong = {z: places - common(tissue) for z, places in there.items()}
    following = zip(list(wrong), list(wrong)[1:])
    return {
        "absolute": _lengths(np.concatenate(list(wrong.values()))),
        "neighbours": _lengths(np.concatenate([wrong[a] - wrong[b] for a, b in following])),
        "drift": _lengths(np.array([np.nanmean(one, axis=0) for one in wrong.values()])),
    }


def _montage(stack: Stack, section: TileSection) -> dict[str, Any]:
    return load(Artifact(str(stack.file("montage", f"{section.name}.json")), ""))


def _in_volume(stack: Stack, section: TileSection, truth: Truth, tissue: np.ndarray) -> np.ndarray:
    """Where points of the tissue come to lie, (n, 2); NaN where no tile of the section shows them."""
    at, is_there = truth.distortions[section.z].undone(tissue)
    places, montage = np.full(tissue.shape, np.nan), _montage(stack, section)["places"]
    for tile in section.tiles:
        taken = truth.places[tile.name]
        inside = is_there & ((at >= taken) & (at <= taken + tile.shape[0] - 1)).all(axis=1)
        places[inside] = at[inside] - taken + montage[tile.name]
    groups = {
        n: Artifact(str(stack.file("groups", "z{:06d}_z{:06d}.npz".format(*_ends(stack.groups[n])))), "")
        for n in groups_of(stack, section.z)
    }
    placed = Artifact(str(stack.file("groups", "places.json")), "")
    return read_mesh(stack, section.z, placed, groups)(places)


def _ends(group: tuple[int, ...]) -> tuple[int, int]:
    return group[0], group[-1]


def _lengths(vectors: np.ndarray) -> np.ndarray:
    lengths = np.linalg.norm(vectors, axis=1)
    return lengths[np.isfinite(lengths)]


def figures(values: np.ndarray) -> dict[str, float]:
    """What is told of many errors."""
    told = {"median": np.median(values), "95%": np.percentile(values, 95), "99%": np.percentile(values, 99)}
    return {name: round(float(value), 3) for name, value in told.items()}


def _seconds(folder: Path) -> dict[str, float]:
    """What the tasks of each stage took, all added up: as one process would take."""
    total: Counter[str] = Counter()
    for record in folder.rglob("*.done.json"):
        made = json.loads(record.read_text())
        total[made["stage"]] += made["seconds"]
    return {stage: round(seconds, 1) for stage, seconds in total.items()}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--folder", type=Path, help="kept; by default a temporary one")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.folder or Path(temporary)
        truth = MICROSCOPE.take(folder, options.seed)
        (folder / "align.yaml").write_text(SETTINGS % options.workers)
        started = time.monotonic()
        command = [sys.executable, str(REPOSITORY / "workflows" / "align.py"), "--quiet"]
        command += ["--config", str(folder / "align.yaml"), "--run-dir", str(folder / "run")]
        subprocess.run(command, check=True, stdout=sys.stderr)
        wall_s = time.monotonic() - started
        stack, sections = read_stack(load_align_config(folder / "align.yaml"), (folder / "run").resolve())
        pixels = sum(tile.shape[0] * tile.shape[1] for one in sections.values() for tile in one.tiles)
        alignment = alignment_errors(stack, sections, truth, MICROSCOPE.side)
        print(
            json.dumps(
                {
                    "seed": options.seed,
                    "montage_px": figures(montage_errors(stack, sections, truth)),
                    "neighbours_px": figures(alignment["neighbours"]),
                    "absolute_px": figures(alignment["absolute"]),
                    "drift_px": round(float(alignment["drift"].max()), 3),
                    "megapixels": round(pixels / 1e6, 1),
                    "workers": options.workers,
                    "wall_s": round(wall_s, 1),
                    "megapixels_per_s": round(pixels / 1e6 / wall_s, 3),
                    "seconds_of_tasks": _seconds(folder / "run"),
                }
            )
        )


if __name__ == "__main__":
    main()
