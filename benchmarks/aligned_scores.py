"""Segment tissue as it is, and as a made-up microscope took it in sections that were aligned; score both.

    python benchmarks/aligned_scores.py --network runs/demo/model/ffn.h5

The tissue is a phantom that the network never saw. Each way is one run with the settings of the demo:
`tissue` is the tissue itself; `aligned` a run with `data.image: sections`, from tiles to segments; with
`--perfect` there is `undistorted`, the same tiles looked up by what the microscope really did, as a perfect
alignment would have them. The truth is brought to where the alignment put the tissue, of each voxel the
nearest label; what no tile shows is not scored. The last line is JSON.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from aligned_truth import MICROSCOPE, labels_in_volume, looked_up, run_program

from pipeline.evaluation.conventions import BoxCounts, score
from pipeline.evaluation.filling import fill
from pipeline.evaluation.stage import open_segmentation
from pipeline.geometry import Box
from pipeline.machine.processor import processor
from pipeline.run_folder import Run
from pipeline.sections.stack import read_stack
from pipeline.settings.normalisation import PHANTOM
from pipeline.settings.run_file import read_config

VOXEL_SIZE_NM = [10, 10, 10]
CONVENTIONS = ("filled", "both_foreground")
FIGURES = ("are", "voi_split", "voi_merge")
OVERLAP = 20
"""Of the four tiles."""
AROUND = 24
"""Pixels of the image that are given beside what is segmented."""


def segment(options: argparse.Namespace, folder: Path, box: Box, *settings: str) -> Run:
    """The run of the network over a box with these settings, when it is finished.

    The image is normalised as phantoms are in training, whatever it is: the montage gives sections the
    contrast that phantoms have.
    """
    settings = (
        *settings,
        "data.labels=null",
        f"data.folder={folder.parent}",
        f"network.checkpoint={options.network.resolve()}",
        f"inference.box={box}",
        f"inference.tile={[box.shape[0], *[(box.shape[1] + OVERLAP) // 2] * 2]}",
        f"inference.overlap={[0, OVERLAP, OVERLAP]}",
        "evaluation.box=null",
        *(f"data.image_{name}={value}" for name, value in zip(("mean", "stddev"), PHANTOM)),
        f"site.workers={options.workers}",
    )
    changes = [word for setting in settings for word in ("--set", setting)]
    run_program("full_pipeline.py", "--config", options.config, "--run-dir", str(folder), *changes)
    return Run(folder, read_config(folder / "config.yaml"))


def segment_image(
    options: argparse.Namespace, folder: Path, box: Box, image: np.ndarray, *settings: str
) -> Run:
    """The same of an image, uint8 (z, y, x), of the box and `AROUND` beside it."""
    volume = folder.with_suffix(".h5")
    if not volume.exists():
        with h5py.File(volume, "w") as file:
            file["image"] = image
    placed = [
        f"data.origin={list(box.grow((0, AROUND, AROUND)).start)}",
        f"data.voxel_size_nm={VOXEL_SIZE_NM}",
    ]
    return segment(options, folder, box, f"data.image={volume}:image", *placed, *settings)


def figures(run: Run, truth: np.ndarray, box: Box) -> dict[str, Any]:
    """Scores of a run in a box, of the voxels that have a truth; and in its quarters, where a single leak
    does not decide all."""
    segments = open_segmentation(run).read(box)
    found = _scores(truth, segments)
    told = {f"{name}_{figure}": found[name][figure] for name in CONVENTIONS for figure in FIGURES}
    depth, height, width = box.shape
    quarters = [part.slices(box.start) for part in box.parts((depth, height // 2, width // 2))]
    return {
        **{name: round(value, 4) for name, value in (told | {"coverage": found["coverage"]}).items()},
        "filled_are_of_quarters": [
            round(_scores(truth[part], segments[part])["filled"]["are"], 4) for part in quarters
        ],
    }


def _scores(truth: np.ndarray, segments: np.ndarray) -> dict[str, Any]:
    return score(BoxCounts.count(truth, segments, fill(segments), truth > 0))


def compare(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Segment and score the tissue in each way."""
    microscope = MICROSCOPE if options.trouble else replace(MICROSCOPE, lost=(), folded=(), missing=())
    phantom, side = microscope.phantom(options.seed), microscope.side
    image, labels = phantom.image(phantom.box), phantom.labels(phantom.box)
    truth = microscope.take(folder, options.seed, image)
    beside = (side - options.side) // 2
    box = Box.of_shape((microscope.sections, side, side)).grow((0, -beside, -beside))
    # the coordinates of the volume begin where the tissue of the section that was aimed at does
    in_tissue = box.translate((0, truth.margin, truth.margin))
    around = in_tissue.grow((0, AROUND, AROUND))

    plain = segment_image(options, folder / "tissue", box, image[around.slices()])
    tiles = f"sections={{tiles: {{table: tiles.csv, voxel_size_nm: {VOXEL_SIZE_NM}}}}}"
    # of each lost section the one before it is shown
    shown = f"data.replace_sections={ {z: z - 1 for z in microscope.lost} }"
    aligned = segment(options, folder / "aligned", box, "data.image=sections", tiles, shown)
    assert aligned.config.sections is not None, "the run was given some"
    stack, sections = read_stack(aligned.config.sections, aligned.folder)
    there = labels[in_tissue.slices()]
    there[[z for z in range(microscope.sections) if z not in sections]] = 0
    brought = labels_in_volume(stack, sections, truth, labels, box)
    scores = {"tissue": figures(plain, there, box), "aligned": figures(aligned, brought, box)}
    if options.perfect:
        perfect = looked_up(stack, sections, truth, around)
        undistorted = segment_image(options, folder / "undistorted", box, perfect, shown)
        scores["undistorted"] = figures(undistorted, there, box)
    return {
        "seed": options.seed,
        "box": str(box),
        "trouble": options.trouble,
        **scores,
        "filled_are_difference": round(scores["aligned"]["filled_are"] - scores["tissue"]["filled_are"], 4),
        "processor": processor(),
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--network", type=Path, required=True, help="trained on phantoms, such as the demo's")
    parser.add_argument("--config", default="demo", help="the run file whose network it is")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--side", type=int, default=256, help="of the box that is segmented, in pixels")
    parser.add_argument("--trouble", action="store_true", help="a lost section, a fold and missing tiles too")
    parser.add_argument("--perfect", action="store_true", help="as a perfect alignment would have it too")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument(
        "--folder", type=Path, help="kept; what is there is not made again (default: a temporary one)"
    )
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = (options.folder or Path(temporary)) / f"seed{options.seed}_side{options.side}"
        folder = folder.with_name(folder.name + "_trouble" * options.trouble).resolve()
        folder.mkdir(parents=True, exist_ok=True)
        print(json.dumps(compare(options, folder)))


if __name__ == "__main__":
    main()
