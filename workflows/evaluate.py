"""Score segmentations against a truth: any volumes that can be opened, or those of runs.

python workflows/evaluate.py SEGMENTATION TRUTH
python workflows/evaluate.py runs/demo --box 0:64,0:128,160:288
python workflows/evaluate.py A.h5:seg B.zarr TRUTH.h5:labels --skeletons swc/ --json scores.json
"""

from __future__ import annotations

import sys
from pathlib import Path

if not __package__:  # a script: this program's packages before what PYTHONPATH has under their names
    sys.path[0] = str(Path(__file__).parents[1])

import json
import os
import tempfile
from contextlib import ExitStack
from itertools import zip_longest
from typing import IO, Annotated, Any

import typer
from rich.progress import track

from pipeline.errors import InputError
from pipeline.evaluation.comparison import Comparison, blocks
from pipeline.evaluation.conventions import score
from pipeline.evaluation.counted import Counted
from pipeline.evaluation.kept_counts import KeptCounts
from pipeline.evaluation.side_by_side import run_lengths, run_lengths_along_truth, side_by_side
from pipeline.evaluation.skeleton_files import read_skeletons
from pipeline.evaluation.smells import smells
from pipeline.evaluation.stage import shares
from pipeline.evaluation.trust import doubts
from pipeline.geometry import Box
from pipeline.results.unreadable import mend_write
from pipeline.settings.fields import sections_in
from workflows.command_line import QuietOption, start
from workflows.output import PlainConsole
from workflows.scored_runs import own_labels, segmentation_of
from workflows.scores_as_text import print_beside, print_scores
from workflows.volume_options import choice_of, numbers, parsed_box


def evaluate(
    volumes: Annotated[
        list[str],
        typer.Argument(
            metavar="SEGMENTATION... [TRUTH]",
            help="What to score, volumes or folders of runs; the truth comes last. A run alone: its labels.",
        ),
    ],
    box: Annotated[
        str | None, typer.Option(metavar="Z0:Z1,Y0:Y1,X0:X1", help="Score this box alone.")
    ] = None,
    agglomerated: Annotated[
        bool, typer.Option("--agglomerated", help="Of runs, score the ids that agglomeration gives.")
    ] = False,
    ignore: Annotated[
        list[int] | None,
        typer.Option(metavar="ID", help="A truth id that says nobody knows what is there; repeatable."),
    ] = None,
    ignore_border: Annotated[
        float | None,
        typer.Option(
            metavar="NM",
            min=0,
            help="Leave out voxels this near to a border of the truth in their section; CREMI: 25.",
        ),
    ] = None,
    labelled_sections: Annotated[
        str | None,
        typer.Option(
            metavar="Z0:Z1:STEP",
            help="Where the truth is drawn in some sections alone: their z, as 0:100:10 or as a list.",
        ),
    ] = None,
    skeletons: Annotated[
        Path | None,
        typer.Option(help="Measure run length along these: SWC, NML, precomputed, or em_erl's npz."),
    ] = None,
    skeletons_from_truth: Annotated[
        bool, typer.Option("--skeletons-from-truth", help="Make them from the truth, by kimimaro.")
    ] = False,
    merge_threshold: Annotated[
        int,
        typer.Option(
            metavar="NODES",
            min=0,
            help="A segment joins skeletons if it has more nodes than this in each of two.",
        ),
    ] = 0,
    voxel_size: Annotated[
        str | None, typer.Option(metavar="Z,Y,X", help="In nm; goes before what the files say.")
    ] = None,
    segmentation_origin: Annotated[
        str | None, typer.Option(metavar="Z,Y,X", help="Where its first voxel lies, in voxels.")
    ] = None,
    truth_origin: Annotated[str | None, typer.Option(metavar="Z,Y,X", help="The same of the truth.")] = None,
    segmentation_axes: Annotated[
        str | None, typer.Option(metavar="AXES", help="Names of its stored axes in their order, such as xyz.")
    ] = None,
    truth_axes: Annotated[str | None, typer.Option(metavar="AXES", help="The same of the truth.")] = None,
    segmentation_mip: Annotated[int | None, typer.Option(min=0, help="Its level; the finest is 0.")] = None,
    truth_mip: Annotated[int | None, typer.Option(min=0, help="The truth's level.")] = None,
    most: Annotated[int, typer.Option("--worst", min=0, help="List so many of the costliest errors.")] = 10,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Processes that count (default: one a core).")
    ] = None,
    quiet: QuietOption = False,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write all figures to this file.")] = None,
) -> None:
    """Score segmentations against a truth: ARE, VOI and, along skeletons, expected run length.

    Volumes are named as in a run file: FILE.h5:DATASET, a folder, s3://BUCKET/em.zarr.
    """
    size = numbers(voxel_size, float, "--voxel-size")
    if skeletons and skeletons_from_truth:
        raise InputError(f"--skeletons {skeletons} and --skeletons-from-truth: choose one of them")
    traced = read_skeletons(skeletons) if skeletons else None
    if json_file is not None and not json_file.absolute().parent.is_dir():
        raise InputError(
            f"--json {json_file}: there is no folder {json_file.parent}; make it, or name another"
        )
    named, wanted = list(dict.fromkeys(volumes[:-1] or volumes)), parsed_box(box)
    segmentations = [segmentation_of(source, agglomerated) for source in named]
    if agglomerated and not any(each.run for each in segmentations):
        raise InputError(f"--agglomerated is for runs, but {named[0]} is no run's folder: leave it out")
    truth, labels_of, border_nm = segmentation_of(volumes[-1], False), None, ignore_border or 0.0
    if len(volumes) == 1:
        of_volumes = {
            "--voxel-size": voxel_size,
            "--segmentation-origin": segmentation_origin,
            "--segmentation-axes": segmentation_axes,
            "--segmentation-mip": segmentation_mip,
            "--truth-origin": truth_origin,
            "--truth-axes": truth_axes,
            "--truth-mip": truth_mip,
            "--labelled-sections": labelled_sections,
        }
        labels_of, wanted = own_labels(truth, wanted, ignore or [], ignore_border, of_volumes)
        border_nm = labels_of.config.evaluation.ignore_border_nm
    comparisons = [
        Comparison(
            segmentation.uri,
            truth.uri,
            choice_of("segmentation", segmentation_origin, segmentation_axes, segmentation_mip, size),
            choice_of("truth", truth_origin, truth_axes, truth_mip, size),
            tuple(ignore or ()),
            border_nm,
            _sections(labelled_sections),
            segmentation.agglomeration,
            labels_of,
            segmentation.title,
        )
        for segmentation in segmentations
    ]
    scored = side_by_side(comparisons, wanted)
    # before the hours of counting, since it may be refused
    lengths: list[dict[str, Any]] = []
    if skeletons_from_truth:
        lengths = list(run_lengths_along_truth(scored, merge_threshold))
    elif traced is not None:
        lengths = list(run_lengths(scored, traced, merge_threshold))
    console, results, first = PlainConsole(), {}, None
    of_truth = truth.doubts() if labels_of is None else []
    with ExitStack() as files:
        for one, along, source in zip_longest(scored, lengths, segmentations):
            file = files.enter_context(tempfile.TemporaryFile())
            here = count(one.comparison, one.box, file, workers or len(os.sched_getaffinity(0)), quiet)
            found = figures(here, most, source.known(one.box, labels_of is not None))
            found["doubts"] = [*source.doubts(), *of_truth, *one.doubts, *found["doubts"]]
            if along is not None:
                found["run_length"] = along
            if along is not None and traced is not None:
                unit = traced.other_unit(one.comparison.open()[0].box, along["voxel_size_nm"])
                if unit is not None:
                    found["doubts"].append(
                        f"the skeletons are taken for nm, and would fill the volume in {unit}"
                    )
            name = one.comparison.name
            results[name] = found
            print_scores(name, found, console)
            if first is not None and one.is_comparable:
                found["beside"] = here.beside(first, most)
                print_beside(name, found["beside"], console)
            first = first or here  # its counts alone are kept: they may be large
    if json_file is not None:
        what = truth.title if labels_of is None else f"{volumes[0]}: its labels"
        _write(json_file, {"truth": what, "segmentations": results})


def count(comparison: Comparison, box: Box, file: IO[bytes], workers: int, quiet: bool = False) -> Counted:
    """Count a box, block by block; the counts of single blocks go into the `file`."""
    screen, work = PlainConsole(stderr=True), blocks(box)
    counting = track(
        comparison.count(box, workers),
        "counting",
        len(work),
        console=screen,
        transient=True,
        disable=quiet or not screen.is_terminal,
    )
    kept = KeptCounts(box, file)
    for counts, block in zip(counting, work):
        kept.add(block, counts)
    return Counted(comparison, kept)


def figures(counted: Counted, most: int, known: dict[str, float]) -> dict[str, Any]:
    """All figures of one segmentation, and its `most` costliest errors, as the JSON file holds them; `known`
    is what training saw of the box."""
    comparison, box = counted.comparison, counted.kept.box
    of_truth = {**known, **shares(counted.total, box, comparison.ignore_border_nm)}
    return {
        "box": str(box),
        "voxels": box.size,
        **of_truth,
        "scores": score(counted.total),
        "intervals_95": counted.intervals(),
        "worst": [wrong.as_dict() for wrong in counted.worst(most)],
        "doubts": [*comparison.doubts, *smells(*comparison.open(), box), *doubts(of_truth)],
    }


def _sections(text: str | None) -> tuple[int, ...] | None:
    try:
        return None if text is None else sections_in(text)
    except ValueError as error:
        raise InputError(f"--labelled-sections {text!r}: {error}") from None


def _write(path: Path, found: dict[str, Any]) -> None:
    try:
        path.write_text(json.dumps(found, indent=2, allow_nan=False) + "\n")
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror}; {mend_write(error)}") from None


def main() -> None:
    """Entry point of the `ffn-evaluate` command."""
    start(evaluate)


if __name__ == "__main__":
    main()
