"""What each app makes: the file and its recipe, from the very arguments that the app is called with.

By this the driver knows, without starting a task, whether its result is there already.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pipeline import agglomeration, consensus, evaluation, reconciliation, report, sections, synthetic
from pipeline.ffn import weights
from pipeline.inference import tile_target
from pipeline.results.artifacts import Target
from pipeline.training import launch, sampling

TARGETS: dict[str, Callable[..., Target]] = {
    "make_phantom": synthetic.phantom_target,
    "sample_coordinates": sampling.coordinates_target,
    "train": launch.model_target,
    "import_checkpoint": weights.import_target,
    "segment_tile": tile_target.tile_target,
    "find_consensus": consensus.consensus_target,
    "find_evidence": reconciliation.evidence_target,
    "gather": reconciliation.group_target,
    "merge": reconciliation.id_table_target,
    "correct": reconciliation.corrected_table_target,
    "list_corrections": reconciliation.list_target,
    "list_conflicts": reconciliation.conflicts_target,
    "create_volume": reconciliation.volume_target,
    "write_block": reconciliation.block_target,
    "measure_block": reconciliation.segments_target,
    "list_properties": reconciliation.properties_target,
    "downsample_block": reconciliation.coarse_block_target,
    "mesh_cell": reconciliation.mesh_target,
    "trace_cell": reconciliation.trace_target,
    "list_pieces": reconciliation.listing_target,
    "write_shard": reconciliation.shard_target,
    "find_points": agglomeration.points_target,
    "resegment": agglomeration.scores_target,
    "agglomerate": agglomeration.agglomerated_target,
    "list_edges": agglomeration.edges_target,
    "count_block": evaluation.counts_target,
    "count_uncorrected": evaluation.uncorrected_target,
    "score_run": evaluation.metrics_target,
    "score_try": evaluation.try_target,
    "choose": evaluation.choice_target,
    "take_chosen": evaluation.chosen_target,
    "find_worst": evaluation.worst_target,
    "make_skeletons": evaluation.skeletons_target,
    "measure_run_length": evaluation.run_length_target,
    "write_facts": report.facts_target,
    "write_page": report.page_target,
    "find_shifts": sections.shifts_target,
    "make_montage": sections.montage_target,
    "make_overview": sections.overview_target,
    "match_sections": lambda stack, a, b: sections.pair_target(
        stack, sections.Montaged(*a), sections.Montaged(*b)
    ),
    "place_sections": sections.places_target,
    "relax_group": sections.group_target,
    "create_aligned": sections.info_target,
    "render_block": sections.aligned_target,
    "judge": sections.quality_target,
}

OF_MANY = frozenset(
    {
        "segment_tile",
        "find_consensus",
        "find_evidence",
        "gather",
        "write_block",
        "measure_block",
        "downsample_block",
        "mesh_cell",
        "trace_cell",
        "write_shard",
        "find_points",
        "resegment",
        "count_block",
        "count_uncorrected",
    }
)
"""Apps of which a large run has very many tasks. The targets of these follow from the arguments and the voxel
size of the image alone."""

CHECKPOINTS: dict[str, Callable[..., Path]] = {
    "train": lambda run, *others: run.checkpoint_file,
    "segment_tile": lambda run, tile, *others: run.tile_checkpoint_file(tile),
    "resegment": lambda run, block, *others: agglomeration.checkpoint_file(run, block),
}
"""From which file an app's task goes on after an interruption."""

ELSEWHERE = ("after", "launcher", "rehearses")
"""Keyword arguments that say when and where a task runs, and nothing of the bytes that it makes."""


def target_of(app: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Target:
    """The target of the app of this name when it is called with these arguments."""
    return TARGETS[app](*args, **{name: value for name, value in kwargs.items() if name not in ELSEWHERE})


def checkpoint_of(app: str, args: Sequence[Any]) -> Path | None:
    """The checkpoint of the app of this name when it is called with these arguments, if it keeps one."""
    return CHECKPOINTS[app](*args) if app in CHECKPOINTS else None
