"""How much work a run is: the FOVs that its tiles have room for."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.config import RunConfig
from pipeline.geometry import Box
from pipeline.run_folder import Run
from pipeline.settings.estimate import centres, plan


def run_over(shape: tuple[int, int, int], tile: int, overlap: int, reflect: bool, **more: object) -> Run:
    inference = {"tile": [tile] * 3, "overlap": [overlap] * 3, "reflect": reflect, **more}
    document = {
        "network": {"fov": [9, 9, 9], "deltas": [2, 3, 4]},
        "inference": {"box": str(Box.of_shape(shape)), **inference},
    }
    return Run(Path("/nowhere"), RunConfig.model_validate(document))


@given(st.tuples(*[st.integers(20, 90)] * 3), st.integers(20, 40), st.integers(0, 8), st.booleans())
def test_the_tiles_together_have_room_for_as_many_fovs_as_the_run(
    shape: tuple[int, int, int], tile: int, overlap: int, reflect: bool
) -> None:
    run = run_over(shape, tile, overlap, reflect)
    at_every_centre = plan(run, {run.config.inference_deltas: math.prod(run.config.inference_deltas)})
    assert at_every_centre.network_calls == sum(centres(run, tile) for tile in run.grid)


def test_passes_add_up_to_all_their_calls() -> None:
    shape = (40, 50, 60)
    alone = [
        plan(run_over(shape, 30, 8, True, deltas=deltas)).network_calls for deltas in ((2, 3, 4), (4, 4, 4))
    ]
    both = plan(run_over(shape, 30, 8, True, passes=[{"seed_order": "reverse"}, {"deltas": (4, 4, 4)}]))
    assert both.network_calls == sum(alone)
    assert both.passes == 2


def test_mirrored_context_lets_a_fov_be_centred_on_every_voxel_of_a_lone_tile() -> None:
    for reflect, count in ((True, 30**3), (False, 22**3)):
        run = run_over((30, 30, 30), 30, 0, reflect)
        assert [centres(run, tile) for tile in run.grid] == [count]


@pytest.mark.parametrize(("deltas", "calls"), [(8, 47_262), (12, 18_825)])
def test_calls_of_fib25_are_foretold_as_they_were(deltas: int, calls: int) -> None:
    document = {
        "network": {"fov": [33] * 3, "deltas": [8] * 3},
        "inference": {
            "box": "0:250,0:250,0:250",
            "tile": [149] * 3,
            "overlap": [48] * 3,
            "deltas": [deltas] * 3,
        },
    }
    run = Run(Path("/nowhere"), RunConfig.model_validate(document))
    assert plan(run).network_calls == pytest.approx(calls, rel=0.02)
