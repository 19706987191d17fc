"""How much work a run is: the FOVs that its tiles have room for."""

from __future__ import annotations

import math
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from pipeline.config import RunConfig
from pipeline.geometry import Box
from pipeline.run_folder import Run
from pipeline.settings.estimate import centres, plan


def run_over(shape: tuple[int, int, int], tile: int, overlap: int, reflect: bool) -> Run:
    inference = {"tile": [tile] * 3, "overlap": [overlap] * 3, "reflect": reflect}
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
    at_every_centre = plan(run, calls_per_step_volume=math.prod(run.config.inference_deltas))
    assert at_every_centre.network_calls == sum(centres(run, tile) for tile in run.grid)


def test_mirrored_context_lets_a_fov_be_centred_on_every_voxel_of_a_lone_tile() -> None:
    for reflect, count in ((True, 30**3), (False, 22**3)):
        run = run_over((30, 30, 30), 30, 0, reflect)
        assert [centres(run, tile) for tile in run.grid] == [count]
