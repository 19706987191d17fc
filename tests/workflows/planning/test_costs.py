"""Node-hours, jobs and other tiles, told from rates."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from pipeline.config import RunConfig
from pipeline.geometry import Box
from pipeline.results.records import make
from pipeline.run_folder import Run
from pipeline.tile_grid import TileGrid
from pipeline.training.launch import model_target
from pipeline.training.sampling import coordinates_target
from workflows.planning.costs import cost_of_tiles, cost_of_training, expected, print_costs
from workflows.planning.rates import Rates, TileRate, TrainingRate
from workflows.planning.scaling import foretold_fovs_per_s
from workflows.planning.tile_choices import fitted, overlap_for, print_tile_choices, suggest, tile_choices
from workflows.watching.long_tasks import duration

SEGMENT = TileRate(
    tiles=1,
    seconds=100,
    calls_per_s=2,
    calls_per_step_volume=1.5,
    calls_per_1000_voxels=3,
    bytes_per_voxel=0.2,
    engine="openvino",
    precision="bfloat16",
    processor="AMD EPYC",
    threads_per_worker=1,
    deltas=(8, 8, 8),
)
TRAIN = TrainingRate(ranks=2, threads_per_rank=1, batch_size=4, fovs_per_s=100)
RATES = Rates(
    measured_in="/runs/a", site="local", fov=(33, 33, 33), depth=12, features=32, segment=SEGMENT, train=TRAIN
)


def run_of(side: int = 464, **site: Any) -> Run:
    """8 tiles of 256 that overlap by 48, unless the volume has another size."""
    document = {
        "data": {"labels": "phantom", "phantom": {"shape": [side] * 3}},
        "inference": {"box": ",".join([f"0:{side}"] * 3)},
        "training": {"ranks": 4, "fovs": 7200},
        "site": {"workers": 2, **site},
    }
    return Run(Path("/nowhere"), RunConfig.model_validate(document))


def tile_s() -> float:
    """Of a tile with its context mirrored on one side of each axis, at two calls a second."""
    return 1.5 * 240**3 / 8**3 / 2


def test_a_volume_in_a_bucket_takes_no_disk() -> None:
    run = run_of()
    data = run.config.data.model_copy(update={"output": "s3://bucket/segmentation"})
    away = replace(run, config=run.config.model_copy(update={"data": data}))
    assert "about 46.8 MB for tiles and volume, at most " in printed(run, RATES)
    said = printed(away, RATES)
    assert "about 26.8 MB for tiles, at most " in said
    assert "; the volume is in a bucket\n" in said


def test_a_plan_for_another_site_than_that_of_the_rates_says_so() -> None:
    assert "at site" not in printed(run_of(), RATES)
    said = printed(run_of(), RATES.model_copy(update={"site": "theta"}))
    assert "by openvino bfloat16 on AMD EPYC, at site theta\n" in said
    assert "100.0 measured on 2 of 1 thread, at site theta: " in said


def test_a_tile_is_kept_of_each_pass_and_of_what_they_agree_on() -> None:
    run = run_of()
    passes = {"passes": ({"seed_order": "forward"}, {"seed_order": "reverse"})}
    inference = run.config.inference.model_validate({**run.config.inference.model_dump(), **passes})
    twice = replace(run, config=run.config.model_copy(update={"inference": inference}))
    assert "about 46.8 MB for tiles and volume" in printed(run, RATES)
    assert "about 100.5 MB for tiles and volume" in printed(twice, RATES)


def test_calls_follow_the_measured_tiles_where_their_deltas_were_the_same() -> None:
    run = run_of()
    assert expected(run, RATES).network_calls == round(8 * 1.5 * 240**3 / 8**3)
    other = RATES.model_copy(update={"segment": SEGMENT.model_copy(update={"deltas": (12, 12, 12)})})
    assert expected(run, other) == expected(run, RATES.model_copy(update={"segment": None}))


@pytest.mark.parametrize(
    ("workers", "nodes", "rounds"), [(2, 1, 4), (3, 1, 3), (2, 2, 2), (8, 1, 1), (32, 1, 1)]
)
def test_nodes_are_held_until_the_last_round_of_tiles_is_done(workers: int, nodes: int, rounds: int) -> None:
    run = run_of(workers=workers, tile_nodes=nodes)
    cost = cost_of_tiles(run, expected(run, RATES), SEGMENT)
    assert cost.seconds == pytest.approx(rounds * tile_s())
    assert cost.node_hours == pytest.approx(nodes * rounds * tile_s() / 3600)


def test_of_jobs_at_once_no_more_are_held_than_there_is_work_for() -> None:
    """Eight tiles are work for four jobs of two workers."""
    four, many = run_of(tile_jobs=4), run_of(tile_jobs=16)
    assert cost_of_tiles(many, expected(many, RATES), SEGMENT) == cost_of_tiles(
        four, expected(four, RATES), SEGMENT
    )


def test_a_job_begins_tiles_until_its_last_tile_time() -> None:
    """Four rounds of 5:37:30: one a job, two, and all of them."""
    tile = math.ceil(tile_s())
    for walltime_s, jobs in ((tile + 1, 4), (2 * tile + 600, 2), (100 * tile, 1)):
        run = run_of(walltime_s=walltime_s)
        assert cost_of_tiles(run, expected(run, RATES), SEGMENT).jobs == jobs


def test_of_what_is_done_the_plan_tells_what_is_left() -> None:
    run = run_of()
    estimate, tile = expected(run, RATES), tile_s()
    assert cost_of_tiles(run, estimate, SEGMENT, finished=3).seconds == pytest.approx(3 * tile)
    assert cost_of_tiles(run, estimate, SEGMENT, finished=8).seconds == 0
    assert cost_of_training(run, TRAIN, seen=5400).seconds == pytest.approx(1800 / 200)
    assert cost_of_training(run, TRAIN, seen=7204).seconds == 0, "of a last step that was not cut"
    left = f"; 3 done, {duration(3 * tile)}, {3 * tile / 3600:.2f} node-hours to go\n"
    assert left in printed(run, RATES, finished=3)
    assert "node-hours; 8 done\n" in printed(run, RATES, finished=8)
    assert " done" not in printed(run, RATES)


def test_training_takes_every_rank_as_fast_as_those_measured() -> None:
    cost = cost_of_training(run_of(ranks_per_node=1), TRAIN)
    assert cost.seconds == pytest.approx(7200 / 200)
    assert (cost.nodes, cost.node_hours) == (4, pytest.approx(4 * 36 / 3600))


STEADY = TRAIN.model_copy(update={"step_s": 0.08, "step_s_std": 0.0})
JITTERY = TRAIN.model_copy(update={"step_s": 0.08, "step_s_std": 0.02})
"""The same steps of two ranks, as even as can be, and uneven ones."""


def test_ranks_without_jitter_scale_as_far_as_their_messages_let_them() -> None:
    assert foretold_fovs_per_s(run_of(), STEADY) == pytest.approx(200, rel=0.02)
    two = run_of().config.training.model_copy(update={"ranks": 2})
    same = Run(Path("/nowhere"), run_of().config.model_copy(update={"training": two}))
    assert foretold_fovs_per_s(same, JITTERY) == pytest.approx(100), "what was measured is foretold"
    assert foretold_fovs_per_s(run_of(), JITTERY) < 0.95 * foretold_fovs_per_s(run_of(), STEADY)


def test_below_nine_tenths_the_plan_says_what_would_reach_it_and_what_it_assumes() -> None:
    many = run_of().config.training.model_copy(update={"ranks": 1024})
    run = Run(Path("/nowhere"), run_of().config.model_copy(update={"training": many}))
    said = printed(run, RATES.model_copy(update={"train": JITTERY}))
    assert "foretold: " in said
    assert "assumed: all ranks alike, exponential jitter" in said
    assert "0.9 would take training.batch_size=" in said
    assert "backup workers would make it" in said
    two = run_of().config.training.model_copy(update={"ranks": 2})
    few = Run(Path("/nowhere"), run_of().config.model_copy(update={"training": two}))
    said = printed(few, RATES.model_copy(update={"train": JITTERY.model_copy(update={"step_s_std": 0.05})}))
    assert "0.9 would take training.batch_size=" in said
    assert "backup workers" not in said, "of two ranks none can be done without"
    assert "scaling" not in printed(run, RATES), "of a rate without steps nothing is foretold"
    assert "would take" not in printed(run_of(), RATES.model_copy(update={"train": STEADY}))


def printed(run: Run, rates: Rates, finished: int = 0) -> str:
    console = Console(record=True, width=400)
    print_costs(run, rates, console, finished)
    return console.export_text()


def test_without_a_rate_the_way_to_one_is_told(tmp_path: Path) -> None:
    """A pilot refuses a run whose network is yet to be trained, be there one of other settings or not."""
    config, none = run_of().config, RATES.model_copy(update={"segment": None})
    training = config.training.model_copy(update={"box": Box.of_shape((99, 99, 99))})
    data = config.data.model_copy(update={"image_mean": 128.0, "image_stddev": 33.0})
    config = config.model_copy(update={"training": training, "data": data})
    run = Run(tmp_path, config, {"image": "phantom", "labels": "phantom"})
    assert "there is no network yet to measure it with; --rates RUN_DIR " in printed(run, none)
    assert " done" not in printed(run, RATES)
    make(model_target(run, make(coordinates_target(run), Path.touch)), Path.touch)
    trained = " measured on 2 of 1 thread: 0:36, 0.01 node-hours; 7,200 done\n"
    assert trained in printed(run, RATES)
    assert "`ffn pilot` (workflows/pilot.py)" in printed(run, none)
    deeper = config.model_copy(update={"network": config.network.model_copy(update={"depth": 13})})
    assert "there is no network yet to measure it with" in printed(replace(run, config=deeper), none)


def test_tiles_that_outlast_the_end_of_a_job_are_warned_of() -> None:
    assert "set site.tile_time_s to more than 20,250" in printed(run_of(walltime_s=36000), RATES)
    assert "site.tile_time_s" not in printed(run_of(walltime_s=360000, tile_time_s=100000), RATES)


def test_neighbours_share_half_a_fov_where_both_are_whole() -> None:
    for fov in ((33, 33, 33), (13, 25, 33)):
        assert all(shared - 2 * (n // 2) == n // 2 for shared, n in zip(overlap_for(fov), fov))


@given(st.integers(60, 5000), st.integers(50, 600), st.integers(0, 49))
def test_a_fitted_tile_is_the_smallest_that_needs_no_more_of_them(
    length: int, side: int, overlap: int
) -> None:
    def tiles(side: int) -> int:
        return len(TileGrid(Box.of_shape((1, 1, length)), (1, 1, side), (0, 0, overlap)))

    fit = fitted(length, side, overlap)
    assert fit <= max(side, overlap + 1)
    assert tiles(fit) == tiles(side)
    assert fit == overlap + 1 or tiles(fit - 1) > tiles(fit)


def test_larger_tiles_take_less_work_and_more_memory() -> None:
    own, *others = tile_choices(run_of(1200), RATES, SEGMENT)
    assert own.is_own
    assert [other.tile[0] for other in others] == [125, 192, 240, 336, 432]
    factors = [other.estimate.overlap_factor for other in others]
    memory = [other.bytes_per_worker for other in others]
    assert factors == sorted(factors, reverse=True)
    assert memory == sorted(memory)


def test_of_tiles_that_are_done_the_budget_pays_nothing_unless_others_are_chosen() -> None:
    run = run_of()
    own, *others = tile_choices(run, RATES, SEGMENT, finished=6)
    assert own.cost == cost_of_tiles(run, own.estimate, SEGMENT, finished=6)
    assert others == tile_choices(run, RATES, SEGMENT)[1:]
    best = suggest([own, *others], math.inf, None)
    assert best is not None
    assert best.is_own
    console = Console(record=True, width=400)
    print_tile_choices(run, RATES, SEGMENT, math.inf, console, finished=6)
    assert console.export_text().count("as it is, time and node-hours of what is left\n") == 1


def test_of_a_thin_volume_tiles_are_listed_that_a_run_file_takes() -> None:
    """What is suggested is copied: along z there is one tile, which shares nothing."""
    settings = run_of().config.model_dump()
    settings["inference"] |= {"box": "0:40,0:464,0:464", "tile": (40, 256, 256), "overlap": (0, 48, 48)}
    thin = Run(Path("/nowhere"), RunConfig.model_validate(settings))
    for choice in tile_choices(thin, RATES, SEGMENT):
        settings["inference"] |= {"tile": choice.tile, "overlap": choice.overlap}
        RunConfig.model_validate(settings)


def test_the_quickest_tile_within_budget_and_memory_is_suggested() -> None:
    listed = tile_choices(run_of(1200), RATES, SEGMENT)
    best = suggest(listed, math.inf, None)
    assert best is not None
    assert best.cost.seconds == min(c.cost.seconds for c in listed)
    smaller = suggest(listed, math.inf, best.bytes_per_worker - 1)
    assert smaller is not None
    assert smaller.bytes_per_worker < best.bytes_per_worker
    assert suggest(listed, min(c.cost.node_hours for c in listed) / 2, None) is None
