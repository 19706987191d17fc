"""What runs each command that a page shows: a line of `AT_A_DESK`, or the test or step named in `ELSEWHERE`.

A command of a page is taken to be run where one with the same words and at least its options is: sizes and
paths are others here, so that all of them together take a minute or two.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from tests.documented_commands import Shown, commands

AT_A_DESK = """
ffn status --help
ffn --show-completion
ffn --install-completion
ffn config init em.h5:raw --truth traced.h5:labels -o mine.yaml
ffn config explain inference
ffn config explain reconciliation.min_larger_fraction
ffn config schema
python workflows/config.py explain inference
ffn sites
ffn sites polaris > mylab.yaml
python workflows/sites.py
python workflows/data.py fib25 --help
ffn run --config my.yaml --site ./mylab.yaml --set site.queue=debug --dry-run \
--set site.walltime_s=3600 --set site.account=lab --set site.filesystems=home
ffn plan
ffn plan --config my.yaml --run-dir runs/demo --budget-node-hours 2
ffn run --config my.yaml --run-dir runs/demo
ffn plan --config my.yaml --rates runs/demo --set training.ranks=16
ffn plan --run-dir runs/demo --set reconciliation.min_overlap_fraction=0.6
ffn pilot --config my.yaml --run-dir runs/demo
ffn status runs/demo
ffn report runs/demo
ffn export runs/demo all demo.zarr
ffn export runs/demo all filled.zarr --fill image
ffn export runs/demo all segments.csv --truth traced.h5:labels --truth-origin 0,0,0
python workflows/export.py runs/demo 0:48,0:48,64:100 part.tif
ffn evaluate demo.zarr traced.h5:labels --truth-origin 0,0,0
ffn config init em.h5:raw --truth traced.h5:labels -o whole.yaml \
--set network.checkpoint=runs/demo/model/ffn.h5
ffn plan --config whole.yaml --run-dir runs/whole --rates runs/demo
ffn weak-scaling --workers 1 --share 1 --side 48 \
--config my.yaml --run-dir runs/weak --set network.checkpoint=runs/demo/model/ffn.h5
python benchmarks/watching.py --tiles 30
python benchmarks/phantom_baseline.py --config my.yaml
python benchmarks/held_out.py runs/demo --box 0:48,0:48,0:64 --examples 2
"""
"""One after the other in one folder, each by a shell; the later ones use what the earlier ones made."""

THOROUGH = """
python benchmarks/second_look.py runs/demo
python workflows/study.py strong-scaling --ranks 1 STUDY
python benchmarks/evaluation.py --voxels 1000000
python benchmarks/bookkeeping.py --tiles 30
python benchmarks/reconciliation.py --voxels 1000000
python benchmarks/averaging.py --times 5
python workflows/study.py learning-rate --ranks 1 STUDY
python workflows/study.py batch-size --batches 1 STUDY
python workflows/study.py curves --repeats 1 STUDY
ffn study throughput --threads 1 STUDY
python workflows/study.py throughput --threads 1 STUDY
python workflows/study.py search --trials 2 \
--space training.learning_rate=1e-4..1e-2 --space training.batch_size=1,2 STUDY
python benchmarks/map_steps.py --config my.yaml --run-dir runs/steps \
--set network.checkpoint=runs/demo/model/ffn.h5
python benchmarks/recipes.py --config my.yaml --run-dir runs/recipes --only usual --seeds 1 --fovs 100
python benchmarks/sections.py --seed 1
python benchmarks/large_sections.py --side 1000
python benchmarks/sections.py --seed 1 --image FIB25/grayscale_maps.h5:raw
python benchmarks/aligned_scores.py --config my.yaml --side 128 --perfect --trouble \
--network runs/demo/model/ffn.h5
python benchmarks/training.py --depth 2 --fov 13 --deltas 4 --features 16 --fovs 60 --turns 1
python benchmarks/stragglers.py --fovs 40 --local-steps 4 --disturbances pauses
python benchmarks/kill_test.py --kills 1 --seed 1
python benchmarks/damage_test.py --seed 1 --only metrics
python benchmarks/settings_test.py
ffn run --config fib25 --run-dir runs/fib25 --set data.folder=FIB25 --set inference.box=0:64,60:124,60:124
git clone -q REPOSITORY clone && make -C clone install PYTHON=python3 TENSORFLOW=none
make -C clone format
make -C clone demo
"""
"""After those, by `pytest -m thorough`: what takes minutes each."""

WITH_A_WORD = "tests/workflows/test_gates.py::test_with_a_persons_word_it_goes_on_and_without_one_it_does_not"
PILOT = "tests/workflows/test_pilot.py::test_the_tile_of_a_pilot_tells_the_costs_and_is_not_made_again"
ALIGNED = "tests/workflows/test_align.py::test_tiles_become_a_volume_and_only_what_changed_is_made_again"

ELSEWHERE = {
    # of commands with two names, that which is not typed above
    "workflows/config.py init IMAGE --truth LABELS -o FILE": (
        "tests/workflows/test_config_init.py::test_the_file_plans_for_every_kind_of_volume"
    ),
    "workflows/full_pipeline.py --config FILE --run-dir DIR": (
        "tests/workflows/test_end_to_end.py::test_a_run_ends_with_scores_and_a_volume_under_fixed_names"
    ),
    "workflows/full_pipeline.py --config FILE --run-dir DIR --dry-run --budget-node-hours 2": PILOT,
    "workflows/pilot.py --config FILE --run-dir DIR": PILOT,
    "workflows/status.py RUN_DIR": (
        "tests/workflows/test_nobody_listens.py::test_a_run_outlives_its_listeners_and_says_why_it_was_stopped"
    ),
    "workflows/report.py RUN_DIR": (
        "tests/workflows/test_end_to_end.py::test_the_report_of_a_run_that_is_not_done_says_what_is_missing"
    ),
    "ffn approve RUN_DIR STAGE --by NAME --why TEXT": WITH_A_WORD,
    "ffn reject RUN_DIR STAGE --by NAME --why TEXT": WITH_A_WORD,
    "workflows/ffn.py approve": WITH_A_WORD,
    "workflows/ffn.py reject": WITH_A_WORD,
    "ffn run --yes": "tests/workflows/test_gates.py::test_yes_opens_all_gates_and_that_is_kept",
    "ffn align": ALIGNED,
    "workflows/align.py --config FILE --run-dir DIR": ALIGNED,
    "ffn run --config my.yaml --run-dir run --set site.monitoring=true": (
        "tests/workflows/running/test_monitoring.py"
        "::test_the_database_has_every_task_and_where_it_ran_and_quiet_is_quiet"
    ),
    "ffn data fib25 DIR": "tests/workflows/test_data.py::test_all_is_fetched_once",
    "ffn view --image IMAGE --segmentation SEG --truth TRUTH --screenshot FILE": (
        "tests/workflows/test_view.py::test_a_screenshot_is_drawn_and_the_command_ends"
    ),
    "ffn view RUN_DIR --beside RUN_DIR --agglomerated": (
        "tests/workflows/test_view.py::test_a_run_and_another_beside_it_are_drawn_with_where_they_differ"
    ),
    "ffn view --image IMAGE --segmentation SEG --beside SEG --box BOX": (
        "tests/workflows/test_view.py::test_a_run_and_another_beside_it_are_drawn_with_where_they_differ"
    ),
    "workflows/view.py": (
        "tests/workflows/test_view.py::test_it_prints_the_way_there_and_ends_by_ctrl_c_without_a_word"
    ),
    "ffn export RUN BOX FILE --agglomerated --volume-mip 1": (
        "tests/workflows/test_export.py::test_a_box_of_a_run_is_written_with_base_or_agglomerated_ids"
    ),
    "ffn export RUN BOX FILE --segments IDS": (
        "tests/pipeline/reconciliation/test_shapes_for_others.py"
        "::test_surfaces_are_objects_of_one_file_in_their_place_and_size"
    ),
    "ffn calibrate RUN_DIR": (
        "tests/workflows/test_calibrate.py::test_each_box_is_scored_by_the_rule_of_the_others"
    ),
    "workflows/calibrate.py RUN_DIR": (
        "tests/workflows/test_calibrate.py::test_each_box_is_scored_by_the_rule_of_the_others"
    ),
    "workflows/evaluate.py SEGMENTATION TRUTH --skeletons swc/ --json scores.json": (
        "tests/workflows/test_evaluate.py::test_segmentations_are_scored_side_by_side_and_along_skeletons"
    ),
    "ffn evaluate RUN --box BOX": (
        "tests/workflows/test_evaluate_runs.py"
        "::test_a_run_alone_is_scored_against_its_labels_as_its_run_file_says"
    ),
    "ffn evaluate RUN TRUTH --agglomerated": (
        "tests/workflows/test_evaluate_runs.py::test_a_run_is_scored_with_its_base_or_agglomerated_ids"
    ),
    "ffn doctor": (
        "tests/workflows/test_doctor.py::test_a_machine_on_which_the_run_can_work_is_found_good_and_left_as_it_was"
    ),
    "workflows/doctor.py --config my.yaml --run-dir run --site slurm --set site.walltime_s=1800": (
        "tests/workflows/test_doctor.py::test_a_real_slurm_is_found_good"
    ),
    "workflows/full_pipeline.py --config my.yaml --run-dir run --site polaris --set site.walltime_s=10800": (
        "tests/site_configs/test_runs_on_machines.py::test_a_killed_drivers_jobs_leave_the_queue"
    ),
    "workflows/weak_scaling.py --workers 1,2 --share 2 --side 72 --run-dir weak --set network.checkpoint=F": (
        "tests/workflows/test_weak_scaling.py::test_every_worker_has_the_same_work_and_every_point_is_reported"
    ),
    "benchmarks/inference.py --box BOX --preset best": (
        "tests/benchmarks/test_inference.py::test_the_plain_path_on_the_whole_box_segments_it_alike"
    ),
    "benchmarks/gpu.py --set network.checkpoint=ffn.h5": (
        "tests/benchmarks/test_gpu.py::test_tiles_are_measured_one_by_one_and_together_and_come_out_the_same"
    ),
    "benchmarks/gpu.py --sizes none --workers 1,2x2 --tiles 1 --set network.checkpoint=ffn.h5": (
        "tests/benchmarks/test_gpu.py::test_tiles_are_measured_one_by_one_and_together_and_come_out_the_same"
    ),
    "make install": ".ci/run",
    "make test": ".ci/run",
    "make lint": ".ci/run",
    "make docs": ".ci/run",
}
"""By a command, the test that runs it in a small form, thorough ones among them, or the step that does."""

WORD = re.compile(r"[a-z][a-z-]+")


@dataclass(frozen=True)
class Form:
    """A command without its values."""

    program: str
    words: tuple[str, ...]
    """Its subcommand or target, with what follows it up to the first path, number or option."""
    options: frozenset[str]

    @classmethod
    def of(cls, shown: Shown) -> Form:
        words: list[str] = []
        for argument in shown.arguments:
            if not WORD.fullmatch(argument):
                break
            words.append(argument)
        options = {name for name in map(_option, shown.arguments) if name}
        return cls(shown.program, tuple(words), frozenset(options))

    def is_covered_by(self, other: Form) -> bool:
        return (
            self.program == other.program
            and self.words == other.words[: len(self.words)]
            and self.options <= other.options
        )


def forms(lines: str) -> list[Form]:
    """Those of some lines."""
    plain = re.sub(r"^.*&& ", "", lines, flags=re.MULTILINE).replace("make -C clone", "make")
    return [Form.of(shown) for shown in commands(f"```\n{plain}\n```\n")]


def _option(argument: str) -> str | None:
    """Its name if it is one: `--set`, or `PYTHON` of `PYTHON=python3`."""
    found = re.match(r"(--?[a-z][a-z-]*|[A-Z]+(?==))", argument)
    return found[0] if found else None
