"""Montage and align what a made-up microscope took, and compare with what it did.

    python benchmarks/sections.py --seed 1
    python benchmarks/sections.py --image /data/fib25/grayscale_maps.h5:raw

The tissue is a phantom, or an image of uint8, whose first sections are taken, as far as it reaches.
Prints one line of JSON. Errors are in pixels of sections, against the truth: of the montage, how far each
tile is from where it was taken, beside what all tiles of its section have in common; of the alignment, where
points of the tissue come to lie in the volume, beside the one affine map of the whole volume that fits best
(nobody can know it). `neighbours` is how far a point of the tissue is from itself between one section and the
next that is there, `inside` the same of points that are not near the edge of their section, `absolute` how
far it is from where it should be, `upright` the same once the lean of the whole volume is taken off, so many
pixels a section in one direction, and `drift` the most that a section is as a whole.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from aligned_truth import MICROSCOPE, Sections, in_volume, montage_of, run_program

from pipeline.geometry import Box, Triple
from pipeline.sections.coarse import Affine
from pipeline.sections.stack import Stack, read_stack
from pipeline.settings.align_file import load_align_config
from pipeline.synthetic.microscope import Microscope, Truth
from pipeline.volumes.open import open_volume

EVERY = 16
"""Pixels between the points at which the alignment is compared."""

INSIDE = 40
"""Pixels from its edge where a section can be compared on all sides: a patch and the next point."""

LEAST_MARGIN = 30
"""Pixels of tissue that are left on all sides of a section, which is moved, turned and bent."""

STILL: dict[str, Any] = {
    **dict.fromkeys(("jitter", "turned", "stretched", "moved", "bent", "noise"), 0.0),
    **dict.fromkeys(("lost", "folded", "missing"), ()),
}
"""Of a microscope that shows the tissue as it is."""

SETTINGS = """
tiles: {table: tiles.csv, voxel_size_nm: [10, 10, 10]}
site: {workers: %d}
"""


def montage_errors(stack: Stack, sections: Sections, truth: Truth) -> np.ndarray:
    """Of every tile, in pixels, beside what all of its section have in common."""
    errors = []
    for section in sections.values():
        places = montage_of(stack, section)["places"]
        wrong = np.array([np.array(place) - truth.places[name] for name, place in places.items()])
        errors.append(np.linalg.norm(wrong - wrong.mean(axis=0), axis=1))
    return np.concatenate(errors)


def alignment_errors(stack: Stack, sections: Sections, truth: Truth, extent: int) -> dict[str, np.ndarray]:
    """`absolute`, `upright`, `neighbours` and `inside` of points, `drift` of every section; see above."""
    low, high = EVERY, extent - EVERY
    axis = np.arange(low, high, EVERY) + truth.margin
    tissue = np.stack(np.meshgrid(axis, axis, indexing="ij"), axis=-1).reshape(-1, 2).astype(float)
    there = {z: in_volume(stack, section, truth, tissue) for z, section in sections.items()}
    seen = {z: np.isfinite(places[:, 0]) for z, places in there.items()}
    common = Affine.fitted(
        np.concatenate([tissue[seen[z]] for z in there]),
        np.concatenate([places[seen[z]] for z, places in there.items()]),
    )
    wrong = {z: places - common(tissue) for z, places in there.items()}
    steps = np.stack([wrong[a] - wrong[b] for a, b in zip(list(wrong), list(wrong)[1:])])
    from_edge = np.minimum(tissue - truth.margin, extent - (tissue - truth.margin)).min(axis=1)
    return {
        "absolute": _lengths(np.concatenate(list(wrong.values()))),
        "upright": _lengths(_upright(wrong)),
        "neighbours": _lengths(np.concatenate(steps)),
        "inside": _lengths(np.concatenate(steps[:, from_edge >= INSIDE])),
        "drift": _lengths(np.array([np.nanmean(one, axis=0) for one in wrong.values()])),
    }


def _upright(wrong: dict[int, np.ndarray]) -> np.ndarray:
    """The errors of all sections without what grows with z alike everywhere."""
    errors = np.concatenate(list(wrong.values()))
    z = np.repeat(list(wrong), [len(one) for one in wrong.values()]).astype(float)
    seen = np.isfinite(errors[:, 0])
    errors, z = errors[seen], z[seen] - z[seen].mean()
    return errors - np.outer(z, z @ errors / (z @ z))


def microscope_for(shape: Triple) -> Microscope:
    """One whose tiles are as large as an image of this shape allows, and as many."""
    around = min(shape[1:])
    beside = (MICROSCOPE.grid - 1) * MICROSCOPE.overlap
    tile = min(MICROSCOPE.tile, (around - 2 * LEAST_MARGIN + beside) // MICROSCOPE.grid)
    fitting = replace(MICROSCOPE, tile=tile)
    return replace(fitting, margin=(around - fitting.side) // 2)


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
    parser.add_argument("--image", metavar="FILE:DATASET", help="tissue to take (default: a phantom)")
    parser.add_argument(
        "--set", dest="changes", metavar="KEY=VALUE", action="append", default=[], help="Change one setting"
    )
    parser.add_argument("--still", action="store_true", help="distort nothing: what moves is the tissue")
    options = parser.parse_args()
    microscope, tissue = MICROSCOPE, None
    if options.image is not None:
        volume = open_volume(options.image)
        microscope = microscope_for(volume.shape)
        tissue = volume.read(Box.of_shape(microscope.tissue, volume.box.start))
    if options.still:
        microscope = replace(microscope, **STILL)
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.folder or Path(temporary)
        truth = microscope.take(folder, options.seed, tissue)
        (folder / "align.yaml").write_text(SETTINGS % options.workers)
        started = time.monotonic()
        changes = [word for change in options.changes for word in ("--set", change)]
        where = "--config", str(folder / "align.yaml"), "--run-dir", str(folder / "run")
        run_program("align.py", *where, *changes)
        wall_s = time.monotonic() - started
        stack, sections = read_stack(
            load_align_config(folder / "align.yaml", options.changes), (folder / "run").resolve()
        )
        pixels = sum(tile.shape[0] * tile.shape[1] for one in sections.values() for tile in one.tiles)
        alignment = alignment_errors(stack, sections, truth, microscope.side)
        print(
            json.dumps(
                {
                    "seed": options.seed,
                    "image": options.image or "phantom",
                    "changes": options.changes,
                    "still": options.still,
                    "tile": microscope.tile,
                    "montage_px": figures(montage_errors(stack, sections, truth)),
                    "neighbours_px": figures(alignment["neighbours"]),
                    "inside_px": figures(alignment["inside"]),
                    "absolute_px": figures(alignment["absolute"]),
                    "upright_px": figures(alignment["upright"]),
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
