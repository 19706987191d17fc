"""How fast a segmentation is scored, beside scikit-image; the last line is JSON.

    python benchmarks/evaluation.py --voxels 1000000000

Two volumes are made and stored as a run stores its segmentation: the processes of a phantom as truth, with
ids of 64 bits, and a segmentation of them with blank membranes, lost objects, cuts and mergers. What
`workflows.evaluate` does for a user is measured: processes are started, chunks read and unpacked, blanks
filled, blocks counted, tables added up and scored by all conventions.

scikit-image has a part of it (`--skimage-voxels`; its rate is taken to be the same on more) in memory, with
ids renumbered from 1, for it cannot take others. `skimage_voxels_per_s` and `ratio` are of
`adapted_rand_error` and `variation_of_information` once, by one convention. `ratio_of_same_scores` is with
what it takes to have the same from it: both by three conventions, and blanks filled by scipy. Reading and
renumbering count in neither. On a machine that others use too, compare `cpu_s` and `skimage_cpu_s` a voxel.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import resource
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Annotated, Any, TypeVar

import fastremap
import numpy as np
import typer
from made_up_volumes import make_volumes
from skimage.metrics import adapted_rand_error, variation_of_information

from pipeline.evaluation.comparison import BLOCK, Comparison
from pipeline.evaluation.conventions import BoxCounts, fill, score
from pipeline.geometry import Box
from pipeline.machine.processor import processor
from workflows.command_line import start

Result = TypeVar("Result")


def benchmark(
    voxels: Annotated[int, typer.Option(help="About how many; a cube of them.")] = 1_000_000_000,
    workers: Annotated[int | None, typer.Option(help="Processes that count (default: one a core).")] = None,
    skimage_voxels: Annotated[int, typer.Option(help="About how many scikit-image is given.")] = 100_000_000,
    folder: Annotated[
        Path | None, typer.Option(help="Keep the volumes there, or take those that are there.")
    ] = None,
) -> None:
    """Score a made-up segmentation and say how fast that was, and how far from scikit-image's scores."""
    box = _cube(voxels)
    with tempfile.TemporaryDirectory(prefix="evaluation-") as temporary:
        made = folder or Path(temporary)
        segmentation, truth = make_volumes(made, box.shape)
        comparison = Comparison(segmentation, truth)
        at_work = workers or len(os.sched_getaffinity(0))
        began = time.perf_counter()
        counts = BoxCounts.total(part for parts in comparison.count(box, at_work) for part in parts)
        scores = score(counts)
        seconds = time.perf_counter() - began
        spent = resource.getrusage(resource.RUSAGE_CHILDREN if at_work > 1 else resource.RUSAGE_SELF)
        part = _cube(min(voxels, skimage_voxels))
        theirs = _apart(_skimage, comparison, part)
        difference = _apart(_difference, comparison, part, theirs["scores"])
    rate, once, all_of_it = (
        n / s
        for n, s in (
            (box.size, seconds),
            (part.size, theirs["one_convention_s"]),
            (part.size, theirs["same_scores_s"]),
        )
    )
    found = {
        "voxels": box.size,
        "processor": processor(),
        "workers": at_work,
        "block": list(BLOCK),
        "seconds": round(seconds, 2),
        "cpu_s": round(spent.ru_utime + spent.ru_stime, 2),
        "voxels_per_s": round(rate),
        "skimage_voxels_per_s": round(once),
        "ratio": round(rate / once, 2),
        "ratio_of_same_scores": round(rate / all_of_it, 2),
        "peak_mib": round(spent.ru_maxrss / 1024),
        "max_abs_difference": difference,
        "skimage_voxels": part.size,
        "skimage_s": round(theirs["one_convention_s"], 2),
        "skimage_cpu_s": round(theirs["one_convention_cpu_s"], 2),
        "skimage_peak_mib": theirs["peak_mib"],
        "pairs": len(counts.as_is.voxels),
        "scores": scores,
    }
    print(json.dumps(found))


def _cube(voxels: int) -> Box:
    return Box.of_shape((max(1, round(voxels ** (1 / 3))),) * 3)


def _apart(work: Callable[..., Result], *args: Any) -> Result:
    """What `work` returns, done by a process of its own."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(work, *args).result()


def _skimage(comparison: Comparison, box: Box) -> dict[str, Any]:
    """Its scores by the conventions that it can have, and what they cost."""
    segmentation, truth = (volume.read(box) for volume in comparison.open())
    ids, labels = (fastremap.renumber(array, in_place=True)[0] for array in (segmentation, truth))
    began, cpu = time.perf_counter(), time.process_time()
    found = {"gt_foreground": _theirs(labels, ids)}
    once, cpu = time.perf_counter() - began, time.process_time() - cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    found["filled"] = _theirs(labels, fill(ids))
    both = (labels != 0) & (ids != 0)
    found["both_foreground"] = _theirs(labels[both], ids[both])
    return {
        "scores": found,
        "one_convention_s": once,
        "one_convention_cpu_s": cpu,
        "same_scores_s": time.perf_counter() - began,
        "peak_mib": round(peak / 1024),
    }


def _theirs(truth: np.ndarray, segmentation: np.ndarray) -> dict[str, float]:
    are, recall, precision = adapted_rand_error(truth, segmentation, ignore_labels=(0,))
    split, merge = variation_of_information(truth, segmentation)
    return {"are": are, "precision": precision, "recall": recall, "voi_split": split, "voi_merge": merge}


def _difference(comparison: Comparison, box: Box, theirs: dict[str, dict[str, float]]) -> float:
    """The largest difference between their scores and ours of the same box."""
    ours = score(BoxCounts.total(part for parts in comparison.count(box) for part in parts))
    return max(
        abs(ours[convention][name] - value)
        for convention, found in theirs.items()
        for name, value in found.items()
    )


if __name__ == "__main__":
    start(benchmark)
