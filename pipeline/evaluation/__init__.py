"""Score a segmentation against labels: adapted Rand error and variation of information.

Blocks are counted on their own, in any order; their tables add up to the table of the whole box,
and every score is a function of that. `conventions` says exactly which voxels each score counts.
"""

from pipeline.evaluation.choice import (
    choice_target,
    choose,
    chosen_target,
    score_try,
    take_chosen,
    try_target,
)
from pipeline.evaluation.contingency import ContingencyTable
from pipeline.evaluation.conventions import BoxCounts, count_box, score
from pipeline.evaluation.find_worst import find_worst, worst_target
from pipeline.evaluation.make_skeletons import make_skeletons, skeletons_target
from pipeline.evaluation.measure_run_length import measure_run_length, run_length_target
from pipeline.evaluation.scores import (
    RandScores,
    VariationOfInformation,
    adapted_rand,
    variation_of_information,
)
from pipeline.evaluation.stage import (
    blocks,
    count_block,
    counts_target,
    metrics_target,
    reach,
    score_run,
    set_old_scores_aside,
)
from pipeline.evaluation.uncorrected import count_uncorrected, uncorrected_target

__all__ = [
    "BoxCounts",
    "ContingencyTable",
    "RandScores",
    "VariationOfInformation",
    "adapted_rand",
    "blocks",
    "choice_target",
    "choose",
    "chosen_target",
    "count_block",
    "count_box",
    "count_uncorrected",
    "counts_target",
    "find_worst",
    "make_skeletons",
    "measure_run_length",
    "metrics_target",
    "reach",
    "run_length_target",
    "score",
    "score_run",
    "score_try",
    "set_old_scores_aside",
    "skeletons_target",
    "take_chosen",
    "try_target",
    "uncorrected_target",
    "variation_of_information",
    "worst_target",
]
