"""A task of the stage: measure the run's run length along skeletons."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from pipeline.evaluation.counted_skeletons import counted, share_seen_along
from pipeline.evaluation.nodes import run_length_in
from pipeline.evaluation.skeleton_files import read_skeletons, read_traced
from pipeline.evaluation.stage import open_segmentation
from pipeline.results.agglomerated_ids import read_agglomerated_ids
from pipeline.results.artifacts import Artifact, Recipe, Target, combined
from pipeline.results.records import make
from pipeline.run_folder import Run
from pipeline.settings.scored import seen_in_training
from pipeline.volumes import image_voxel_size_nm

VERSION = 3


def run_length_target(
    run: Run,
    segmentation: Sequence[Artifact],
    made: Artifact | None = None,
    agglomeration: Sequence[Artifact] = (),
) -> Target:
    """The run's run_length.json; arguments as for `measure_run_length`."""
    evaluation = run.config.evaluation
    settings = {
        "evaluation": {"merge_threshold": evaluation.merge_threshold},
        "exclude": None if evaluation.exclude is None else str(evaluation.exclude),
        "seen": [str(box) for box in seen_in_training(run)],
        "voxel_size_nm": image_voxel_size_nm(run),
    }
    skeletons = run.identities["skeletons"] if made is None else combined([made])
    inputs = {"skeletons": skeletons, "segmentation": combined(segmentation)}
    if evaluation.within_mask and "mask" in run.identities:
        inputs["mask"] = run.identities["mask"]
    if agglomeration:
        inputs["agglomeration"] = combined(agglomeration)
    return Target(run.run_length_file, Recipe("run length", VERSION, settings, inputs))


def measure_run_length(
    run: Run,
    segmentation: Sequence[Artifact],
    made: Artifact | None = None,
    agglomeration: Sequence[Artifact] = (),
) -> Artifact:
    """Write the run's run_length.json; `segmentation` are all parts of the volume.

    `made` are the skeletons that the run made itself; None: it reads them where the run file says. With an
    agglomeration it holds, as `agglomerated`, the run length of the segments that are one by it, too. Raises
    InputError.
    """

    def write(path: Path) -> None:
        evaluation = run.config.evaluation
        assert evaluation.skeletons is not None, "only a run with skeletons measures along them"
        skeletons = read_skeletons(Path(evaluation.skeletons if made is None else made.path))
        here = counted(run, skeletons)
        joined = read_agglomerated_ids(Path(agglomeration[0].path)).of if agglomeration else None
        found = run_length_in(open_segmentation(run), skeletons, evaluation.merge_threshold, here, joined)
        found["seen_in_training"] = share_seen_along(run, here)
        if made is not None:
            found["traced"] = read_traced(Path(made.path))
        path.write_text(json.dumps(found, indent=2, allow_nan=False) + "\n")

    return make(run_length_target(run, segmentation, made, agglomeration), write)
